// Turns the raw bytes of one chunk into its stored payload and back, without loss.
//
// A chunk is cut into frames of kFrameElements elements (of kOpaqueFrameBytes for bytes of unknown
// meaning), each decodable alone, so that a slice can be read without the rest. The payload opens
// with a frame table; docs/format-codec.md gives the bytes.
// Invariants: Decode(Encode(x)) == x for every x; a payload is never longer than
// PayloadBytesMax(raw bytes); decoding never reads or writes outside the views it was given and
// checks every length before it allocates, since stored bytes are hostile.
// Threads: reentrant; no state is shared. Pure: no I/O, clock or randomness.
#pragma once

#include <cstdint>

#include "varve/base/bytes.h"
#include "varve/codec/dtype.h"
#include "varve/hash/hash.h"
#include "varve/result.h"

namespace varve::codec {

// Numbers are in the format and append-only.
enum class CodecId : uint8_t {
  kRaw = 0,     // The bytes themselves; no frame table.
  kPlanes = 1,  // Byte planes per frame, each constant, raw or entropy coded.
  kZstd = 2,    // zstd per frame, for bytes of unknown meaning.
};

inline constexpr uint32_t kFrameElements = 128 * 1024;
inline constexpr uint32_t kOpaqueFrameBytes = 256 * 1024;
inline constexpr uint64_t kChunkRawBytesMax = 16 * kMiB;  // A decoder refuses more.

// What the encoder is asked for. kFast and stronger levels pick a codec per chunk from a sample of
// at most 4 KiB per plane; kNone always stores raw.
enum class Effort : uint8_t { kNone = 0, kDefault = 1 };

// The meaning of the bytes, so far as the codec cares.
struct ElementKind {
  bool is_tensor = false;  // false: opaque bytes (files); dtype is ignored.
  DType dtype = DType::kU8;
};

struct Encoded {
  CodecId codec = CodecId::kRaw;
  uint64_t payload_bytes = 0;
};

uint64_t PayloadBytesMax(uint64_t raw_bytes);  // == raw_bytes: what does not shrink is stored raw.

// Writes the payload of `raw` to the front of `out`, which holds at least
// PayloadBytesMax(raw.size()) bytes. Cannot fail.
// Requires raw.size() <= kChunkRawBytesMax and a whole number of elements.
Encoded EncodeChunk(ByteView raw, ElementKind kind, Effort effort, MutableByteView out);

// Fills `raw` (its size is the raw length that the chunk table states) from `payload`.
// Errors: kCorrupt with the offset when the payload cannot be what EncodeChunk wrote;
//         kUnsupported for a codec number this build does not know.
Status DecodeChunk(CodecId codec, ByteView payload, MutableByteView raw);

// The digest of what DecodeChunk would give for a chunk of `raw_bytes`, from one frame at a time:
// it needs no memory for the chunk, and reads what an encoder left in the cache. Errors: the same.
Result<hash::Digest> DigestOfDecoded(CodecId codec, ByteView payload, uint64_t raw_bytes);

}  // namespace varve::codec
