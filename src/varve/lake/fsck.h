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
#include "varve/hash/hash.h"
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
  uint64_t read_bytes = 0;                            // Of packs, by the check.
  uint64_t written_bytes = 0;                         // By the repair.
  std::vector<FsckFinding> findings;                  // The first kFsckFindingsMax,
  uint64_t findings_total = 0;                        // of so many.
  uint64_t Count(plan::Harm harm) const;
};

struct Core;
Result<FsckReport> CheckLake(const OpContext& ctx, Core& core, const FsckOptions& options);
// A check, then whatever of its findings can be mended; each finding says how that went. `from`:
// another lake, or null, to take chunks and commit objects from. kUnsupported on a gate.
Result<FsckReport> RepairLake(const OpContext& ctx, Core& core, const FsckOptions& options,
                              Core* from);

// A version whose commit object is there and that no head or history names: its head or history
// was lost, or its save died before its commit.
struct LostVersion {
  std::string artifact;  // As its commit object says; empty: it does not.
  uint64_t version = 0;  // The number that its save expected.
  hash::Digest commit_id;
  std::string object;  // Its key.
  int64_t created_ms = 0;
  uint64_t logical_bytes = 0;
  bool complete = false;    // Its packs are there, with their lengths.
  bool given_up = false;    // A collector listed it as garbage: not brought back.
  bool thinned = false;     // Components of it were let go.
  bool followed = false;    // Another lost version was saved on top of it.
  bool head_there = false;  // The artifact has a head.
};
// One per commit id, by artifact and number. Writes nothing.
Result<std::vector<LostVersion>> FindLostVersions(const OpContext& ctx, Core& core);

// Makes the lost versions of an artifact addressable again: appended to its head under the numbers
// that their commit objects say, or, with `as`, to a new artifact, numbered from one. What was
// forgotten on purpose is not known when a head is lost, so each is let go in the same write, with
// a date: a person brings back what should come back (varve undelete), and nothing else does.
// Every byte is hashed before. Never a number that the head has passed; numbers in between that
// nothing is left of are tombstones.
inline constexpr int64_t kRebuildGraceMs = int64_t{30} * 86'400'000;
struct RebuildOptions {
  std::string artifact, as;
  std::string by;                      // Who, for people.
  int64_t grace_ms = kRebuildGraceMs;  // To look at what was found.
};
struct RebuildReport {
  std::string artifact;
  struct Row {
    uint64_t was = 0, version = 0;  // The number it was saved as, and the one it has now.
    hash::Digest commit_id;
  };
  std::vector<Row> rebuilt;
  std::vector<std::string> left;  // "v7: 2 chunks do not load".
};
Result<RebuildReport> RebuildArtifact(const OpContext& ctx, Core& core,
                                      const RebuildOptions& options);

}  // namespace varve::lake
