#include "varve/plan/read_plan.h"

#include <algorithm>
#include <tuple>

namespace varve::plan {

std::vector<PlannedRead> PlanReads(std::vector<ChunkRef> chunks, uint64_t gap_bytes_max,
                                   uint64_t read_bytes_max) {
  std::sort(chunks.begin(), chunks.end(), [](const ChunkRef& a, const ChunkRef& b) {
    return std::tie(a.pack, a.offset, a.index) < std::tie(b.pack, b.offset, b.index);
  });
  std::vector<PlannedRead> reads;
  for (const ChunkRef& chunk : chunks) {
    const uint64_t chunk_end = chunk.offset + chunk.bytes;
    if (!reads.empty() && reads.back().pack == chunk.pack) {
      PlannedRead& last = reads.back();
      const uint64_t last_end = last.offset + last.bytes;
      const bool near = chunk.offset <= last_end || chunk.offset - last_end <= gap_bytes_max;
      const uint64_t joined_bytes = std::max(last_end, chunk_end) - last.offset;
      if (near && joined_bytes <= std::max(read_bytes_max, last.bytes)) {
        last.bytes = joined_bytes;
        last.chunks.push_back(chunk.index);
        continue;
      }
    }
    reads.push_back({chunk.pack, chunk.offset, chunk.bytes, {chunk.index}});
  }
  return reads;
}

}  // namespace varve::plan
