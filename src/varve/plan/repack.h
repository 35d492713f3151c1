// Which packs are worth writing again without what is dead in them.
//
// One rule: of the bytes that a pack's repack deals with (the dead ones that it frees, the live
// ones that it moves, and the pack's part of the commit objects that are written anew), at least
// `dead_percent` are dead. At 50, every byte written frees a byte. Pure; plain values.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "varve/base/bytes.h"

namespace varve::plan {

inline constexpr uint32_t kRepackDeadPercent = 50;
// Moved by one repack: bounds its memory, and what a crash wastes. The next one goes on.
inline constexpr uint64_t kRepackMovedBytesMax = 256 * kGiB;

struct RepackPack {
  uint64_t object_bytes = 0;
  uint64_t live_bytes = 0;        // Frames that something live names, each once.
  int64_t age_ms = 0;             // At least.
  std::vector<uint32_t> commits;  // That name it, by index.
};
struct RepackCommit {
  uint64_t object_bytes = 0;
  bool fixed = false;  // It cannot be written anew.
};

enum class RepackVerdict : uint8_t {
  kMove,
  kMostlyLive,
  kCommits,  // Too much of commit objects would be written for what it frees.
  kYoung,    // Deleting it now costs as much as keeping it.
  kFixed,
  kLater,  // Past the limit of one repack.
};
inline constexpr size_t kRepackVerdicts = 6;

struct RepackRules {
  uint32_t dead_percent = kRepackDeadPercent;  // 0 (any dead byte will do) to 99.
  int64_t age_ms_min = 0;
  uint64_t moved_bytes_max = kRepackMovedBytesMax;
};

// True when a pack may be worth it as far as its least possible live bytes tell.
bool RepackSuspect(uint64_t object_bytes, uint64_t live_bytes, uint32_t dead_percent);

// A verdict for each pack. Where not all fit the limit, those that free most per byte moved go
// first; one pack always fits.
std::vector<RepackVerdict> ChooseRepack(const std::vector<RepackPack>& packs,
                                        const std::vector<RepackCommit>& commits,
                                        const RepackRules& rules);

}  // namespace varve::plan
