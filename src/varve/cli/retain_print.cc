#include <nlohmann/json.hpp>

#include "varve/cli/print.h"
#include "varve/cli/retain.h"

namespace varve::cli {
namespace {

std::string Joined(const std::vector<std::string>& texts, const char* between) {
  std::string joined;
  for (const std::string& text : texts) joined += (joined.empty() ? "" : between) + text;
  return joined;
}

}  // namespace

std::string RetentionTable(const format::RetentionPlan& plan) {
  std::string text = "judged at " + Time(plan.as_of_ms) + "\n";
  uint64_t forgotten = 0, thinned = 0, logical_bytes = 0;
  const std::string* artifact = nullptr;
  for (const format::RetentionItem& item : plan.items) {
    if (artifact == nullptr || *artifact != item.artifact) {
      artifact = &item.artifact;
      text += "\n" + Printable(item.artifact) + "\n";
    }
    std::string line = "  v" + std::to_string(item.version);
    line.resize(std::max<size_t>(line.size(), 8), ' ');
    line += item.step.has_value() ? " step " + std::to_string(*item.step) : "";
    line.resize(std::max<size_t>(line.size(), 22), ' ');
    line += " " + Time(item.time_ms) + "  " + Size(item.logical_bytes);
    line.resize(std::max<size_t>(line.size(), 56), ' ');
    const std::string reasons = Joined(item.reasons, "; ");
    if (item.let_go.empty()) {
      line += "  stays: " + reasons;
    } else if (item.kept.empty()) {
      ++forgotten;
      logical_bytes += item.logical_bytes;
      line += "  GOES: nearest was " + item.missed;
    } else {
      ++thinned;
      line += "  keeps " + Joined(item.kept, ", ") + ": " + reasons + "; LETS GO " +
              Joined(item.let_go, ", ");
    }
    text += Printable(line) + "\n";
  }
  text += "\n" + std::to_string(forgotten) + " versions go (" + Size(logical_bytes) +
          " logical), " + std::to_string(thinned) + " are thinned, " +
          std::to_string(plan.items.size() - forgotten - thinned) + " stay whole\n";
  if (plan.freed_bytes.has_value()) {
    text += Size(*plan.freed_bytes) +
            " stored bytes are freed after the grace: " + Size(*plan.freed_whole_bytes) +
            " by varve gc at once, " + Size(*plan.freed_bytes - *plan.freed_whole_bytes) +
            " when packs are repacked\n";
  }
  for (const format::RetentionShare& share : plan.shares) {
    if (!share.over) continue;
    text += "policy " + Printable(share.policy) + " lets go of " + std::to_string(share.let_go) +
            " of " + std::to_string(share.matched) + ", more than its limit: apply wants --ack\n";
  }
  for (const std::string& warning : plan.warnings) text += "warning: " + Printable(warning) + "\n";
  return text;
}

nlohmann::json PoliciesJson(const plan::PolicySet& set) {
  nlohmann::json policies = nlohmann::json::array(), protect = nlohmann::json::array();
  for (const plan::Policy& policy : set.policies) {
    nlohmann::json each = {
        {"name", policy.name},
        {"floor", std::to_string(policy.floor) + (policy.floor_verified ? " verified" : "")}};
    if (policy.match.has_value()) each["match"] = plan::PredicateText(*policy.match);
    if (!policy.group_by.empty()) each["group by"] = policy.group_by;
    if (policy.order != plan::Order::kCommit)
      each["order by"] = policy.order == plan::Order::kStep ? "step" : "time";
    for (const plan::Keep& keep : policy.keeps) each["keep"].push_back(plan::KeepText(keep));
    if (policy.grace_ms != plan::kGraceMsDefault)
      each["grace"] = plan::DurationText(policy.grace_ms);
    policies.push_back(std::move(each));
  }
  for (const plan::Protect& each : set.protects) {
    protect.push_back({{"name", each.name}, {"match", plan::PredicateText(each.match)}});
  }
  nlohmann::json document = {{"policies", std::move(policies)}};
  if (!protect.empty()) document["protect"] = std::move(protect);
  return document;
}

}  // namespace varve::cli
