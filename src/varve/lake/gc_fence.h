// The second half of a collection: whatever its first half got wrong, this makes it safe.
//
// A fence rewrites every head that was written before the list was condemned, so that a commit
// prepared before the condemnation loses its Cas; what the heads name then is taken from the list.
// Threads: one; requests run on the lake's transfer pool.
#pragma once

#include <set>
#include <string>
#include <vector>

#include "varve/lake/gc_lists.h"
#include "varve/lake/gc_roots.h"

namespace varve::lake {

struct GcFence {
  GcIds dead;         // The condemned ids that no head names.
  uint64_t refs = 0;  // Heads met.
};
// `marked`: commit objects known to name nothing condemned. `must_meet`: heads known to exist;
// a listing without one of them is not to be believed.
Result<GcFence> FenceHeads(const OpContext& ctx, Core& core, GcRoots& roots, uint64_t epoch,
                           GcIds condemned, const std::set<format::ObjectId>& marked,
                           const std::vector<std::string>& must_meet);

}  // namespace varve::lake
