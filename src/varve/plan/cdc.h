// Content-defined cutting of opaque files, so that an insertion changes only the chunks near it.
//
// FastCDC (Xia et al., USENIX ATC 2016): a gear rolling hash with normalised chunking. The gear
// table and the masks decide which cuts two files share, so they never change within a format
// version. Pure.
#pragma once

#include <cstdint>

#include "varve/base/bytes.h"

namespace varve::plan {

inline constexpr uint64_t kCutBytesMin = 256 * kKiB;
inline constexpr uint64_t kCutBytesAverage = 1 * kMiB;
inline constexpr uint64_t kCutBytesMax = 4 * kMiB;

// Length of the first chunk of `data`: between kCutBytesMin and kCutBytesMax, or all of `data` if
// it is shorter and the end. Requires data.size() > 0, and >= kCutBytesMax unless `is_end`.
uint64_t NextCut(ByteView data, bool is_end);

}  // namespace varve::plan
