#include "varve/codec/planes.h"

#include <bit>
#include <cstring>

#include "varve/codec/planes_avx2.h"

namespace varve::codec {
namespace {

template <typename Word>
void Split(ByteView raw, bool rotate, size_t first, std::byte* planes) {
  const size_t n = raw.size() / sizeof(Word);
  for (size_t i = first; i < n; ++i) {
    Word word = 0;
    std::memcpy(&word, raw.data() + i * sizeof word, sizeof word);
    if (rotate) word = std::rotl(word, 1);
    for (size_t k = 0; k < sizeof word; ++k)
      planes[k * n + i] = static_cast<std::byte>(word >> (8 * k));
  }
}

template <typename Word>
void Merge(const std::byte* const* planes, bool rotate, size_t first, MutableByteView raw) {
  const size_t n = raw.size() / sizeof(Word);
  for (size_t i = first; i < n; ++i) {
    uint64_t wide = 0;
    for (size_t k = 0; k < sizeof(Word); ++k)
      wide |= static_cast<uint64_t>(planes[k][i]) << (8 * k);
    auto word = static_cast<Word>(wide);
    if (rotate) word = std::rotr(word, 1);
    std::memcpy(raw.data() + i * sizeof word, &word, sizeof word);
  }
}

}  // namespace

void SplitPlanesPortable(ByteView raw, uint32_t element_bytes, bool rotate, size_t first,
                         std::byte* planes) {
  if (element_bytes == 2) Split<uint16_t>(raw, rotate, first, planes);
  if (element_bytes == 4) Split<uint32_t>(raw, rotate, first, planes);
  if (element_bytes == 8) Split<uint64_t>(raw, rotate, first, planes);
}

void MergePlanesPortable(const std::byte* const planes[kPlanesMax], uint32_t element_bytes,
                         bool rotate, size_t first, MutableByteView raw) {
  if (element_bytes == 2) Merge<uint16_t>(planes, rotate, first, raw);
  if (element_bytes == 4) Merge<uint32_t>(planes, rotate, first, raw);
  if (element_bytes == 8) Merge<uint64_t>(planes, rotate, first, raw);
}

void SplitPlanes(ByteView raw, uint32_t element_bytes, bool rotate, std::byte* planes) {
  if (element_bytes == 1) {
    if (!raw.empty()) std::memcpy(planes, raw.data(), raw.size());
    return;
  }
  size_t first = 0;
#if defined(__x86_64__)
  if (HasAvx2()) {
    first = SplitAvx2(raw.data(), raw.size() / element_bytes, element_bytes, rotate, planes);
  }
#endif
  SplitPlanesPortable(raw, element_bytes, rotate, first, planes);
}

void MergePlanes(const std::byte* const planes[kPlanesMax], uint32_t element_bytes, bool rotate,
                 MutableByteView raw) {
  if (element_bytes == 1) {
    if (!raw.empty()) std::memcpy(raw.data(), planes[0], raw.size());
    return;
  }
  size_t first = 0;
#if defined(__x86_64__)
  if (HasAvx2()) {
    first = MergeAvx2(planes, raw.size() / element_bytes, element_bytes, rotate, raw.data());
  }
#endif
  MergePlanesPortable(planes, element_bytes, rotate, first, raw);
}

}  // namespace varve::codec
