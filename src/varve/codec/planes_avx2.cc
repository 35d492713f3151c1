#include "varve/codec/planes_avx2.h"

#if defined(__x86_64__)
#include <immintrin.h>

#define VARVE_AVX2 __attribute__((target("avx2")))
#define VARVE_AVX2_INLINE __attribute__((target("avx2"), always_inline)) inline

namespace varve::codec {
namespace {

VARVE_AVX2_INLINE __m256i Load(const std::byte* at) {
  return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(at));
}
VARVE_AVX2_INLINE void Store(std::byte* at, __m256i value) {
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(at), value);
}

// Rotation of each element by one bit, to the left for a split and to the right for a merge.
VARVE_AVX2_INLINE __m256i Left16(__m256i v) {
  return _mm256_or_si256(_mm256_slli_epi16(v, 1), _mm256_srli_epi16(v, 15));
}
VARVE_AVX2_INLINE __m256i Right16(__m256i v) {
  return _mm256_or_si256(_mm256_srli_epi16(v, 1), _mm256_slli_epi16(v, 15));
}
VARVE_AVX2_INLINE __m256i Left32(__m256i v) {
  return _mm256_or_si256(_mm256_slli_epi32(v, 1), _mm256_srli_epi32(v, 31));
}
VARVE_AVX2_INLINE __m256i Right32(__m256i v) {
  return _mm256_or_si256(_mm256_srli_epi32(v, 1), _mm256_slli_epi32(v, 31));
}
VARVE_AVX2_INLINE __m256i Left64(__m256i v) {
  return _mm256_or_si256(_mm256_slli_epi64(v, 1), _mm256_srli_epi64(v, 63));
}
VARVE_AVX2_INLINE __m256i Right64(__m256i v) {
  return _mm256_or_si256(_mm256_srli_epi64(v, 1), _mm256_slli_epi64(v, 63));
}

// Swaps the middle quarters: pack and unpack work within 128-bit halves.
VARVE_AVX2_INLINE __m256i SwapMiddle(__m256i v) { return _mm256_permute4x64_epi64(v, 0xD8); }

VARVE_AVX2 size_t Split2(const std::byte* in, size_t n, bool rotate, std::byte* out) {
  const __m256i low_byte = _mm256_set1_epi16(0xFF);
  size_t i = 0;
  for (; n - i >= kElementsPerGroup; i += kElementsPerGroup) {
    __m256i a = Load(in + 2 * i), b = Load(in + 2 * i + 32);
    if (rotate) a = Left16(a), b = Left16(b);
    const __m256i low =
        _mm256_packus_epi16(_mm256_and_si256(a, low_byte), _mm256_and_si256(b, low_byte));
    const __m256i high = _mm256_packus_epi16(_mm256_srli_epi16(a, 8), _mm256_srli_epi16(b, 8));
    Store(out + i, SwapMiddle(low));
    Store(out + n + i, SwapMiddle(high));
  }
  return i;
}

VARVE_AVX2 size_t Merge2(const std::byte* const* planes, size_t n, bool rotate, std::byte* out) {
  size_t i = 0;
  for (; n - i >= kElementsPerGroup; i += kElementsPerGroup) {
    const __m256i low = SwapMiddle(Load(planes[0] + i)), high = SwapMiddle(Load(planes[1] + i));
    __m256i a = _mm256_unpacklo_epi8(low, high), b = _mm256_unpackhi_epi8(low, high);
    if (rotate) a = Right16(a), b = Right16(b);
    Store(out + 2 * i, a);
    Store(out + 2 * i + 32, b);
  }
  return i;
}

// words[j] holds elements 8j to 8j + 7; out[k] receives byte k of all 32.
VARVE_AVX2_INLINE void TransposeWords(const __m256i words[4], __m256i out[4]) {
  const __m256i by_byte = _mm256_setr_epi8(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15,  //
                                           0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
  const __m256i join_halves = _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7);
  __m256i v[4];
  for (int j = 0; j < 4; ++j) {
    v[j] = _mm256_permutevar8x32_epi32(_mm256_shuffle_epi8(words[j], by_byte), join_halves);
  }
  const __m256i even_a = _mm256_unpacklo_epi64(v[0], v[1]);
  const __m256i even_b = _mm256_unpacklo_epi64(v[2], v[3]);
  const __m256i odd_a = _mm256_unpackhi_epi64(v[0], v[1]);
  const __m256i odd_b = _mm256_unpackhi_epi64(v[2], v[3]);
  out[0] = _mm256_permute2x128_si256(even_a, even_b, 0x20);
  out[1] = _mm256_permute2x128_si256(odd_a, odd_b, 0x20);
  out[2] = _mm256_permute2x128_si256(even_a, even_b, 0x31);
  out[3] = _mm256_permute2x128_si256(odd_a, odd_b, 0x31);
}

