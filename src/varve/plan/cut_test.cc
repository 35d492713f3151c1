// Goal: tensors and files are cut into chunks that cover every byte once, within bounds, and the
// same way for ever, since the cuts decide what two versions share.
// Method: properties over seeded random inputs; cuts of one fixed input written down by value; an
// insertion, whose far side must cut as before.
#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>
#include <set>
#include <vector>

#include "varve/plan/cdc.h"
#include "varve/plan/chunk_grid.h"

namespace varve::plan {
namespace {

// SplitMix64, spelled out: the cuts below hold for these bytes on every machine.
std::vector<std::byte> FixedBytes(size_t size_bytes, uint64_t seed) {
  std::vector<std::byte> bytes(size_bytes);
  uint64_t state = seed;
  uint64_t word = 0;
  for (size_t i = 0; i < size_bytes; ++i) {
    if (i % 8 == 0) {
      uint64_t z = (state += 0x9e3779b97f4a7c15);
      z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
      z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
      word = z ^ (z >> 31);
    }
    bytes[i] = static_cast<std::byte>(word >> (8 * (i % 8)));
  }
  return bytes;
}

// Ends of the chunks, cut from windows of exactly kCutBytesMax as a reader of a file does.
std::vector<uint64_t> Cuts(ByteView data) {
  std::vector<uint64_t> ends;
  for (uint64_t at = 0; at < data.size();) {
    const uint64_t left = data.size() - at;
    const ByteView window = data.subspan(at, std::min(left, kCutBytesMax));
    at += NextCut(window, left <= kCutBytesMax);
    ends.push_back(at);
  }
  return ends;
}

TEST(ChunkGrid, CoversEveryByteWithFullChunksButTheLast) {
  EXPECT_TRUE(ChunkSizes(0).empty());
  for (const uint64_t chunk : {uint64_t{1}, uint64_t{7}, kChunkBytes}) {
    for (const uint64_t raw :
         {uint64_t{1}, chunk - 1, chunk, chunk + 1, 5 * chunk, 5 * chunk + 3}) {
      const std::vector<uint64_t> sizes = ChunkSizes(raw, chunk);
      EXPECT_EQ(std::accumulate(sizes.begin(), sizes.end(), uint64_t{0}), raw);
      for (size_t i = 0; i + 1 < sizes.size(); ++i) EXPECT_EQ(sizes[i], chunk);
      if (!sizes.empty()) {
        EXPECT_TRUE(sizes.back() > 0 && sizes.back() <= chunk);
      }
    }
  }
}

// However a tensor is divided among ranks, every cut of the whole is a cut of the part it lies in.
TEST(ChunkGrid, ASlabIsCutWhereTheWholeIs) {
  for (const uint64_t chunk : {uint64_t{1}, uint64_t{7}, uint64_t{64}}) {
    for (uint64_t raw = 0; raw < 3 * chunk; ++raw) {
      for (uint64_t first = 0; first <= raw; ++first) {
        std::set<uint64_t> cuts;
        uint64_t at = 0;
        for (const uint64_t bytes : SlabChunkSizes(0, first, chunk)) cuts.insert(at += bytes);
        EXPECT_EQ(at, first);
        for (const uint64_t bytes : SlabChunkSizes(first, raw - first, chunk)) {
          EXPECT_TRUE(bytes > 0 && bytes <= chunk);
          cuts.insert(at += bytes);
        }
        ASSERT_EQ(at, raw);
        std::set<uint64_t> whole;
        at = 0;
        for (const uint64_t bytes : ChunkSizes(raw, chunk)) whole.insert(at += bytes);
        if (first > 0) whole.insert(first);
        ASSERT_EQ(cuts, whole);
      }
    }
  }
}

TEST(NextCut, KeepsItsBoundsOnAnyContent) {
  for (const size_t size : {size_t{1}, size_t{kCutBytesMin}, size_t{kCutBytesMin + 1},
                            size_t{kCutBytesMax}, size_t{kCutBytesMax + 1}, size_t{20 * kMiB}}) {
    std::vector<std::byte> zeros(size);
    for (const auto& data : {FixedBytes(size, size), zeros}) {
      const std::vector<uint64_t> ends = Cuts(data);
      ASSERT_EQ(ends.back(), size);
      for (size_t i = 0; i < ends.size(); ++i) {
        const uint64_t length = ends[i] - (i == 0 ? 0 : ends[i - 1]);
        EXPECT_LE(length, kCutBytesMax);
        if (i + 1 < ends.size()) {
          EXPECT_GE(length, kCutBytesMin);
        }
      }
    }
  }
}

TEST(NextCut, DoesNotDependOnBytesAfterTheCut) {
  const std::vector<std::byte> data = FixedBytes(8 * kMiB, 5);
  const ByteView view(data);
  const uint64_t cut = NextCut(view, true);
  EXPECT_EQ(NextCut(view.first(kCutBytesMax), false), cut);
  EXPECT_EQ(NextCut(view.first(cut), true), cut);
}

TEST(NextCut, InsertionChangesOnlyTheChunksNearIt) {
  const std::vector<std::byte> before = FixedBytes(40 * kMiB, 11);
  const size_t at = 13 * kMiB + 17;
  const std::vector<std::byte> extra = FixedBytes(1234, 12);
  std::vector<std::byte> after = before;
  after.insert(after.begin() + static_cast<std::ptrdiff_t>(at), extra.begin(), extra.end());
  const std::vector<uint64_t> old_ends = Cuts(before);
  const std::vector<uint64_t> new_ends = Cuts(after);
  const std::set<uint64_t> found(new_ends.begin(), new_ends.end());
  size_t moved = 0;
  for (const uint64_t end : old_ends)
    moved += found.count(end > at ? end + extra.size() : end) == 0;
  EXPECT_LE(moved, 6U) << "of " << old_ends.size();
  for (const uint64_t end : old_ends) {
    if (end <= at) {
      EXPECT_EQ(found.count(end), 1U);
    }
  }
}

// A change of these numbers is a change of the format: files saved before share nothing after it.
TEST(NextCut, CutsAsItAlwaysDid) {
  const std::vector<uint64_t> expected = {2063937, 2377723, 3542253, 4592997,
                                          5835676, 7094823, 8155778, 8388608};
  EXPECT_EQ(Cuts(FixedBytes(8 * kMiB, 1)), expected);
}

}  // namespace
}  // namespace varve::plan
