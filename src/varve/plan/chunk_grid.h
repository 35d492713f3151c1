// Where a tensor is cut: on a linear grid in the row-major coordinates of the global tensor, so
// that equal regions of two versions, or of two rank layouts, are equal chunks. Pure.
#pragma once

#include <cstdint>
#include <vector>

#include "varve/base/bytes.h"

namespace varve::plan {

inline constexpr uint64_t kChunkBytes = 8 * kMiB;

// Lengths of the chunks of `raw_bytes`, in order; the last may be short; none for 0 bytes.
// Requires chunk_bytes > 0.
std::vector<uint64_t> ChunkSizes(uint64_t raw_bytes, uint64_t chunk_bytes = kChunkBytes);

// The same for the `bytes` from `first_byte` on that one rank holds of a tensor, cut where the
// whole tensor is: ranks that begin elsewhere have equal chunks but for those at their ends.
std::vector<uint64_t> SlabChunkSizes(uint64_t first_byte, uint64_t bytes,
                                     uint64_t chunk_bytes = kChunkBytes);

}  // namespace varve::plan
