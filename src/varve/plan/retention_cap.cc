#include "varve/plan/retention_cap.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <set>
#include <tuple>
#include <unordered_map>

#include "varve/plan/retention_facts.h"

namespace varve::plan {
namespace {

// Versions that share nothing: the bytes of each, spread over its components.
Usage NothingShared(const std::vector<Candidate>& candidates) {
  Usage usage;
  for (const Candidate& each : candidates) {
    std::vector<std::vector<uint32_t>> parts;
    const size_t count = std::max<size_t>(each.components.size(), 1);
    for (size_t c = 0; c < count; ++c) {
      parts.push_back({static_cast<uint32_t>(usage.blobs.size())});
      usage.blobs.push_back({each.bytes / count + (c < each.bytes % count ? 1 : 0), each.time_ms,
                             static_cast<uint32_t>(usage.blobs.size())});
    }
    usage.of.push_back(std::move(parts));
  }
  usage.packs = static_cast<uint32_t>(usage.blobs.size());
  return usage;
}

// Who stays because a version that stays names it as a parent.
class Family {
 public:
  Family(const std::vector<Candidate>& candidates, const std::vector<CapMember>& members)
      : members_(members), parents_(candidates.size()), children_(candidates.size()) {
    std::unordered_multimap<std::string_view, uint32_t> by_identity;
    for (uint32_t i = 0; i < candidates.size(); ++i) by_identity.emplace(candidates[i].identity, i);
    std::vector<uint32_t> pending;
    for (uint32_t i = 0; i < candidates.size(); ++i) {
      for (const std::string& identity : candidates[i].parents) {
        const auto [first, last] = by_identity.equal_range(identity);
        for (auto each = first; each != last; ++each) {
          if (each->second != i) parents_[i].push_back(each->second);
        }
      }
      if (members[i].kept != 0) pending.push_back(i);
    }
    while (!pending.empty()) {
      const uint32_t child = pending.back();
      pending.pop_back();
      for (const uint32_t parent : parents_[child]) {
        if (++children_[parent] == 1 && members[parent].kept == 0) pending.push_back(parent);
      }
    }
  }

  bool Needed(uint32_t i) const { return children_[i] > 0; }

  // After `i` went; appends whatever is otherwise now, `i` included.
  void Drop(uint32_t i, std::vector<uint32_t>& changed) {
    std::vector<uint32_t> pending{i};
    while (!pending.empty()) {
      const uint32_t gone = pending.back();
      pending.pop_back();
      changed.push_back(gone);
      for (const uint32_t parent : parents_[gone]) {
        if (--children_[parent] > 0) continue;
        if (members_[parent].kept == 0)
          pending.push_back(parent);
        else
          changed.push_back(parent);
      }
    }
  }

 private:
  const std::vector<CapMember>& members_;
  std::vector<std::vector<uint32_t>> parents_;
  std::vector<uint32_t> children_;
};

// How soon a version goes: lower first; equals by age.
using Rank = std::tuple<int, int, double>;

Rank ByMetric(const Candidate& candidate, const std::string& metric, bool maximise) {
  const auto found = candidate.metrics.find(metric);
  if (found == candidate.metrics.end()) return {0, 2, 0};  // Nobody knows: it goes last.
  if (!std::isfinite(found->second)) return {0, 0, 0};
  return {0, 1, maximise ? found->second : -found->second};
}

Rank RankOf(const Policy& policy, const Cap& cap, const Candidate& candidate, bool whole) {
  if (cap.evict == Cap::Evict::kOldest) return {0, 0, 0};
  if (cap.evict == Cap::Evict::kWorst) return ByMetric(candidate, cap.metric, cap.maximise);
  Rank rank{0, 0, 0};
  const auto best = std::find_if(policy.keeps.begin(), policy.keeps.end(), [](const Keep& keep) {
    return keep.selector.kind == Selector::Kind::kBest;
  });
  if (best != policy.keeps.end())
    rank = ByMetric(candidate, best->selector.metric, best->selector.maximise);
  std::get<0>(rank) = whole && !candidate.thinned ? 1 : 0;
  return rank;
}

// One cap over the versions of one value of its key.
class OneCap {
 public:
  OneCap(const std::vector<Candidate>& candidates, const Usage& usage,
         std::vector<CapMember>& members, std::vector<uint32_t>& selected, Family& family)
      : candidates_(candidates),
        usage_(usage),
        members_(members),
        selected_(selected),
        family_(family) {}

