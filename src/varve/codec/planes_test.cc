// Goal: the kernels put every byte where the format says, on every processor.
// Method: the vector kernels against the portable ones over random lengths and alignments, and the
// portable ones against the definition written out byte by byte.
#include "varve/codec/planes.h"

#include <gtest/gtest.h>

#include <bit>
#include <cstring>

#include "varve/base/random.h"
#include "varve/codec/bitpack.h"
#include "varve/testing/random_bytes.h"

namespace varve::codec {
namespace {

TEST(Planes, PortableFollowsTheDefinition) {
  const Bytes raw = RandomBytes(7 * 4, 1);
  Bytes planes(raw.size());
  SplitPlanesPortable(raw, 4, true, 0, planes.data());
  for (size_t i = 0; i < 7; ++i) {
    uint32_t word = 0;
    std::memcpy(&word, raw.data() + 4 * i, 4);
    word = std::rotl(word, 1);
    for (size_t k = 0; k < 4; ++k) {
      EXPECT_EQ(planes[k * 7 + i], static_cast<std::byte>(word >> (8 * k)));
    }
  }
}

TEST(Planes, KernelsAgreeAndInvertAtEveryLengthAndAlignment) {
  SeededRandom random(2);
  const Bytes input = RandomBytes(8 * 700 + 64, 3);
  for (int round = 0; round < 1500; ++round) {
    const uint32_t width = 2U << random.Between(0, 2);
    const size_t n = random.Between(0, round % 3 == 0 ? 600 : 70), skew = random.Between(0, 33);
    const bool rotate = random.Between(0, 1) == 1;
    const ByteView raw = ByteView(input).subspan(random.Between(0, 31), n * width);
    Bytes fast(skew + raw.size()), slow(raw.size()), back(skew + raw.size()), again(raw.size());
    SplitPlanes(raw, width, rotate, fast.data() + skew);
    SplitPlanesPortable(raw, width, rotate, 0, slow.data());
    ASSERT_EQ(Bytes(fast.begin() + static_cast<std::ptrdiff_t>(skew), fast.end()), slow)
        << width << " bytes, " << n << " elements";
    const std::byte* planes[kPlanesMax] = {};
    for (size_t k = 0; k < width; ++k) planes[k] = fast.data() + skew + k * n;
    MergePlanes(planes, width, rotate, MutableByteView(back).subspan(skew));
    MergePlanesPortable(planes, width, rotate, 0, again);
    ASSERT_TRUE(
        std::equal(raw.begin(), raw.end(), back.begin() + static_cast<std::ptrdiff_t>(skew)));
    ASSERT_TRUE(std::equal(raw.begin(), raw.end(), again.begin()));
  }
}

TEST(BitPack, EveryRangeAndLengthComesBack) {
  for (uint32_t shift = 0; shift < 8; ++shift) {
    for (uint32_t width = 1; width < 8 && shift + width <= 8; ++width) {
      const BitRange range{shift, width};
      const auto constant = static_cast<uint8_t>(0xA5 & ~range.Mask());
      for (size_t n = 1; n < 100; ++n) {
        Bytes plane = RandomBytes(n, n);
        for (std::byte& byte : plane) {
          byte = (byte & std::byte{range.Mask()}) | std::byte{constant};
        }
        Bytes packed(PackedBytes(n, width)), back(n);
        PackBits(plane, range, packed);
        UnpackBits(packed, range, constant, back);
        ASSERT_EQ(back, plane) << shift << " " << width << " " << n;
        // The layout: element i is bits i * width onwards.
        for (size_t i = 0; i < n; ++i) {
          uint32_t element = 0;
          for (uint32_t b = 0; b < width; ++b) {
            const size_t bit = i * width + b;
            element |= (static_cast<uint32_t>(packed[bit / 8]) >> (bit % 8) & 1) << b;
          }
          ASSERT_EQ(element << shift | constant, static_cast<uint32_t>(plane[i]));
        }
      }
    }
  }
}

TEST(BitPack, VaryingBitsAreFoundWhereverTheyAre) {
  for (const size_t n : {1UL, 2UL, 31UL, 32UL, 33UL, 1000UL}) {
    EXPECT_EQ(VaryingBits(Bytes(n, std::byte{0x5A})), 0);
    for (size_t at = 1; at < n; ++at) {
      Bytes plane(n, std::byte{0x5A});
      plane[at] ^= std::byte{0x12};
      ASSERT_EQ(VaryingBits(plane), 0x12) << n << " " << at;
    }
  }
  const BitRange range = RangeOf(0x12);
  EXPECT_EQ(range.shift, 1U);
  EXPECT_EQ(range.width, 4U);
}

}  // namespace
}  // namespace varve::codec
