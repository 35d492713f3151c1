#include "varve/codec/entropy.h"

#define ZSTD_STATIC_LINKING_ONLY
#include <zstd.h>

#include <algorithm>
#include <array>
#include <cassert>
#include <cmath>
#include <memory>

namespace varve::codec {
namespace {

constexpr int kGeneralLevel = 1;
constexpr int kWindowLogMax = 27;  // 128 MiB: what a hostile frame may make a decoder allocate.

struct FreeContext {
  void operator()(ZSTD_CCtx* context) const { ZSTD_freeCCtx(context); }
  void operator()(ZSTD_DCtx* context) const { ZSTD_freeDCtx(context); }
};
using Compressor = std::unique_ptr<ZSTD_CCtx, FreeContext>;

void SetCommon(ZSTD_CCtx* context) {
  ZSTD_CCtx_setParameter(context, ZSTD_c_format, ZSTD_f_zstd1_magicless);
  ZSTD_CCtx_setParameter(context, ZSTD_c_contentSizeFlag, 0);
  ZSTD_CCtx_setParameter(context, ZSTD_c_checksumFlag, 0);
}

// With a step this long and a table this small the match finder never runs, which leaves Huffman
// coding of literals in blocks of 128 KiB.
Compressor MakeHuffman() {
  Compressor context(ZSTD_createCCtx());
  SetCommon(context.get());
  ZSTD_CCtx_setParameter(context.get(), ZSTD_c_compressionLevel, 1);
  ZSTD_CCtx_setParameter(context.get(), ZSTD_c_strategy, ZSTD_fast);
  ZSTD_CCtx_setParameter(context.get(), ZSTD_c_targetLength, 131'072);
  ZSTD_CCtx_setParameter(context.get(), ZSTD_c_hashLog, 7);
  ZSTD_CCtx_setParameter(context.get(), ZSTD_c_literalCompressionMode, ZSTD_ps_enable);
  return context;
}

Compressor MakeGeneral() {
  Compressor context(ZSTD_createCCtx());
  SetCommon(context.get());
  ZSTD_CCtx_setParameter(context.get(), ZSTD_c_compressionLevel, kGeneralLevel);
  return context;
}

size_t Encode(ZSTD_CCtx* context, ByteView in, MutableByteView out) {
  if (in.empty()) return 0;
  const size_t room = std::min(out.size(), in.size() - 1);
  const size_t length = ZSTD_compress2(context, out.data(), room, in.data(), in.size());
  return ZSTD_isError(length) != 0 ? 0 : length;
}

}  // namespace

size_t HuffmanEncode(ByteView in, MutableByteView out) {
  thread_local const Compressor context = MakeHuffman();
  return Encode(context.get(), in, out);
}

size_t ZstdEncode(ByteView in, MutableByteView out) {
  thread_local const Compressor context = MakeGeneral();
  return Encode(context.get(), in, out);
}

bool ZstdDecode(ByteView in, MutableByteView out) {
  thread_local const std::unique_ptr<ZSTD_DCtx, FreeContext> context = [] {
    std::unique_ptr<ZSTD_DCtx, FreeContext> made(ZSTD_createDCtx());
    ZSTD_DCtx_setParameter(made.get(), ZSTD_d_format, ZSTD_f_zstd1_magicless);
    ZSTD_DCtx_setParameter(made.get(), ZSTD_d_windowLogMax, kWindowLogMax);
    return made;
  }();
  const size_t length =
      ZSTD_decompressDCtx(context.get(), out.data(), out.size(), in.data(), in.size());
  return ZSTD_isError(length) == 0 && length == out.size();
}

double EntropyBits(ByteView sample) {
  // bits = log2(n) - sum(c * log2(c)) / n. One plane per frame is sampled, so logarithms are kept.
  static const std::array<float, kSampleBytesMax + 1> weights = [] {
    std::array<float, kSampleBytesMax + 1> made{};
    for (size_t c = 2; c < made.size(); ++c) {
      made[c] = static_cast<float>(static_cast<double>(c) * std::log2(static_cast<double>(c)));
    }
    return made;
  }();
  if (sample.empty()) return 0;
  assert(sample.size() <= kSampleBytesMax);
  std::array<std::array<uint16_t, 256>, 2> counts{};  // Two, so that equal neighbours do not wait.
  const size_t even = sample.size() & ~size_t{1};
  for (size_t i = 0; i < even; i += 2) {
    ++counts[0][static_cast<size_t>(sample[i])];
    ++counts[1][static_cast<size_t>(sample[i + 1])];
  }
  if (even != sample.size()) ++counts[0][static_cast<size_t>(sample[even])];
  double sum = 0;
  for (size_t i = 0; i < 256; ++i) sum += weights[size_t{counts[0][i]} + counts[1][i]];
  const double total = static_cast<double>(sample.size());
  return std::log2(total) - sum / total;
}

}  // namespace varve::codec
