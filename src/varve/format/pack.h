// A pack: many chunks in one immutable object, self-describing, so that packs alone can rebuild an
// index of everything they hold.
//
// Layout: for each chunk a frame header (magic, digest, raw and payload bytes, codec, CRC-32C of
// the header) and the payload; at the end a footer index of the same facts. A chunk table points at
// payloads, so readers of known chunks need neither. Pure.
#pragma once

#include <cstdint>
#include <vector>

#include "varve/base/bytes.h"
#include "varve/codec/codec.h"
#include "varve/hash/hash.h"
#include "varve/result.h"

namespace varve::format {

inline constexpr uint64_t kPackHeaderBytes = 16;       // At the start of the object.
inline constexpr uint64_t kPackFrameHeaderBytes = 64;  // Before each payload.
inline constexpr uint64_t kPackBytesMax = 512 * kMiB;

struct PackEntry {
  hash::Digest digest;
  uint64_t offset = 0;  // Of the payload in the object.
  uint32_t payload_bytes = 0;
  uint32_t raw_bytes = 0;
  codec::CodecId codec = codec::CodecId::kRaw;
  friend bool operator==(const PackEntry&, const PackEntry&) = default;
};

// Fills the fixed-size headers in place; the caller owns the buffer and puts the payload itself, so
// that an encoder can write straight into the pack.
void WritePackHeader(MutableByteView out);                               // kPackHeaderBytes
void WritePackFrameHeader(const PackEntry& entry, MutableByteView out);  // kPackFrameHeaderBytes
uint64_t PackFooterBytesMax(uint64_t entries);
Bytes EncodePackFooter(const std::vector<PackEntry>& entries);

// Reads the footer from a suffix of the object (`suffix` ends where the object of object_bytes
// does). When the suffix is too short the reply says how many bytes to ask for.
struct PackIndex {
  std::vector<PackEntry> entries;
  uint64_t suffix_bytes_needed = 0;  // > 0: call again with a suffix of this length.
};
Result<PackIndex> DecodePackIndex(ByteView suffix, uint64_t object_bytes);

// Walks the frame headers of a whole object, for when the footer is damaged; gives every frame
// whose header is sound.
Result<std::vector<PackEntry>> ScanPack(ByteView object);

}  // namespace varve::format
