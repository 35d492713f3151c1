// Packs a plane of which only `width` adjacent bits of each byte vary: eight elements become
// `width` bytes. It catches what Huffman coding would find too, several times faster: the sign of
// tensors that are never negative, and float32 values that were bfloat16. Private to codec/. Pure.
#pragma once

#include <cstdint>

#include "varve/base/bytes.h"

namespace varve::codec {

struct BitRange {
  uint32_t shift = 0;  // Lowest bit that varies.
  uint32_t width = 0;  // 1 to 7; shift + width is at most 8.
  uint8_t Mask() const { return static_cast<uint8_t>(((1U << width) - 1) << shift); }
};

// The bits in which some byte differs from the first.
uint8_t VaryingBits(ByteView plane);
BitRange RangeOf(uint8_t varying);  // The least range with all of them; requires one at least.

constexpr size_t PackedBytes(size_t elements, uint32_t width) { return (elements + 7) / 8 * width; }

// Element 8i + j goes to bits j * width onwards of the i-th group of `width` bytes, lowest bit
// first; the last group is filled with zeros. Requires packed.size() == PackedBytes(plane.size(),
// width).
void PackBits(ByteView plane, BitRange range, MutableByteView packed);
// The inverse; the bits outside of the range are those of `constant`, zero within it.
void UnpackBits(ByteView packed, BitRange range, uint8_t constant, MutableByteView plane);

}  // namespace varve::codec
