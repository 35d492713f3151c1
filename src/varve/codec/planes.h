// Splits elements into byte planes and back: plane k holds byte k of every element, after a
// rotation of each element by one bit that puts the whole exponent of an IEEE type into the top
// plane and the sign into the lowest bit of the bottom one. Private to codec/. Pure.
#pragma once

#include <cstdint>

#include "varve/base/bytes.h"

namespace varve::codec {

// `raw` holds whole elements of `element_bytes` (1, 2, 4 or 8); `planes` is as long.
void SplitPlanes(ByteView raw, uint32_t element_bytes, bool rotate, std::byte* planes);
// Plane k is at planes[k], of raw.size() / element_bytes bytes.
void MergePlanes(const std::byte* const planes[8], uint32_t element_bytes, bool rotate,
                 MutableByteView raw);

}  // namespace varve::codec
