// AVX2 kernels of planes.h: whole groups of 32 elements, each returning how many elements it did.
// Private to codec/. Requires HasAvx2(); defined only where the compiler targets x86-64.
#pragma once

#include <cstddef>

namespace varve::codec {

inline constexpr size_t kElementsPerGroup = 32;

#if defined(__x86_64__)
bool HasAvx2();
// `out` and `planes` as in planes.h; `n` elements lie at `in`, plane k of the output at out + k *
// n.
size_t SplitAvx2(const std::byte* in, size_t n, size_t element_bytes, bool rotate, std::byte* out);
size_t MergeAvx2(const std::byte* const* planes, size_t n, size_t element_bytes, bool rotate,
                 std::byte* out);
#endif

}  // namespace varve::codec
