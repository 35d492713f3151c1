// What a repack needs to know of a lake: which packs live versions name, and for those that may be
// mostly dead, which of their chunks live and where they are named. Private to lake/.
//
// Writes nothing. Two passes: pack sets, which tell the least and the most that lives in a pack,
// then the chunk tables of those commit objects alone that name a suspect.
#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "varve/lake/core.h"
#include "varve/lake/gc_roots.h"
#include "varve/lake/repack.h"

namespace varve::lake {

struct RepackSurvey {
  uint64_t base_epoch = 0;  // From before anything was learned.
  int64_t now_ms = 0;       // The store's clock.
  std::vector<std::string> names;
  struct Commit {
    GcRoots::Named at;
    uint32_t name = 0;            // Index into names.
    bool fixed = false;           // Its head has no room for a layout, or only a newer writer may.
    uint64_t object_bytes = 0;    // When it names a suspect.
    std::vector<uint32_t> packs;  // That it names, by index; suspects alone after the second pass.
  };
  std::vector<Commit> commits;
  struct Chunk {
    format::ChunkRow row;
    // What it is likely to die with: a component of one version, or what several share.
    uint32_t lifetime = 0;
    uint32_t name = 0;
    uint64_t version = 0;  // The first that names it.
  };
  struct Pack {
    format::ObjectId id;
    uint64_t object_bytes = 0;
    uint64_t named_bytes = 0;     // The most that one commit object names.
    int64_t time_ms = INT64_MAX;  // Of the oldest version that names it.
    bool suspect = false;
    std::map<hash::Digest, Chunk> chunks;  // That live; of suspects.
  };
  std::vector<Pack> packs;
};

inline constexpr uint32_t kLifetimesMax = 8;  // The last is shared by all components past these.

// `damaged`: packs to leave alone. kConflict with kGcAgain as message: the lake moved, try again.
Result<RepackSurvey> SurveyForRepack(const OpContext& ctx, Core& core, uint32_t dead_percent,
                                     const std::set<format::ObjectId>& damaged);

}  // namespace varve::lake
