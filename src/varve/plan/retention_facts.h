// What predicates ask of one version, and which metrics a policy asks of any. Private to plan/.
// Pure.
#pragma once

#include <string>

#include "varve/plan/retention.h"

namespace varve::plan {

// Of "team/llama": "team" and "llama".
std::string ProjectOf(const std::string& artifact);
std::string RunOf(const std::string& artifact);

// kInvalidArgument with its place for a metric that a rule names and nothing it applies to has.
Status CheckMetrics(const PolicySet& set, const std::vector<Candidate>& candidates,
                    int64_t as_of_ms);

}  // namespace varve::plan