// The inverse: words[j] receives elements 8j to 8j + 7.
VARVE_AVX2_INLINE void JoinWords(const std::byte* const* planes, size_t at, __m256i words[4]) {
  const __m256i a = SwapMiddle(Load(planes[0] + at)), b = SwapMiddle(Load(planes[1] + at));
  const __m256i c = SwapMiddle(Load(planes[2] + at)), d = SwapMiddle(Load(planes[3] + at));
  for (int half = 0; half < 2; ++half) {
    const __m256i ab = half == 0 ? _mm256_unpacklo_epi8(a, b) : _mm256_unpackhi_epi8(a, b);
    const __m256i cd = half == 0 ? _mm256_unpacklo_epi8(c, d) : _mm256_unpackhi_epi8(c, d);
    const __m256i low = _mm256_unpacklo_epi16(ab, cd), high = _mm256_unpackhi_epi16(ab, cd);
    words[2 * half] = _mm256_permute2x128_si256(low, high, 0x20);
    words[2 * half + 1] = _mm256_permute2x128_si256(low, high, 0x31);
  }
}

VARVE_AVX2 size_t Split4(const std::byte* in, size_t n, bool rotate, std::byte* out) {
  size_t i = 0;
  for (; n - i >= kElementsPerGroup; i += kElementsPerGroup) {
    __m256i words[4], planes[4];
    for (size_t j = 0; j < 4; ++j) {
      words[j] = Load(in + 4 * i + 32 * j);
      if (rotate) words[j] = Left32(words[j]);
    }
    TransposeWords(words, planes);
    for (size_t k = 0; k < 4; ++k) Store(out + k * n + i, planes[k]);
  }
  return i;
}

VARVE_AVX2 size_t Merge4(const std::byte* const* planes, size_t n, bool rotate, std::byte* out) {
  size_t i = 0;
  for (; n - i >= kElementsPerGroup; i += kElementsPerGroup) {
    __m256i words[4];
    JoinWords(planes, i, words);
    for (size_t j = 0; j < 4; ++j) {
      Store(out + 4 * i + 32 * j, rotate ? Right32(words[j]) : words[j]);
    }
  }
  return i;
}

// Eight bytes are two halves of four, each handled as above.
VARVE_AVX2 size_t Split8(const std::byte* in, size_t n, bool rotate, std::byte* out) {
  size_t i = 0;
  for (; n - i >= kElementsPerGroup; i += kElementsPerGroup) {
    __m256i low[4], high[4], planes[8];
    for (size_t j = 0; j < 4; ++j) {
      __m256i a = Load(in + 8 * i + 64 * j), b = Load(in + 8 * i + 64 * j + 32);
      if (rotate) a = Left64(a), b = Left64(b);
      const __m256 a_words = _mm256_castsi256_ps(a), b_words = _mm256_castsi256_ps(b);
      low[j] = SwapMiddle(_mm256_castps_si256(_mm256_shuffle_ps(a_words, b_words, 0x88)));
      high[j] = SwapMiddle(_mm256_castps_si256(_mm256_shuffle_ps(a_words, b_words, 0xDD)));
    }
    TransposeWords(low, planes);
    TransposeWords(high, planes + 4);
    for (size_t k = 0; k < 8; ++k) Store(out + k * n + i, planes[k]);
  }
  return i;
}

VARVE_AVX2 size_t Merge8(const std::byte* const* planes, size_t n, bool rotate, std::byte* out) {
  size_t i = 0;
  for (; n - i >= kElementsPerGroup; i += kElementsPerGroup) {
    __m256i low[4], high[4];
    JoinWords(planes, i, low);
    JoinWords(planes + 4, i, high);
    for (size_t j = 0; j < 4; ++j) {
      const __m256i lows = SwapMiddle(low[j]), highs = SwapMiddle(high[j]);
      __m256i a = _mm256_unpacklo_epi32(lows, highs), b = _mm256_unpackhi_epi32(lows, highs);
      if (rotate) a = Right64(a), b = Right64(b);
      Store(out + 8 * i + 64 * j, a);
      Store(out + 8 * i + 64 * j + 32, b);
    }
  }
  return i;
}

}  // namespace

bool HasAvx2() {
  static const bool has = __builtin_cpu_supports("avx2") != 0;
  return has;
}

size_t SplitAvx2(const std::byte* in, size_t n, size_t element_bytes, bool rotate, std::byte* out) {
  if (element_bytes == 2) return Split2(in, n, rotate, out);
  if (element_bytes == 4) return Split4(in, n, rotate, out);
  return Split8(in, n, rotate, out);
}

size_t MergeAvx2(const std::byte* const* planes, size_t n, size_t element_bytes, bool rotate,
                 std::byte* out) {
  if (element_bytes == 2) return Merge2(planes, n, rotate, out);
  if (element_bytes == 4) return Merge4(planes, n, rotate, out);
  return Merge8(planes, n, rotate, out);
}

}  // namespace varve::codec
#endif
