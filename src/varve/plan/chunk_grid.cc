#include "varve/plan/chunk_grid.h"

#include <algorithm>
#include <cassert>

namespace varve::plan {

std::vector<uint64_t> ChunkSizes(uint64_t raw_bytes, uint64_t chunk_bytes) {
  return SlabChunkSizes(0, raw_bytes, chunk_bytes);
}

std::vector<uint64_t> SlabChunkSizes(uint64_t first_byte, uint64_t bytes, uint64_t chunk_bytes) {
  assert(chunk_bytes > 0);
  std::vector<uint64_t> sizes;
  sizes.reserve(static_cast<size_t>(bytes / chunk_bytes + 2));
  uint64_t room = chunk_bytes - first_byte % chunk_bytes;  // Up to the next cut.
  for (uint64_t left = bytes; left > 0; left -= sizes.back()) {
    sizes.push_back(std::min(left, room));
    room = chunk_bytes;
  }
  return sizes;
}

}  // namespace varve::plan
