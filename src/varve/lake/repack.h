// Repack: copies what lives in packs that are mostly dead into fresh ones, so that the old ones
// become garbage.
//
// What a version is never changes, only where its chunks lie (docs/format.md, Layouts): each chunk
// is read, decoded and hashed before it is written again, every live version that named it gets a
// commit object of the same commit id, and its head moves to that by rule O. Nothing is deleted:
// the old packs and commit objects go by the ordinary collection.
// A crash at any request leaves whole versions, old or new, and objects that nothing names; the
// next repack goes on. May run beside anything, other repacks included.
// Threads: one per call; requests run on the lake's transfer pool. Cancel: as a crash.
// Errors: kCorrupt (a head or commit object that cannot be believed; names it), kConflict (others
// moved the lake all the time), the store's. What was moved before an error stays moved.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "varve/exec/op_context.h"
#include "varve/plan/price.h"
#include "varve/plan/repack.h"
#include "varve/result.h"

namespace varve::lake {

inline constexpr size_t kRepackRowsMax = 1000;  // Of RepackReport::packs.

struct RepackOptions {
  bool apply = false;  // Else nothing is written.
  uint32_t dead_percent = plan::kRepackDeadPercent;
  uint64_t moved_bytes_max = plan::kRepackMovedBytesMax;
  plan::PriceTable prices;  // For the quote, where one fits the store.
};

struct RepackReport {
  bool applied = false;
  uint64_t packs = 0, packs_bytes = 0;  // That live versions name.
  // Of them, those that are at least `dead_percent` dead, by what becomes of them.
  struct Group {
    uint64_t packs = 0, bytes = 0, live_bytes = 0;
  };
  std::array<Group, plan::kRepackVerdicts> groups;
  uint64_t versions = 0, artifacts = 0;  // That name chosen packs.
  // The plan; with `apply`, what was done.
  uint64_t read_bytes = 0, read_requests = 0;
  uint64_t written_bytes = 0, written_objects = 0;
  uint64_t freed_bytes = 0;  // By collections to come: old packs and commit objects.
  struct Pack {              // Chosen; the most dead first.
    std::string key;
    uint64_t bytes = 0, live_bytes = 0, versions = 0;
  };
  std::vector<Pack> rows;
  uint64_t moved = 0;  // Commit objects of versions that were replaced.
  // Chosen packs that were left, since a chunk did not read back sound.
  std::vector<std::string> damaged;
  struct Quote {
    double read_usd = 0, write_usd = 0;  // Once, by list price; transfer out of a region is not in.
    double saved_usd_month = 0;
    std::string price;  // What it is by.
  };
  std::optional<Quote> quote;
};

struct Core;
Result<RepackReport> RepackLake(const OpContext& ctx, Core& core, const RepackOptions& options);

}  // namespace varve::lake