  CapState Apply(const Policy& policy, const Cap& cap, const Price* price, CapState state,
                 std::vector<uint32_t> group) {
    std::vector<std::tuple<Rank, int64_t, std::string_view, uint64_t, uint32_t>> order;
    for (const uint32_t i : group) {
      const Candidate& each = candidates_[i];
      counted_[i] = 0;
      Count(i);
      order.emplace_back(RankOf(policy, cap, each, members_[i].kept == AllParts(each)),
                         each.time_ms, each.artifact, each.version, i);
    }
    std::sort(order.begin(), order.end());
    std::unordered_map<uint32_t, size_t> place;
    std::set<std::pair<size_t, uint32_t>> ready;
    const auto offer = [&](uint32_t i) {
      if (members_[i].holder == state.policy && members_[i].kept != 0 && !family_.Needed(i))
        ready.emplace(place.at(i), i);
    };
    for (size_t at = 0; at < order.size(); ++at) place[std::get<4>(order[at])] = at;
    for (const uint32_t i : group) offer(i);
    while (Over(cap, price) && !ready.empty()) {
      const uint32_t i = ready.begin()->second;
      ready.erase(ready.begin());
      if (selected_[members_[i].group] <= 1) continue;
      --selected_[members_[i].group];
      members_[i].kept = 0;
      members_[i].evicted_by = state.cap;
      ++state.evicted;
      std::vector<uint32_t> changed;
      family_.Drop(i, changed);
      for (const uint32_t each : changed) {
        if (!place.contains(each)) continue;
        Count(each);
        offer(each);
      }
    }
    state.bytes = bytes_;
    state.over = Over(cap, price);
    return state;
  }

 private:
  bool Over(const Cap& cap, const Price* price) const {
    if (cap.bytes != 0) return bytes_ > cap.bytes;
    return price != nullptr && MonthlyUsd(*price, static_cast<double>(bytes_)) > cap.usd_month;
  }

  // Makes what is counted of `i` what stays of it.
  void Count(uint32_t i) {
    const uint64_t now = family_.Needed(i) ? AllParts(candidates_[i]) : members_[i].kept;
    uint64_t& counted = counted_[i];
    for (size_t c = 0; c < usage_.of[i].size(); ++c) {
      const size_t bit = candidates_[i].components.size() > kMaskBits ? 0 : c;
      const bool is = (now >> bit & 1) != 0, was = (counted >> bit & 1) != 0;
      if (is == was) continue;
      for (const uint32_t blob : usage_.of[i][c]) {
        uint32_t& users = users_[blob];
        if (is && users++ == 0) bytes_ += usage_.blobs[blob].bytes;
        if (was && --users == 0) bytes_ -= usage_.blobs[blob].bytes;
      }
    }
    counted = now;
  }

  const std::vector<Candidate>& candidates_;
  const Usage& usage_;
  std::vector<CapMember>& members_;
  std::vector<uint32_t>& selected_;
  Family& family_;
  std::unordered_map<uint32_t, uint64_t> counted_;  // Components, by candidate.
  std::unordered_map<uint32_t, uint32_t> users_;    // By blob.
  uint64_t bytes_ = 0;
};

// Every cap of one policy once, for each value of its key.
void ApplyPolicy(const Policy& policy, uint32_t number, const std::vector<Candidate>& candidates,
                 int64_t as_of_ms, const Usage& usage, const Price* price,
                 std::vector<CapMember>& members, std::vector<uint32_t>& selected, Family& family,
                 std::vector<CapState>& states) {
  std::vector<uint32_t> matched;
  for (uint32_t i = 0; i < candidates.size() && !policy.caps.empty(); ++i) {
    if (candidates[i].managed &&
        (!policy.match.has_value() || Holds(*policy.match, candidates[i], as_of_ms)))
      matched.push_back(i);
  }
  for (uint32_t c = 0; c < policy.caps.size(); ++c) {
    std::map<std::string, std::vector<uint32_t>> groups;
    for (const uint32_t i : matched) groups[KeyOf(policy.caps[c].key, candidates[i])].push_back(i);
    for (auto& [key, group] : groups) {
      OneCap cap(candidates, usage, members, selected, family);
      states.push_back(cap.Apply(policy, policy.caps[c], price, {number, c, key, 0, 0, false},
                                 std::move(group)));
    }
  }
}

}  // namespace

uint64_t AllParts(const Candidate& candidate) {
  const size_t parts = candidate.components.size();
  return parts == 0 || parts > kMaskBits ? 1 : ~uint64_t{0} >> (kMaskBits - parts);
}

std::vector<CapState> ApplyCaps(const PolicySet& set, const std::vector<Candidate>& candidates,
                                int64_t as_of_ms, const Usage* usage, const Price* price,
                                std::vector<CapMember>& members, std::vector<uint32_t>& selected) {
  Usage stand_in;
  if (usage == nullptr) stand_in = NothingShared(candidates);
  const Usage& used = usage == nullptr ? stand_in : *usage;
  Family family(candidates, members);
  std::vector<CapState> states;
  // What one cap evicts may have been all that kept a parent from another: until none does more.
  for (bool evicted = true; evicted;) {
    std::vector<CapState> pass;
    for (uint32_t p = 0; p < set.policies.size(); ++p)
      ApplyPolicy(set.policies[p], p, candidates, as_of_ms, used, price, members, selected, family,
                  pass);
    evicted = false;
    for (size_t i = 0; i < pass.size(); ++i) {
      evicted = evicted || pass[i].evicted > 0;
      if (i < states.size()) pass[i].evicted += states[i].evicted;
    }
    states = std::move(pass);
  }
  return states;
}

}  // namespace varve::plan
