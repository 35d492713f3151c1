// Goal: no chunk is lost or read twice by the plan of reads, requests stay bounded, and a suggested
// name is one that could be a slip.
// Method: properties over seeded random sets of chunks, adjoining, apart, shared and oversized;
// then the edges by hand.
#include "varve/plan/read_plan.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>

#include "varve/base/random.h"
#include "varve/plan/nearest.h"

namespace varve::plan {
namespace {

uint64_t Below(Random& random, uint64_t bound) { return random.Between(0, bound - 1); }

void CheckPlan(const std::vector<ChunkRef>& chunks, uint64_t gap_bytes_max,
               uint64_t read_bytes_max) {
  std::map<size_t, ChunkRef> by_index;
  for (const ChunkRef& chunk : chunks) by_index[chunk.index] = chunk;
  std::map<size_t, int> times;
  for (const PlannedRead& read : PlanReads(chunks, gap_bytes_max, read_bytes_max)) {
    ASSERT_FALSE(read.chunks.empty());
    uint64_t covered_to = read.offset;
    uint64_t unwanted = 0;
    uint64_t longest = 0;
    for (const size_t index : read.chunks) {
      const ChunkRef& chunk = by_index.at(index);
      ++times[index];
      EXPECT_EQ(chunk.pack, read.pack);
      EXPECT_GE(chunk.offset, read.offset);
      EXPECT_LE(chunk.offset + chunk.bytes, read.offset + read.bytes);
      if (chunk.offset > covered_to) {
        EXPECT_LE(chunk.offset - covered_to, gap_bytes_max);
        unwanted += chunk.offset - covered_to;
      }
      covered_to = std::max(covered_to, chunk.offset + chunk.bytes);
      longest = std::max(longest, chunk.bytes);
    }
    EXPECT_EQ(covered_to, read.offset + read.bytes) << "reads past its last chunk";
    EXPECT_LE(unwanted, gap_bytes_max * (read.chunks.size() - 1));
    EXPECT_LE(read.bytes, std::max(read_bytes_max, longest));
  }
  EXPECT_EQ(times.size(), chunks.size());
  for (const auto& [index, count] : times) EXPECT_EQ(count, 1) << index;
}

TEST(PlanReads, CoversEachChunkOnceWithinBounds) {
  for (uint64_t seed = 0; seed < 300; ++seed) {
    SeededRandom random(seed);
    const uint64_t gap_bytes_max = Below(random, 3) * 50;
    const uint64_t read_bytes_max = 1 + Below(random, 2000);
    std::vector<ChunkRef> chunks;
    std::vector<uint64_t> ends(4, 0);
    for (size_t i = 0, count = Below(random, 60); i < count; ++i) {
      const auto pack = static_cast<uint32_t>(Below(random, 4));
      const uint64_t offset = ends[pack] + (Below(random, 2) == 0 ? 0 : Below(random, 200));
      const uint64_t bytes = 1 + Below(random, Below(random, 10) == 0 ? 5000 : 400);
      chunks.push_back({pack, offset, bytes, i});
      if (Below(random, 4) != 0) ends[pack] = offset + bytes;  // Else the next may overlap.
    }
    for (size_t i = chunks.size(); i > 1; --i) std::swap(chunks[i - 1], chunks[Below(random, i)]);
    CheckPlan(chunks, gap_bytes_max, read_bytes_max);
    if (HasFailure()) FAIL() << "seed " << seed;
  }
}

TEST(PlanReads, JoinsNeighboursAndReadsOverSmallGaps) {
  EXPECT_TRUE(PlanReads({}).empty());
  const auto reads =
      PlanReads({{0, 210, 50, 2}, {0, 0, 100, 0}, {0, 100, 100, 1}, {0, 271, 9, 3}}, 10, 1000);
  ASSERT_EQ(reads.size(), 2U);  // A gap of 10 is read over, one of 11 is not.
  EXPECT_EQ(reads[0].bytes, 260U);
  EXPECT_EQ(reads[0].chunks, (std::vector<size_t>{0, 1, 2}));
  EXPECT_EQ(reads[1].offset, 271U);
}

TEST(PlanReads, TheSameChunkWantedTwiceIsReadOnce) {
  const auto reads = PlanReads({{3, 50, 10, 8}, {3, 50, 10, 9}}, 0, 5);
  ASSERT_EQ(reads.size(), 1U);
  EXPECT_EQ(reads[0].chunks, (std::vector<size_t>{8, 9}));
}

TEST(PlanReads, AChunkAboveTheLimitIsItsOwnRead) {
  const auto reads = PlanReads({{0, 0, 10, 0}, {0, 10, 500, 1}, {0, 510, 10, 2}}, 0, 100);
  ASSERT_EQ(reads.size(), 3U);
  EXPECT_EQ(reads[1].bytes, 500U);
}

TEST(Nearest, FindsASlipAndNothingElse) {
  const std::vector<std::string> names = {"llama", "llama/lora", "tokenizer"};
  EXPECT_EQ(Nearest("lama", names), "llama");
  EXPECT_EQ(Nearest("tokeniser", names), "tokenizer");
  EXPECT_EQ(Nearest("llama", names), "llama");
  EXPECT_EQ(Nearest("lgo", {"ls", "log"}), "log") << "neighbours swapped are one slip";
  EXPECT_EQ(Nearest("resnet-50", names), "");
  EXPECT_EQ(Nearest("", names), "");
  EXPECT_EQ(Nearest("llama", {}), "");
  EXPECT_EQ(Nearest("qq", {"ab"}), "") << "no letter in common";
}

}  // namespace
}  // namespace varve::plan
