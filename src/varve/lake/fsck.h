// Finding what is damaged, and mending what can be mended from bytes that are whole elsewhere.
//
// A check reads every record (descriptor, collector's state and lists, heads, history, commit
// objects), lists the lake, and looks at every pack that a version names: its length and footer
// (quick), or every byte of it (deep). It writes nothing. The records are read whole each time, a
// few millionths of the bytes; packs are looked at in the order of their ids, so a budget may stop
// the pass and the next run goes on from the cursor. The cursor is the caller's to keep, outside of
// the lake: a check needs no right to write, two of them do not disturb each other, and a cursor
// that is lost costs one pass from the start.
// A repair only adds objects and moves heads by conditional write, as a save does (rule O), so it
// is safe beside writers, collectors and other repairs; what it does not understand it leaves and
// says so. Run again it changes nothing. docs/repair.md.
// Threads: one per call; requests run on the lake's transfer pool. Cancel: as a crash; whatever was
// repaired before stays.
// Errors: trouble with the store, or a lake that this build may not judge. Damage is no error.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "varve/exec/op_context.h"
#include "varve/plan/damage.h"
#include "varve/result.h"

namespace varve::lake {

inline constexpr size_t kFsckFindingsMax = 10'000;
inline constexpr size_t kFsckAffectedMax = 20;  // Items of one finding that are named.

struct FsckOptions {
  bool deep = false;
  uint64_t budget_bytes = 0;     // Of packs, read by this run; 0: no limit.
  uint64_t budget_requests = 0;  // For packs.
  int64_t budget_ms = 0;         // Of the whole run; the batch of packs under way is finished.
  std::string cursor;            // FsckReport::cursor of the run to go on from.
};

struct FsckFinding {
  plan::Damage kind = plan::Damage::kForeign;
  std::string object;                 // Its key.
  std::string detail;                 // What was seen, in words; may hold bytes from outside.
  std::vector<std::string> affected;  // "llama@v3: model/w"; the first kFsckAffectedMax.
  uint64_t affected_total = 0;
  std::string repair;  // What the repair did, or why it could not; empty without one.
  bool repaired = false;
};

struct FsckReport {
  bool deep = false;
  bool complete = true;  // Every pack was looked at, by this run and those before it.
  std::string cursor;    // Where to go on when it is not.
  uint64_t artifacts = 0, versions = 0, commits = 0;
  uint64_t objects = 0, object_bytes = 0;             // Listed.
  uint64_t unreferenced = 0, unreferenced_bytes = 0;  // Packs, commits, history of no version.
  uint64_t packs = 0, packs_checked = 0;              // That versions name; by this run.
  uint64_t read_bytes = 0;                            // Of packs.
  std::vector<FsckFinding> findings;                  // The first kFsckFindingsMax,
  uint64_t findings_total = 0;                        // of so many.
  uint64_t Count(plan::Harm harm) const;
};

struct Core;
Result<FsckReport> CheckLake(const OpContext& ctx, Core& core, const FsckOptions& options);

}  // namespace varve::lake
