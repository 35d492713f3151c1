// Which ranges to ask the store for, given the chunks that are wanted: neighbours in one request,
// small gaps read over, requests bounded. Pure.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "varve/base/bytes.h"

namespace varve::plan {

inline constexpr uint64_t kGapBytesMax = 1 * kMiB;
inline constexpr uint64_t kReadBytesMax = 16 * kMiB;

struct ChunkRef {
  uint32_t pack = 0;
  uint64_t offset = 0, bytes = 0;  // Of the payload in the pack.
  size_t index = 0;                // The caller's name for the chunk.
};
struct PlannedRead {
  uint32_t pack = 0;
  uint64_t offset = 0, bytes = 0;
  std::vector<size_t> chunks;  // By offset.
};

// Every chunk is in exactly one read, whole. A read is longer than read_bytes_max only when it
// holds one chunk that is.
std::vector<PlannedRead> PlanReads(std::vector<ChunkRef> chunks,
                                   uint64_t gap_bytes_max = kGapBytesMax,
                                   uint64_t read_bytes_max = kReadBytesMax);

}  // namespace varve::plan
