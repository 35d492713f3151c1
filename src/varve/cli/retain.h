// Parts of varve retain: what it prints, and its tests of policies.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>

#include "varve/format/retention_plan.h"
#include "varve/plan/retention_policy.h"
#include "varve/result.h"

namespace varve::cli {

// A plan as a person reads it: a line per version, then what it comes to.
std::string RetentionTable(const format::RetentionPlan& plan);
// Policies as the document that YAML and JSON files hold.
nlohmann::json PoliciesJson(const plan::PolicySet& set);

// Histories and what a policy must say of them, from a file (docs/retention.md, Tests of a policy).
struct PolicyTest {
  uint64_t checked = 0;
  std::vector<std::string> failures;
};
Result<PolicyTest> RunPolicyTest(const std::string& path);

// The same for a review: one table per artifact. And what another plan would do otherwise.
std::string RetentionMarkdown(const format::RetentionPlan& plan, const std::string& id);
std::string ChangesText(const std::vector<format::FateChange>& changes, const char* indent);
nlohmann::json ChangesJson(const std::vector<format::FateChange>& changes);

}  // namespace varve::cli
