// The first half of a collection: what lives, what is there, and so what is garbage. Writes
// nothing. Threads: one; requests run on the lake's transfer pool.
#pragma once

#include <functional>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include "varve/lake/gc.h"
#include "varve/lake/gc_lists.h"
#include "varve/lake/gc_roots.h"
#include "varve/plan/live_set.h"

namespace varve::lake {

// Message of the kConflict that asks for another try; callers of gc.h never see it.
inline constexpr const char* kGcAgain = "the lake moved while it was marked";

struct GcMark {
  std::vector<std::string> names;      // Of the heads met.
  std::set<format::ObjectId> commits;  // Live commit objects whose packs were marked.
  plan::LiveSet live;
  plan::LiveSet live_blocks;  // Session blocks that live objects were named from.
  uint64_t salt = 0;
  uint64_t versions = 0;
  struct LetGo {
    format::ObjectId meta_id;
    size_t name = 0;     // Index into names.
    bool moved = false;  // The version lives, with another layout.
  };
  std::vector<LetGo> let_go;
};
uint64_t BlockFingerprint(const format::ObjectId& id, uint64_t salt);
// Reads lake.json anew: kUnsupported when this release may not collect here, or not `apply` what a
// collection finds; kCorrupt when another lake is there by now. Nothing was deleted.
Status CheckMayCollect(const OpContext& ctx, Core& core, bool apply);

// kConflict with kGcAgain as its message: mark again.
Result<GcMark> MarkLive(const OpContext& ctx, Core& core, GcRoots& roots);

// For a live commit object that is not there. That is damage, unless its version was let go or laid
// out anew meanwhile: always an error, kCorrupt naming it and the fix, or kConflict with kGcAgain.
Status JudgeMissing(const OpContext& ctx, Core& core, const std::string& name,
                    const format::ObjectId& meta_id, uint64_t version);

// Says which live object the listing did not show, and whether the store has it: always an error.
Status NameUnmet(const OpContext& ctx, Core& core, GcRoots& roots, const GcMark& mark);

// Lists the lake: as a whole, foreign objects too, while that is a few pages; else the objects that
// a collection judges, side by side. `visit` may run in several workers at once.
Status ListLake(const OpContext& ctx, Core& core,
                const std::function<Status(const std::vector<store::ListedObject>&)>& visit);

struct GcCandidate {
  format::ObjectId id;
  uint64_t bytes = 0;
};
struct GcCandidates {
  std::array<std::vector<GcCandidate>, format::kIdKinds> by_kind;  // Each sorted by id.
  GcBytes listed, young;
  std::set<uint64_t> busy_sessions;  // That wrote something that an upload's grace still covers.
};
// `mark_id`: the marker that the listing must show, and whose time is now; none in a dry run, where
// `now_ms` counts. kConflict with kGcAgain as above.
Result<GcCandidates> FindGarbage(const OpContext& ctx, Core& core, GcRoots& roots, GcMark& mark,
                                 const format::ObjectId* mark_id, int64_t now_ms, int64_t grace_ms);

// Why candidates are garbage, for people.
Result<std::vector<GcReport::Reason>> ExplainGarbage(const OpContext& ctx, Core& core,
                                                     GcRoots& roots, const GcMark& mark,
                                                     const GcCandidates& candidates);

}  // namespace varve::lake
