// Caps: what is evicted so that a policy's keeps stay below a size. Private to plan/. Pure.
// The last version of a group that its policy's keeps select stays too, unless the policy says
// "floor 0": else the next plan would find a group that its keeps empty.
//
// While what a policy matches and what stays of it is larger than the cap, the first version in the
// cap's order goes that the policy's own keeps alone hold and that no version which stays names as
// its parent. What was there only as somebody's parent goes with him. Sizes are those of the set: a
// chunk that several versions share counts once.
#pragma once

#include <optional>
#include <vector>

#include "varve/plan/retention.h"

namespace varve::plan {

inline constexpr size_t kMaskBits = 64;  // More components than that are one.
// Bits of all components of a candidate.
uint64_t AllParts(const Candidate& candidate);

struct CapMember {
  uint64_t kept = 0;               // Components, without lineage; 0 once evicted.
  std::optional<uint32_t> holder;  // The one policy whose keeps hold it, and nothing else does.
  uint32_t group = 0;              // Of that policy; an index of `selected`.
  uint32_t evicted_by = 0;         // The number of the cap in it.
};

// Sets `kept` of what it evicts to 0. Caps are applied in the order they are written in, all of
// them again until none evicts more. `selected`: by group, how many versions the policy's keeps
// select; counted down.
std::vector<CapState> ApplyCaps(const PolicySet& set, const std::vector<Candidate>& candidates,
                                int64_t as_of_ms, const Usage* usage, const Price* price,
                                std::vector<CapMember>& members, std::vector<uint32_t>& selected);

}  // namespace varve::plan
