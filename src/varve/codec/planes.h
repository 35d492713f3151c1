// Splits elements into byte planes and back: plane k holds byte k of every element, after a
// rotation of each element by one bit that puts the whole exponent of an IEEE type into the top
// plane and the sign into the lowest bit of the bottom one. Private to codec/. Pure; no alignment
// is required.
//
// The processor decides once between the AVX2 and the portable kernels; both give the same bytes.
#pragma once

#include <cstdint>

#include "varve/base/bytes.h"

namespace varve::codec {

inline constexpr uint32_t kPlanesMax = 8;

// `raw` holds whole elements of `element_bytes` (1, 2, 4 or 8); `planes` is as long, plane after
// plane.
void SplitPlanes(ByteView raw, uint32_t element_bytes, bool rotate, std::byte* planes);
// Plane k is at planes[k], of raw.size() / element_bytes bytes; no plane overlaps `raw`.
void MergePlanes(const std::byte* const planes[kPlanesMax], uint32_t element_bytes, bool rotate,
                 MutableByteView raw);

// The portable kernels alone, for elements [first, all of raw): what the others are tested against,
// and what finishes a tail shorter than a vector.
void SplitPlanesPortable(ByteView raw, uint32_t element_bytes, bool rotate, size_t first,
                         std::byte* planes);
void MergePlanesPortable(const std::byte* const planes[kPlanesMax], uint32_t element_bytes,
                         bool rotate, size_t first, MutableByteView raw);

}  // namespace varve::codec
