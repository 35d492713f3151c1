#include "varve/plan/cdc.h"

#include <algorithm>
#include <array>
#include <cassert>

namespace varve::plan {
namespace {

constexpr uint64_t kGearSeed = 0x5641525645434443;

constexpr std::array<uint64_t, 256> MakeGear() {
  std::array<uint64_t, 256> gear{};
  uint64_t state = kGearSeed;
  for (uint64_t& word : gear) {
    uint64_t z = (state += 0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    word = z ^ (z >> 31);
  }
  return gear;
}
constexpr std::array<uint64_t, 256> kGear = MakeGear();

// Two bits more than log2(average) before the average, two fewer after it: lengths gather there.
constexpr uint64_t TopBits(int count) { return ~uint64_t{0} << (64 - count); }
constexpr uint64_t kMaskBefore = TopBits(22);
constexpr uint64_t kMaskAfter = TopBits(18);

}  // namespace

uint64_t NextCut(ByteView data, bool is_end) {
  assert(!data.empty() && (is_end || data.size() >= kCutBytesMax));
  static_cast<void>(is_end);
  if (data.size() <= kCutBytesMin) return data.size();
  const uint64_t end = std::min<uint64_t>(data.size(), kCutBytesMax);
  const uint64_t average = std::min(end, kCutBytesAverage);
  uint64_t hash = 0;
  // The hash forgets a byte after 64 more, so it starts that far before the first allowed cut.
  uint64_t at = kCutBytesMin - 64;
  for (; at < average; ++at) {
    hash = (hash << 1) + kGear[static_cast<size_t>(data[at])];
    if ((hash & kMaskBefore) == 0 && at + 1 >= kCutBytesMin) return at + 1;
  }
  for (; at < end; ++at) {
    hash = (hash << 1) + kGear[static_cast<size_t>(data[at])];
    if ((hash & kMaskAfter) == 0) return at + 1;
  }
  return end;
}

}  // namespace varve::plan
