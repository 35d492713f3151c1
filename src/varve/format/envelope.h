// The container of every immutable binary object: typed, versioned, checked, readable from its end.
//
// Layout (docs/format.md, Envelope): head magic, sections one after another, a footer with the
// section table, CRC-32C and its own length, so that one suffix GET of a small object gets it all
// and of a large one gets the footer. Each section has its own codec (none or zstd), a CRC-32C of
// its stored bytes and the BLAKE3 of its raw ones. Decoders treat every byte as hostile: counts,
// lengths and decoded sizes are checked before allocation (kSectionRawBytesMax, kSectionsMax, zstd
// ratio and window limits). Pure.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "varve/base/bytes.h"
#include "varve/hash/hash.h"
#include "varve/result.h"

namespace varve::format {

enum class ObjectType : uint16_t {  // Append-only.
  kCommit = 1,
  kHistory = 2,
  kGcList = 3,
  kPack = 4,
  kPart = 5,
};

inline constexpr uint64_t kSectionRawBytesMax = 1 * kGiB;
inline constexpr uint64_t kEnvelopeRawBytesMax = 4 * kGiB;  // All sections of one object.
inline constexpr uint32_t kSectionsMax = 64;
inline constexpr uint16_t kFormatVersion = 1;

// Four letters, as a number: Tag("TREE").
constexpr uint32_t Tag(const char (&letters)[5]) {
  return static_cast<uint32_t>(static_cast<unsigned char>(letters[0])) |
         static_cast<uint32_t>(static_cast<unsigned char>(letters[1])) << 8 |
         static_cast<uint32_t>(static_cast<unsigned char>(letters[2])) << 16 |
         static_cast<uint32_t>(static_cast<unsigned char>(letters[3])) << 24;
}

struct Section {
  uint32_t tag = 0;
  Bytes raw;             // Decoded.
  bool compress = true;  // Encoder's wish; stored plain when that is not shorter.
};

struct Envelope {
  ObjectType type = ObjectType::kCommit;
  // The oldest format version whose reader, writer, collector may touch the object.
  uint16_t min_reader = 1, min_writer = 1, min_gc = 1;
  std::vector<Section> sections;

  const Section* Find(uint32_t tag) const;  // Null when absent. Unknown sections are ignored.
};

Result<Bytes> EncodeEnvelope(const Envelope& envelope);
// Errors: kCorrupt with the offset; kUnsupported when min_reader is newer than this build.
Result<Envelope> DecodeEnvelope(ByteView object);

// One section of an object of this type, from its last bytes (`suffix` ends where the object of
// object_bytes does); the others are neither decoded nor checked.
struct SectionReply {
  Bytes raw;
  uint16_t min_gc = 1;               // The oldest format version whose collector may judge it.
  uint64_t suffix_bytes_needed = 0;  // > 0: call again with a suffix of this length.
};
Result<SectionReply> DecodeSection(ByteView suffix, uint64_t object_bytes, ObjectType type,
                                   uint32_t tag);

}  // namespace varve::format
