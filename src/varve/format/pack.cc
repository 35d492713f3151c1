#include "varve/format/pack.h"

#include <algorithm>
#include <optional>

#include "varve/format/wire.h"

namespace varve::format {
namespace {

constexpr std::string_view kPackMagic("VRVPACK1", 8);
constexpr std::string_view kFrameMagic("VRVC", 4);
constexpr std::string_view kFooterMagic("VRVPEND1", 8);
constexpr size_t kEntryBytes = 32 + 8 + 4 + 4 + 4;
constexpr size_t kTrailerBytes = 8 + 4 + 8 + 8;  // Count, CRC-32C, footer length, magic.

Error Damaged(const std::string& what) {
  return Error(ErrorCode::kCorrupt, "pack is damaged: " + what);
}

bool Plausible(const PackEntry& entry, uint64_t end) {
  return entry.offset >= kPackHeaderBytes + kPackFrameHeaderBytes && entry.offset <= end &&
         entry.payload_bytes <= end - entry.offset && entry.raw_bytes <= codec::kChunkRawBytesMax;
}

// The frame whose header starts at `at`, if a sound one does.
std::optional<PackEntry> FrameAt(ByteView object, uint64_t at) {
  const ByteView header = object.subspan(at, kPackFrameHeaderBytes);
  Reader reader(header);
  if (AsText(reader.Raw(kFrameMagic.size())) != kFrameMagic) return std::nullopt;
  PackEntry entry;
  const ByteView digest = reader.Raw(entry.digest.bytes.size());
  std::copy(digest.begin(), digest.end(), entry.digest.bytes.begin());
  entry.raw_bytes = reader.U32();
  entry.payload_bytes = reader.U32();
  const uint32_t codec = reader.U32();
  entry.codec = static_cast<codec::CodecId>(codec);
  entry.offset = reader.U64();
  reader.U32();  // Zero; a later format may use it.
  const uint32_t crc = reader.U32();
  const bool sound = hash::Crc32c(header.first(kPackFrameHeaderBytes - 4)) == crc && codec <= 255 &&
                     entry.offset == at + kPackFrameHeaderBytes && Plausible(entry, object.size());
  return sound ? std::optional(entry) : std::nullopt;
}

}  // namespace

void WritePackHeader(MutableByteView out) {
  Writer writer;
  writer.Raw(AsBytes(kPackMagic));
  writer.U64(1);
  std::copy(writer.view().begin(), writer.view().end(), out.begin());
}

void WritePackFrameHeader(const PackEntry& entry, MutableByteView out) {
  Writer writer;
  writer.Raw(AsBytes(kFrameMagic));
  writer.Raw(entry.digest.bytes);
  writer.U32(entry.raw_bytes);
  writer.U32(entry.payload_bytes);
  writer.U32(static_cast<uint32_t>(entry.codec));
  writer.U64(entry.offset);
  writer.U32(0);
  writer.U32(hash::Crc32c(writer.view()));
  std::copy(writer.view().begin(), writer.view().end(), out.begin());
}

uint64_t PackFooterBytesMax(uint64_t entries) { return entries * kEntryBytes + kTrailerBytes; }

Bytes EncodePackFooter(const std::vector<PackEntry>& entries) {
  Writer writer;
  for (const PackEntry& entry : entries) {
    writer.Raw(entry.digest.bytes);
    writer.U64(entry.offset);
    writer.U32(entry.payload_bytes);
    writer.U32(entry.raw_bytes);
    writer.U32(static_cast<uint32_t>(entry.codec));
  }
  writer.U64(entries.size());
  writer.U32(hash::Crc32c(writer.view()));
  writer.U64(PackFooterBytesMax(entries.size()));
  writer.Raw(AsBytes(kFooterMagic));
  return writer.Take();
}

Result<PackIndex> DecodePackIndex(ByteView suffix, uint64_t object_bytes) {
  if (suffix.size() > object_bytes) return Damaged("it is shorter than what was read of it");
  if (suffix.size() < kTrailerBytes) {
    if (suffix.size() == object_bytes) return Damaged("it is too short");
    return PackIndex{{}, kTrailerBytes};
  }
  Reader trailer(suffix.last(kTrailerBytes));
  const uint64_t count = trailer.U64();
  const uint32_t crc = trailer.U32();
  const uint64_t footer_bytes = trailer.U64();
  if (AsText(trailer.Raw(8)) != kFooterMagic) return Damaged("its last bytes are wrong");
  if (count > object_bytes / kEntryBytes || footer_bytes != PackFooterBytesMax(count) ||
      footer_bytes > object_bytes) {
    return Damaged("its footer has an impossible length");
  }
  if (footer_bytes > suffix.size()) return PackIndex{{}, footer_bytes};
  const ByteView footer = suffix.last(footer_bytes);
  if (hash::Crc32c(footer.first(count * kEntryBytes + 8)) != crc) {
    return Damaged("its footer fails its checksum");
  }
  Reader reader(footer);
  PackIndex index;
  for (uint64_t i = 0; i < count; ++i) {
    PackEntry entry;
    const ByteView digest = reader.Raw(32);
    std::copy(digest.begin(), digest.end(), entry.digest.bytes.begin());
    entry.offset = reader.U64();
    entry.payload_bytes = reader.U32();
    entry.raw_bytes = reader.U32();
    const uint32_t codec = reader.U32();
    entry.codec = static_cast<codec::CodecId>(codec);
    if (codec > 255 || !Plausible(entry, object_bytes - footer_bytes)) {
      return Damaged("an entry lies outside of it");
    }
    index.entries.push_back(entry);
  }
  return index;
}

Result<std::vector<PackEntry>> ScanPack(ByteView object) {
  if (object.size() < kPackHeaderBytes || AsText(object.first(8)) != kPackMagic) {
    return Damaged("its first bytes are wrong");
  }
  std::vector<PackEntry> entries;
  uint64_t at = kPackHeaderBytes;
  while (object.size() - at >= kPackFrameHeaderBytes) {
    const auto entry = FrameAt(object, at);
    if (entry.has_value()) {
      entries.push_back(*entry);
      at = entry->offset + entry->payload_bytes;
    } else {
      // A damaged header hides only its own frame: the next sound one is looked for. A frame states
      // its own place, so a pack stored inside a payload is not mistaken for frames of this one.
      const std::string_view rest = AsText(object.subspan(at + 1));
      const size_t next = rest.find(kFrameMagic);
      if (next == std::string_view::npos) break;
      at += 1 + next;
    }
  }
  return entries;
}

}  // namespace varve::format
