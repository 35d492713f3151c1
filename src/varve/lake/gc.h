// Garbage collection: deletes what no head names, while writers, readers and other collectors run.
//
// Mark, condemn, fence, decide, sweep (docs/format.md, Collector; docs/consistency.md says why it
// is safe). Every step leaves the lake in a state from which any collector goes on, so a crash at
// any request costs nothing, and any number may run at once. No lock, lease or clock decides.
// Only ids of a decided list are ever deleted, by exact key.
// Threads: one per call; requests run on the lake's transfer pool. Cancel: as a crash.
// Errors: nothing was deleted, unless the report of a later run says so: kUnsupported (a feature or
// an object this build does not know), kCorrupt (a head, a commit object or a listing that does not
// add up; the message names it), kInvalidArgument (needs force), the store's.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "varve/exec/op_context.h"
#include "varve/format/gc_state.h"
#include "varve/plan/gc_policy.h"
#include "varve/result.h"

namespace varve::lake {

inline constexpr size_t kGcSkippedMax = 1000;  // Rows of GcReport::skipped.

struct GcOptions {
  bool apply = false;  // Else nothing is written or deleted.
  bool force = false;  // Passes the share guard alone.
  int64_t grace_ms = plan::kGcGraceMs;
  std::string holder;  // "host:pid", for people.
  // The newest so many epochs keep their lists: a commit that was begun before the oldest of them
  // starts over.
  uint32_t list_epochs = format::kGcListEpochs;
};

struct GcBytes {
  uint64_t objects = 0, bytes = 0;
};

struct GcReport {
  bool applied = false;
  bool resumed = false;    // A collection that had been cut off was finished first.
  bool under_way = false;  // Dry run only: another collection is under way now.
  uint64_t epoch = 0;
  uint64_t refs = 0, versions = 0;  // Heads; versions that stay.
  GcBytes listed;                   // Packs, commit objects, history nodes.
  GcBytes garbage[format::kIdKinds];
  GcBytes young;                 // Garbage by its references, but younger than the grace.
  GcBytes uploads;               // In parts, given up; a dry run alone measures their bytes.
  uint64_t aborted_uploads = 0;  // Of them.
  // Why it is garbage. Dry run only; an object that several artifacts let go counts for the first.
  struct Reason {
    std::string artifact;   // Empty: objects that no version names.
    uint64_t versions = 0;  // Let go, with objects that are still there.
    uint64_t replaced = 0;  // Commit objects of versions that were laid out anew.
    GcBytes garbage;
  };
  std::vector<Reason> reasons;
  uint64_t deleted = 0;  // Objects of decided lists, those already gone included.
  GcBytes freed;         // Of them, what this run itself had condemned.
  struct Skipped {       // The store refused: locked or denied. The next collection tries again.
    std::string key, reason;
  };
  uint64_t skipped_total = 0;
  std::vector<Skipped> skipped;
  uint64_t mark_memory_bytes = 0;

  GcBytes Garbage() const {
    GcBytes total;
    for (const GcBytes& each : garbage) {
      total.objects += each.objects;
      total.bytes += each.bytes;
    }
    return total;
  }
};

struct Core;
Result<GcReport> CollectGarbage(const OpContext& ctx, Core& core, const GcOptions& options);

}  // namespace varve::lake
