// zstd as the codec uses it: as a plain Huffman coder of one plane, and as a general compressor.
// Private to codec/. Threads: contexts are per thread. Any zstd decodes both.
#pragma once

#include "varve/base/bytes.h"

namespace varve::codec {

// Both return the length written to the front of `out`, or 0 when the result is not shorter than
// `in` or does not fit.
size_t HuffmanEncode(ByteView in, MutableByteView out);
size_t ZstdEncode(ByteView in, MutableByteView out);
// True when `in` decodes to exactly out.size() bytes.
bool ZstdDecode(ByteView in, MutableByteView out);

// Estimated bits per byte of `sample`, order 0. Requires at most kSampleBytesMax bytes.
inline constexpr size_t kSampleBytesMax = 4096;
double EntropyBits(ByteView sample);

}  // namespace varve::codec
