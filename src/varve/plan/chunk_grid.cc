#include "varve/plan/chunk_grid.h"

#include <algorithm>
#include <cassert>

namespace varve::plan {

std::vector<uint64_t> ChunkSizes(uint64_t raw_bytes, uint64_t chunk_bytes) {
  assert(chunk_bytes > 0);
  std::vector<uint64_t> sizes;
  sizes.reserve(static_cast<size_t>(raw_bytes / chunk_bytes + 1));
  for (uint64_t left = raw_bytes; left > 0; left -= sizes.back()) {
    sizes.push_back(std::min(left, chunk_bytes));
  }
  return sizes;
}

}  // namespace varve::plan
