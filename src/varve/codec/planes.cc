// The loops are written so that the compiler vectorises them; target_clones gives each processor
// generation its own version, chosen when the program is loaded.
#include "varve/codec/planes.h"

#include <algorithm>
#include <bit>
#include <cstring>

#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) && \
    !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
#define VARVE_CLONES \
  __attribute__((target_clones("default", "arch=x86-64-v3", "arch=x86-64-v4"), optimize("O3")))
#else
#define VARVE_CLONES
#endif

namespace varve::codec {
namespace {

constexpr size_t kBlock = 4096;  // Elements handled at once, so that planes stay in cache.

VARVE_CLONES void Split2(const uint16_t* in, size_t n, bool rotate, uint8_t* low, uint8_t* high) {
  if (rotate) {
    for (size_t i = 0; i < n; ++i) {
      const auto word = static_cast<uint16_t>((in[i] << 1) | (in[i] >> 15));
      low[i] = static_cast<uint8_t>(word);
      high[i] = static_cast<uint8_t>(word >> 8);
    }
  } else {
    for (size_t i = 0; i < n; ++i) {
      low[i] = static_cast<uint8_t>(in[i]);
      high[i] = static_cast<uint8_t>(in[i] >> 8);
    }
  }
}

VARVE_CLONES void Split4(const uint32_t* in, size_t n, bool rotate, uint8_t* a, uint8_t* b,
                         uint8_t* c, uint8_t* d) {
  const uint32_t left = rotate ? 1 : 0, right = rotate ? 31 : 0;
  const uint32_t keep = rotate ? ~uint32_t{0} : 0;
  for (size_t i = 0; i < n; ++i) {
    const uint32_t word = (in[i] << left) | ((in[i] >> right) & keep);
    a[i] = static_cast<uint8_t>(word);
    b[i] = static_cast<uint8_t>(word >> 8);
    c[i] = static_cast<uint8_t>(word >> 16);
    d[i] = static_cast<uint8_t>(word >> 24);
  }
}

VARVE_CLONES void Merge2(const uint8_t* low, const uint8_t* high, size_t n, bool rotate,
                         uint16_t* out) {
  if (rotate) {
    for (size_t i = 0; i < n; ++i) {
      const auto word = static_cast<uint16_t>(low[i] | (high[i] << 8));
      out[i] = static_cast<uint16_t>((word >> 1) | (word << 15));
    }
  } else {
    for (size_t i = 0; i < n; ++i) out[i] = static_cast<uint16_t>(low[i] | (high[i] << 8));
  }
}

VARVE_CLONES void Merge4(const uint8_t* a, const uint8_t* b, const uint8_t* c, const uint8_t* d,
                         size_t n, bool rotate, uint32_t* out) {
  const uint32_t right = rotate ? 1 : 0, left = rotate ? 31 : 0;
  const uint32_t keep = rotate ? ~uint32_t{0} : 0;
  for (size_t i = 0; i < n; ++i) {
    const uint32_t word = static_cast<uint32_t>(a[i]) | static_cast<uint32_t>(b[i]) << 8 |
                          static_cast<uint32_t>(c[i]) << 16 | static_cast<uint32_t>(d[i]) << 24;
    out[i] = (word >> right) | ((word << left) & keep);
  }
}

uint64_t LoadElement(const std::byte* at) {
  uint64_t word = 0;
  std::memcpy(&word, at, 8);
  return word;
}

}  // namespace

void SplitPlanes(ByteView raw, uint32_t element_bytes, bool rotate, std::byte* planes) {
  const size_t n = raw.size() / element_bytes;
  auto* out = reinterpret_cast<uint8_t*>(planes);
  if (element_bytes == 1) {
    std::memcpy(planes, raw.data(), raw.size());
    return;
  }
  if (element_bytes == 8) {
    for (size_t i = 0; i < n; ++i) {
      uint64_t word = LoadElement(raw.data() + 8 * i);
      if (rotate) word = std::rotl(word, 1);
      for (size_t k = 0; k < 8; ++k) out[k * n + i] = static_cast<uint8_t>(word >> (8 * k));
    }
    return;
  }
  // A tensor's view may start at any byte, so blocks go through aligned words.
  alignas(64) uint32_t words[kBlock];
  for (size_t at = 0; at < n; at += kBlock) {
    const size_t count = std::min(kBlock, n - at);
    std::memcpy(words, raw.data() + at * element_bytes, count * element_bytes);
    if (element_bytes == 2) {
      Split2(reinterpret_cast<const uint16_t*>(words), count, rotate, out + at, out + n + at);
    } else {
      Split4(words, count, rotate, out + at, out + n + at, out + 2 * n + at, out + 3 * n + at);
    }
  }
}

void MergePlanes(const std::byte* const planes[8], uint32_t element_bytes, bool rotate,
                 MutableByteView raw) {
  const size_t n = raw.size() / element_bytes;
  const auto plane = [&](size_t k) { return reinterpret_cast<const uint8_t*>(planes[k]); };
  if (element_bytes == 1) {
    std::memcpy(raw.data(), planes[0], raw.size());
    return;
  }
  if (element_bytes == 8) {
    for (size_t i = 0; i < n; ++i) {
      uint64_t word = 0;
      for (size_t k = 0; k < 8; ++k) word |= static_cast<uint64_t>(plane(k)[i]) << (8 * k);
      if (rotate) word = std::rotr(word, 1);
      std::memcpy(raw.data() + 8 * i, &word, 8);
    }
    return;
  }
  alignas(64) uint32_t words[kBlock];
  for (size_t at = 0; at < n; at += kBlock) {
    const size_t count = std::min(kBlock, n - at);
    if (element_bytes == 2) {
      Merge2(plane(0) + at, plane(1) + at, count, rotate, reinterpret_cast<uint16_t*>(words));
    } else {
      Merge4(plane(0) + at, plane(1) + at, plane(2) + at, plane(3) + at, count, rotate, words);
    }
    std::memcpy(raw.data() + at * element_bytes, words, count * element_bytes);
  }
}

}  // namespace varve::codec
