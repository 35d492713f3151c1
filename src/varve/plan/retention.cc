#include "varve/plan/retention.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <set>
#include <tuple>
#include <unordered_map>

#include "varve/plan/retention_cap.h"
#include "varve/plan/retention_facts.h"

namespace varve::plan {
namespace {

constexpr int64_t kDayMs = 86'400'000;
constexpr int64_t kMissingMs = 7 * kDayMs;  // A group this long without a commit has ended.
constexpr size_t kLineageReasonsMax = 4;

int64_t FloorDiv(int64_t a, int64_t b) {
  return a / b - (a % b != 0 && (a < 0) != (b < 0) ? 1 : 0);
}

// A number per calendar bucket that only grows with time.
int64_t BucketOf(const Selector& selector, int64_t time_ms) {
  const int64_t local_ms = time_ms + int64_t{selector.zone_minutes} * 60'000;
  const int64_t days = FloorDiv(local_ms, kDayMs);
  switch (selector.calendar) {
    case Calendar::kHourly:
      return FloorDiv(local_ms, 3'600'000);
    case Calendar::kDaily:
      return days;
    case Calendar::kWeekly:
      return FloorDiv(days + 3, 7);  // 1970-01-01 was a Thursday.
    case Calendar::kMonthly:
    case Calendar::kYearly:
      break;
  }
  // Civil date of a day number (H. Hinnant, 2013).
  const int64_t shifted = days + 719'468;
  const int64_t era = FloorDiv(shifted, 146'097), of_era = shifted - era * 146'097;
  const int64_t year_of_era = (of_era - of_era / 1460 + of_era / 36'524 - of_era / 146'096) / 365;
  const int64_t of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
  const int64_t march_month = (5 * of_year + 2) / 153;
  const int64_t month = march_month < 10 ? march_month + 2 : march_month - 10;  // From 0.
  const int64_t year = year_of_era + era * 400 + (month < 2 ? 1 : 0);
  return selector.calendar == Calendar::kYearly ? year : year * 12 + month;
}

bool Finite(const Candidate& candidate) {
  return std::all_of(candidate.metrics.begin(), candidate.metrics.end(),
                     [](const auto& metric) { return std::isfinite(metric.second); });
}

int64_t Later(int64_t time_ms, int64_t duration_ms) {
  int64_t sum = 0;
  return __builtin_add_overflow(time_ms, duration_ms, &sum) ? INT64_MAX : sum;
}

class Judgement {
 public:
  Judgement(const PolicySet& set, const std::vector<Candidate>& candidates, int64_t as_of_ms,
            const JudgeOptions& options)
      : set_(set),
        candidates_(candidates),
        as_of_ms_(as_of_ms),
        options_(options),
        state_(candidates.size()),
        groups_(set.policies.size()) {
    for (size_t i = 0; i < candidates.size(); ++i) state_[i].all = AllParts(candidates[i]);
  }

  Result<RetentionVerdicts> Run() {
    ApplyProtections();
    for (uint32_t i = 0; i < set_.policies.size(); ++i) VARVE_CHECK_OK(ApplyPolicy(i));
    for (uint32_t i = 0; i < candidates_.size(); ++i) {
      if (!state_[i].matched) KeepWhole(i, {.why = Why::kUnmanaged});
    }
    RetentionVerdicts judged;
    if (NeedsUsage(set_)) judged.caps = EvictByCaps();
    ApplyLineage();
    judged.tiers = PickTiers();
    judged.verdicts = Verdicts();
    return judged;
  }

 private:
  struct State {
    uint64_t all = 1, kept = 0;
    bool matched = false;
    std::vector<Reason> reasons;
    std::optional<Miss> miss;
    int64_t grace_ms = 0;
  };
  using Members = std::vector<uint32_t>;  // Candidates of a group, oldest first.

  void KeepWhole(uint32_t i, Reason reason) {
    state_[i].kept = state_[i].all;
    state_[i].reasons.push_back(std::move(reason));
  }

  void KeepParts(uint32_t i, const Keep& keep, Reason reason) {
    const std::vector<std::string>& components = candidates_[i].components;
    uint64_t mask = 0;
    if (components.size() <= kMaskBits) {
      for (const std::string& part : keep.parts) {
        const auto found = std::lower_bound(components.begin(), components.end(), part);
        if (found != components.end() && *found == part)
          mask |= uint64_t{1} << (found - components.begin());
      }
    }
    // A version that has none of them is not emptied by it.
    if (mask == 0 || mask == state_[i].all)
      mask = state_[i].all;
    else
      reason.parts = keep.parts;
    state_[i].kept |= mask;
    state_[i].reasons.push_back(std::move(reason));
  }

  void ApplyProtections() {
    for (uint32_t i = 0; i < candidates_.size(); ++i) {
      const Candidate& each = candidates_[i];
      if (!each.held_by.empty()) KeepWhole(i, {.why = Why::kHold});
      for (uint32_t p = 0; p < set_.protects.size(); ++p) {
        const Protect& protect = set_.protects[p];
        if (protect.until_ms != 0 && as_of_ms_ >= protect.until_ms) continue;
        if (Holds(protect.match, each, as_of_ms_))
          KeepWhole(i, {.why = Why::kProtect, .policy = p});
      }
      if (!each.aliases.empty()) KeepWhole(i, {.why = Why::kAlias});
      if (!each.tags.empty()) KeepWhole(i, {.why = Why::kTag});
      if (!each.pinned_by.empty()) KeepWhole(i, {.why = Why::kPin});
      if (!each.leased_by.empty()) KeepWhole(i, {.why = Why::kLease});
      if (each.health == Health::kDamaged) KeepWhole(i, {.why = Why::kDamaged});
    }
    KeepForRuns();
  }

  // What a run that goes on, or may, would be resumed from.
  void KeepForRuns() {
    std::map<std::string_view, uint32_t> newest;
    for (uint32_t i = 0; i < candidates_.size(); ++i) {
      const Candidate& each = candidates_[i];
      if (each.kind != "checkpoint" || each.run_state == "finished" || each.run_state == "failed" ||
          each.health != Health::kVerified || each.thinned)
        continue;
      const auto [found, fresh] = newest.try_emplace(each.artifact, i);
      if (!fresh && candidates_[found->second].version < each.version) found->second = i;
    }
    for (const auto& [artifact, i] : newest) KeepWhole(i, {.why = Why::kRun});
  }

  static std::vector<std::string> GroupOf(const Policy& policy, const Candidate& candidate) {
    std::vector<std::string> key;
    for (const std::string& name : policy.group_by) key.push_back(KeyOf(name, candidate));
    if (key.empty()) key.push_back(candidate.artifact);
    return key;
  }

  // What keeps alone hold is evicted while a cap is passed.
  std::vector<CapState> EvictByCaps() {
    std::vector<CapMember> members(candidates_.size());
    for (uint32_t i = 0; i < candidates_.size(); ++i) {
      members[i].kept = state_[i].kept;
      for (const Reason& reason : state_[i].reasons) {
        const bool first = &reason == &state_[i].reasons[0];
        if (reason.why != Why::kKeep || (!first && members[i].holder != reason.policy)) {
          members[i].holder.reset();
          break;
        }
        members[i].holder = reason.policy;
      }
    }
    std::vector<uint32_t> selected = CountSelected(members);
    const std::vector<uint64_t> before = KeptOf(members);
    std::vector<CapState> caps =
        ApplyCaps(set_, candidates_, as_of_ms_, options_.usage, options_.price, members, selected);
    for (uint32_t i = 0; i < candidates_.size(); ++i) {
      if (members[i].kept == before[i]) continue;
      state_[i].kept = 0;
      state_[i].reasons.clear();
      state_[i].miss = Miss{*members[i].holder, members[i].evicted_by, 0, true};
    }
    return caps;
  }
  // By group, how many versions its policy's keeps select; numbers the groups of `members`.
  std::vector<uint32_t> CountSelected(std::vector<CapMember>& members) const {
    std::vector<uint32_t> selected;
    for (uint32_t p = 0; p < set_.policies.size(); ++p) {
      for (const auto& [key, group] : groups_[p]) {
        uint32_t count = 0;
        for (const uint32_t i : group) {
          const auto& reasons = state_[i].reasons;
          count += std::any_of(reasons.begin(), reasons.end(),
                               [&](const Reason& reason) {
                                 return reason.why == Why::kKeep && reason.policy == p;
                               })
                       ? 1U
                       : 0U;
          if (members[i].holder == p) members[i].group = static_cast<uint32_t>(selected.size());
        }
        selected.push_back(set_.policies[p].floor == 0 ? UINT32_MAX : count);
      }
    }
    return selected;
  }
  static std::vector<uint64_t> KeptOf(const std::vector<CapMember>& members) {
    std::vector<uint64_t> kept;
    for (const CapMember& member : members) kept.push_back(member.kept);
    return kept;
  }

  std::vector<TierPick> PickTiers() {
    std::vector<TierPick> picks;
    for (uint32_t p = 0; p < set_.policies.size(); ++p) {
      for (uint32_t t = 0; t < set_.policies[p].tiers.size(); ++t) {
        picks.push_back({p, t, {}});
        for (const auto& [key, all] : groups_[p]) PickTier(picks.back(), all);
      }
    }
    return picks;
  }
  void PickTier(TierPick& pick, Members members) {
    std::erase_if(members, [&](uint32_t i) { return state_[i].kept == 0; });
    if (members.empty()) return;
    const Policy& policy = set_.policies[pick.policy];
    const Tier& tier = policy.tiers[pick.tier];
    Choose(policy.order, tier.selector, members, [&](uint32_t i, uint64_t, bool chosen) {
      const Candidate& each = candidates_[i];
      if (!chosen || as_of_ms_ < Later(each.time_ms, tier.after_ms)) return;
      std::vector<uint32_t> parts;
      for (uint32_t c = 0; c < each.components.size(); ++c) {
        const std::string& name = each.components[c];
        if (!tier.parts.empty() && !std::binary_search(tier.parts.begin(), tier.parts.end(), name))
          continue;
        if (state_[i].kept == state_[i].all || (state_[i].kept >> c & 1) != 0) parts.push_back(c);
      }
      if (!parts.empty()) pick.parts.emplace_back(i, std::move(parts));
    });
  }

  // Commit order: the version's number within one artifact; across artifacts, which share no
  // sequence, the time of the commit.
  void SortByCommit(Members& members) const {
    const auto one = [&](uint32_t i) {
      return candidates_[i].artifact == candidates_[members[0]].artifact;
    };
    const bool single = std::all_of(members.begin(), members.end(), one);
    std::sort(members.begin(), members.end(), [&](uint32_t a, uint32_t b) {
      const Candidate &x = candidates_[a], &y = candidates_[b];
      if (single) return x.version < y.version;
      return std::tie(x.time_ms, x.artifact, x.version) <
             std::tie(y.time_ms, y.artifact, y.version);
    });
  }
  void SortFor(Order order, Members& members) const {
    if (order == Order::kCommit) return;
    std::stable_sort(members.begin(), members.end(), [&](uint32_t a, uint32_t b) {
      const Candidate &x = candidates_[a], &y = candidates_[b];
      return order == Order::kTime ? x.time_ms < y.time_ms : x.step < y.step;
    });
  }

  Status ApplyPolicy(uint32_t p) {
    const Policy& policy = set_.policies[p];
    std::map<std::vector<std::string>, Members>& groups = groups_[p];
    for (uint32_t i = 0; i < candidates_.size(); ++i) {
      const Candidate& each = candidates_[i];
      if (!each.managed || (policy.match.has_value() && !Holds(*policy.match, each, as_of_ms_)))
        continue;
      state_[i].matched = true;
      state_[i].grace_ms = std::max(state_[i].grace_ms, policy.grace_ms);
      if (each.health != Health::kDamaged) groups[GroupOf(policy, each)].push_back(i);
    }
    for (auto& [key, members] : groups) {
      SortByCommit(members);
      bool selected = false;
      for (uint32_t r = 0; r < policy.keeps.size(); ++r) {
        selected = ApplyKeep(p, r, members) || selected;
      }
      if (!selected && policy.floor != 0) {
        return At(policy.at,
                  "policy '" + policy.name + "' would keep nothing of '" + key[0] + "' (" +
                      std::to_string(members.size()) +
                      " versions) but its floor; add a keep, or write 'floor 0' to allow it");
      }
      ApplyFloor(p, members);
    }
    return OkStatus();
  }

  void ApplyFloor(uint32_t p, const Members& members) {
    const Policy& policy = set_.policies[p];
    if (policy.floor == 0) return;
    KeepWhole(members.back(), {.why = Why::kNewest, .policy = p});
    const auto last_good = std::find_if(members.rbegin(), members.rend(), [&](uint32_t i) {
      const Candidate& each = candidates_[i];
      return each.health == Health::kVerified && Finite(each) && !each.thinned;
    });
    if (last_good != members.rend()) KeepWhole(*last_good, {.why = Why::kLastGood, .policy = p});
    uint64_t left = policy.floor;
    const auto good = [&](uint32_t i) {
      const Candidate& each = candidates_[i];
      const bool sound = each.health == Health::kVerified || each.health == Health::kPresent;
      return !policy.floor_verified || (sound && Finite(each) && !each.thinned);
    };
    for (const bool wanted : {true, false}) {  // The good ones first; others only to make it up.
      for (auto each = members.rbegin(); each != members.rend() && left > 0; ++each) {
        if (good(*each) != wanted) continue;
        KeepWhole(*each, {.why = Why::kFloor, .policy = p});
        --left;
      }
    }
  }

  bool Young(const Keep& keep, uint32_t i) const {
    return keep.for_ms == 0 || as_of_ms_ <= Later(candidates_[i].time_ms, keep.for_ms);
  }

  // Marks what rule `r` of policy `p` keeps; true when that is anything.
  bool ApplyKeep(uint32_t p, uint32_t r, const Members& members) {
    const Keep& keep = set_.policies[p].keeps[r];
    bool selected = false;
    const auto take = [&](uint32_t i, uint64_t rank, bool chosen) {
      if (!chosen) return NoteMiss(i, {p, r, rank});
      if (!Young(keep, i)) return;
      selected = true;
      KeepParts(i, keep, {.why = Why::kKeep, .policy = p, .rule = r, .rank = rank});
    };
    Choose(set_.policies[p].order, keep.selector, members, take);
    return selected;
  }

  // The rule that came nearest.
  void NoteMiss(uint32_t i, const Miss& found) {
    std::optional<Miss>& miss = state_[i].miss;
    const auto distance = [&](const Miss& each) {
      return each.rank - set_.policies[each.policy].keeps[each.rule].selector.count;
    };
    if (!miss.has_value() || miss->rank == 0 || distance(found) < distance(*miss)) miss = found;
  }

  // Calls take(candidate, rank, chosen): with a rank from 1 where the rule has places, and then for
  // those behind them as well; else for what is chosen, with rank 0.
  template <typename Take>
  void Choose(Order order, const Selector& selector, const Members& members,
              const Take& take) const {
    using Kind = Selector::Kind;
    const auto ranked = [&](const Members& sorted) {
      for (uint64_t rank = 1; rank <= sorted.size(); ++rank)
        take(sorted[rank - 1], rank, rank <= selector.count);
    };
    switch (selector.kind) {
      case Kind::kAll:
      case Kind::kSteps:
      case Kind::kWhere:
      case Kind::kWithin: {
        const int64_t newest_ms = NewestTime(members);
        for (const uint32_t i : members) {
          if (Chosen(selector, candidates_[i], newest_ms)) take(i, 0, true);
        }
        break;
      }
      case Kind::kLast:
      case Kind::kFirst: {
        Members sorted = members;
        SortFor(order, sorted);
        if (selector.kind == Kind::kLast) std::reverse(sorted.begin(), sorted.end());
        ranked(sorted);
        break;
      }
      case Kind::kBest: {
        ranked(Ranked(selector, members));
        if (!selector.keep_missing || as_of_ms_ > Later(NewestTime(members), kMissingMs)) break;
        for (const uint32_t i : members) {
          if (!candidates_[i].metrics.contains(selector.metric)) take(i, 0, true);
        }
        break;
      }
      case Kind::kEverySteps:
      case Kind::kEveryEpochs:
      case Kind::kEveryTime:
        for (const uint32_t i : Spaced(selector, members)) take(i, 0, true);
        break;
      case Kind::kBucket: {
        std::map<int64_t, uint32_t> newest;
        for (const uint32_t i : members) newest[BucketOf(selector, candidates_[i].time_ms)] = i;
        uint64_t left = selector.count;
        for (auto each = newest.rbegin(); each != newest.rend() && left > 0; ++each, --left)
          take(each->second, 0, true);
        break;
      }
    }
  }

  int64_t NewestTime(const Members& members) const { return candidates_[members.back()].time_ms; }

  bool Chosen(const Selector& selector, const Candidate& candidate, int64_t newest_ms) const {
    if (selector.kind == Selector::Kind::kSteps) {
      return candidate.step.has_value() && std::find(selector.steps.begin(), selector.steps.end(),
                                                     *candidate.step) != selector.steps.end();
    }
    if (selector.kind == Selector::Kind::kWhere)
      return Holds(*selector.where, candidate, as_of_ms_);
    if (selector.kind == Selector::Kind::kWithin) {
      return Later(candidate.time_ms, selector.duration_ms) >= newest_ms;
    }
    return true;
  }

  // Best first; only numbers are ranked, and of equals the later commit.
  Members Ranked(const Selector& selector, const Members& members) const {
    std::vector<std::pair<double, uint32_t>> values;
    for (auto each = members.rbegin(); each != members.rend(); ++each) {
      const auto metric = candidates_[*each].metrics.find(selector.metric);
      if (metric == candidates_[*each].metrics.end() || !std::isfinite(metric->second)) continue;
      values.emplace_back(selector.maximise ? -metric->second : metric->second, *each);
    }
    std::stable_sort(values.begin(), values.end(),
                     [](const auto& a, const auto& b) { return a.first < b.first; });
    Members ranked;
    for (const auto& [value, i] : values) ranked.push_back(i);
    return ranked;
  }

  // The first at or after each multiple: one whose multiple is not that of the version before it in
  // its artifact. Not counted by what was seen at all, so that a run that is set back is kept anew,
  // and not by a difference to the last one kept, so that letting others go changes nothing.
  Members Spaced(const Selector& selector, const Members& members) const {
    std::map<std::string_view, int64_t> multiples;  // Of the newest so far, by artifact.
    Members chosen;
    using Kind = Selector::Kind;
    const auto count = static_cast<int64_t>(selector.count);
    for (const uint32_t i : members) {
      const Candidate& each = candidates_[i];
      const bool time = selector.kind == Kind::kEveryTime;
      const std::optional<int64_t> at = time ? std::optional<int64_t>(each.time_ms)
                                        : selector.kind == Kind::kEverySteps ? each.step
                                                                             : EpochOf(each);
      if (!at.has_value()) continue;
      if (selector.exact) {
        if (*at % count == 0) chosen.push_back(i);
        continue;
      }
      const int64_t multiple = FloorDiv(*at, time ? selector.duration_ms : count);
      const auto [last, fresh] = multiples.try_emplace(
          time ? std::string_view() : std::string_view(each.artifact), multiple);
      if (fresh || last->second != multiple) chosen.push_back(i);
      last->second = multiple;
    }
    return chosen;
  }

  static std::optional<int64_t> EpochOf(const Candidate& candidate) {
    const auto epoch = candidate.metrics.find("epoch");
    if (epoch == candidate.metrics.end() || !std::isfinite(epoch->second) ||
        std::abs(epoch->second) > 1e15)
      return std::nullopt;
    return static_cast<int64_t>(std::floor(epoch->second));
  }

  void ApplyLineage() {
    std::unordered_multimap<std::string_view, uint32_t> by_identity;
    Members pending;
    bool any = false;
    for (uint32_t i = 0; i < candidates_.size(); ++i) {
      any = any || !candidates_[i].parents.empty();
      by_identity.emplace(candidates_[i].identity, i);
      if (state_[i].kept != 0) pending.push_back(i);
    }
    if (!any) return;
    while (!pending.empty()) {
      const uint32_t child = pending.back();
      pending.pop_back();
      for (const std::string& identity : candidates_[child].parents) {
        const auto [first, last] = by_identity.equal_range(identity);
        for (auto each = first; each != last; ++each) {
          State& parent = state_[each->second];
          if (parent.kept == 0) pending.push_back(each->second);
          const auto told =
              std::count_if(parent.reasons.begin(), parent.reasons.end(),
                            [](const Reason& reason) { return reason.why == Why::kLineage; });
          if (parent.kept == parent.all && static_cast<size_t>(told) >= kLineageReasonsMax)
            continue;
          KeepWhole(each->second, {.why = Why::kLineage, .candidate = child});
        }
      }
    }
  }

  std::vector<Fate> Verdicts() {
    std::vector<Fate> verdicts(candidates_.size());
    for (size_t i = 0; i < candidates_.size(); ++i) {
      State& state = state_[i];
      Fate& verdict = verdicts[i];
      verdict.whole = state.kept == state.all;
      verdict.gone = state.kept == 0;
      const std::vector<std::string>& components = candidates_[i].components;
      for (size_t c = 0; c < components.size(); ++c) {
        const bool kept = verdict.whole || (!verdict.gone && (state.kept >> c & 1) != 0);
        (kept ? verdict.kept : verdict.let_go).push_back(components[c]);
      }
      verdict.reasons = std::move(state.reasons);
      std::stable_sort(verdict.reasons.begin(), verdict.reasons.end(),
                       [](const Reason& a, const Reason& b) { return a.why < b.why; });
      if (verdict.whole) continue;
      verdict.grace_ms = state.grace_ms;
      verdict.miss = state.miss;
      for (uint32_t p = 0; !verdict.miss.has_value() && p < set_.policies.size(); ++p) {
        const Policy& policy = set_.policies[p];
        if (!policy.match.has_value() || Holds(*policy.match, candidates_[i], as_of_ms_))
          verdict.miss = Miss{p, 0, 0};
      }
    }
    return verdicts;
  }

  const PolicySet& set_;
  const std::vector<Candidate>& candidates_;
  const int64_t as_of_ms_;
  const JudgeOptions options_;
  std::vector<State> state_;
  std::vector<std::map<std::vector<std::string>, Members>> groups_;  // By policy; oldest first.
};

}  // namespace

bool NeedsUsage(const PolicySet& set) {
  return std::any_of(set.policies.begin(), set.policies.end(), [](const Policy& policy) {
    return !policy.caps.empty() || !policy.tiers.empty();
  });
}

bool NeedsPrice(const PolicySet& set) {
  return std::any_of(set.policies.begin(), set.policies.end(), [](const Policy& policy) {
    return std::any_of(policy.caps.begin(), policy.caps.end(),
                       [](const Cap& cap) { return cap.bytes == 0; });
  });
}

Result<RetentionVerdicts> Judge(const PolicySet& set, const std::vector<Candidate>& candidates,
                                int64_t as_of_ms, JudgeOptions options) {
  if (!options.allow_unknown_metrics) {
    VARVE_CHECK_OK(CheckMetrics(set, candidates, as_of_ms));
  }
  for (const Policy& policy : set.policies) {
    for (const Cap& cap : policy.caps) {
      if (cap.bytes != 0 || options.price != nullptr) continue;
      return At(cap.at,
                "a cap in money needs a price, and this lake has none: a folder costs nothing, and "
                "a bucket has the prices of --prices; or cap its size, such as 2TB");
    }
  }
  return Judgement(set, candidates, as_of_ms, options).Run();
}

}  // namespace varve::plan
