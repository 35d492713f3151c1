// Verdicts in the words that people read.
#include "varve/plan/retention.h"

namespace varve::plan {
namespace {

std::string NumberText(double value) {
  char text[64];
  std::snprintf(text, sizeof text, "%.6g", value);
  return text;
}

}  // namespace

std::string ReasonText(const PolicySet& set, const std::vector<Candidate>& candidates,
                       size_t candidate, const Reason& reason) {
  const Candidate& each = candidates[candidate];
  switch (reason.why) {
    case Why::kHold:
      return "hold of '" + each.held_by + "'";
    case Why::kProtect:
      return "protected by '" + set.protects[reason.policy].name + "'";
    case Why::kAlias:
      return "alias '" + each.aliases[0] + "'";
    case Why::kTag:
      return "tag '" + each.tags[0] + "'";
    case Why::kPin:
      return "pin of '" + each.pinned_by + "'";
    case Why::kLease:
      return "in use by '" + each.leased_by + "'";
    case Why::kDamaged:
      return "damaged; kept for repair and not counted";
    case Why::kRun:
      return "newest verified of a run that is " +
             (each.run_state.empty() ? "of unknown state" : each.run_state);
    case Why::kNewest:
      return "newest";
    case Why::kLastGood:
      return "last good: newest verified";
    case Why::kFloor:
      return "floor " + std::to_string(set.policies[reason.policy].floor);
    case Why::kLineage: {
      const Candidate& child = candidates[reason.candidate];
      return "parent of " + child.artifact + "@v" + std::to_string(child.version);
    }
    case Why::kUnmanaged:
      return each.managed ? "no policy matches" : "outside of the plan";
    case Why::kKeep:
      break;
  }
  const Keep& keep = set.policies[reason.policy].keeps[reason.rule];
  std::string text = KeepText(keep);
  if (keep.selector.kind != Selector::Kind::kBest) return text;
  if (reason.rank == 0) return text + ": it lacks the metric";
  return text + ": number " + std::to_string(reason.rank) + " with " +
         NumberText(each.metrics.at(keep.selector.metric));
}

std::string MissText(const PolicySet& set, const Miss& miss) {
  if (miss.cap) return "evicted by cap " + CapText(set.policies[miss.policy].caps[miss.rule]);
  const std::string text = KeepText(set.policies[miss.policy].keeps[miss.rule]);
  return miss.rank == 0 ? text : text + ": it is number " + std::to_string(miss.rank);
}

}  // namespace varve::plan
