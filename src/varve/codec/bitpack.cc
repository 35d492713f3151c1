// Eight elements at a time in one 64-bit word: neighbours are joined in three steps, which needs no
// special instruction (pext is slow on some processors) and keeps the pipeline full.
#include "varve/codec/bitpack.h"

#include <algorithm>
#include <bit>
#include <cstring>

namespace varve::codec {
namespace {

static_assert(std::endian::native == std::endian::little, "words are loaded as they lie");

constexpr uint64_t kEachByte = 0x0101010101010101;

uint64_t Load(const std::byte* at, size_t bytes) {
  uint64_t word = 0;
  std::memcpy(&word, at, bytes);
  return word;
}

uint64_t Join(uint64_t word, BitRange range) {
  const uint32_t gap = 8 - range.width;
  word = (word >> range.shift) & (kEachByte * ((1U << range.width) - 1));
  word = (word & 0x00FF00FF00FF00FF) | ((word & 0xFF00FF00FF00FF00) >> gap);
  word = (word & 0x0000FFFF0000FFFF) | ((word & 0xFFFF0000FFFF0000) >> (2 * gap));
  return (word & 0x00000000FFFFFFFF) | ((word & 0xFFFFFFFF00000000) >> (4 * gap));
}

// Requires the bits above 8 * width to be anything: they are cut off here.
uint64_t Spread(uint64_t word, BitRange range) {
  const uint32_t width = range.width, gap = 8 - width;
  const uint64_t half = (uint64_t{1} << (4 * width)) - 1;
  const uint64_t quarter = ((uint64_t{1} << (2 * width)) - 1) * 0x0000000100000001;
  const uint64_t eighth = ((uint64_t{1} << width) - 1) * 0x0001000100010001;
  word = (word & half) | ((word & (half << (4 * width))) << (4 * gap));
  word = (word & quarter) | ((word & (quarter << (2 * width))) << (2 * gap));
  word = (word & eighth) | ((word & (eighth << width)) << gap);
  return word << range.shift;
}

}  // namespace

uint8_t VaryingBits(ByteView plane) {
  if (plane.empty()) return 0;
  const uint64_t first = kEachByte * static_cast<uint8_t>(plane[0]);
  uint64_t seen[4] = {};
  size_t at = 0;
  for (; plane.size() - at >= 32; at += 32) {
    for (size_t k = 0; k < 4; ++k) seen[k] |= Load(plane.data() + at + 8 * k, 8) ^ first;
  }
  uint64_t all = seen[0] | seen[1] | seen[2] | seen[3];
  for (; at < plane.size(); ++at) all |= static_cast<uint8_t>(plane[at] ^ plane[0]);
  all |= all >> 32;
  all |= all >> 16;
  return static_cast<uint8_t>(all | (all >> 8));
}

BitRange RangeOf(uint8_t varying) {
  const auto shift = static_cast<uint32_t>(std::countr_zero(varying));
  return {shift, 8 - static_cast<uint32_t>(std::countl_zero(varying)) - shift};
}

void PackBits(ByteView plane, BitRange range, MutableByteView packed) {
  const std::byte* in = plane.data();
  std::byte* out = packed.data();
  size_t left = plane.size(), room = packed.size();
  for (; left >= 8 && room >= 8; in += 8, left -= 8, out += range.width, room -= range.width) {
    const uint64_t word = Join(Load(in, 8), range);
    std::memcpy(out, &word, 8);  // The bytes beyond the group belong to the next one.
  }
  while (left > 0) {
    const size_t count = std::min<size_t>(left, 8);
    const uint64_t word = Join(Load(in, count), range);
    std::memcpy(out, &word, range.width);
    in += count, left -= count, out += range.width;
  }
}

void UnpackBits(ByteView packed, BitRange range, uint8_t constant, MutableByteView plane) {
  const uint64_t fixed = kEachByte * constant;
  const std::byte* in = packed.data();
  std::byte* out = plane.data();
  size_t left = plane.size(), room = packed.size();
  for (; left >= 8 && room >= 8; in += range.width, room -= range.width, out += 8, left -= 8) {
    const uint64_t word = Spread(Load(in, 8), range) | fixed;
    std::memcpy(out, &word, 8);
  }
  while (left > 0) {
    const size_t count = std::min<size_t>(left, 8);
    const uint64_t word = Spread(Load(in, range.width), range) | fixed;
    std::memcpy(out, &word, count);
    in += range.width, out += count, left -= count;
  }
}

}  // namespace varve::codec
