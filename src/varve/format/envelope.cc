#include "varve/format/envelope.h"

#define ZSTD_STATIC_LINKING_ONLY
#include <zstd.h>

#include <algorithm>
#include <memory>

#include "varve/format/wire.h"

namespace varve::format {
namespace {

constexpr std::string_view kHeadMagic("\x89VARVE\r\n", 8);
constexpr std::string_view kFootMagic("EVRAVEND", 8);
constexpr int kLevel = 3;
constexpr int kWindowLogMax = 27;
constexpr size_t kRowBytes = 4 + 1 + 8 + 8 + 8 + 4 + 32;
constexpr size_t kFixedFooterBytes = 2 + 2 + 2 + 2 + 2 + 2;  // Versions, type, section count.
constexpr size_t kTrailerBytes = 4 + 8 + 8;                  // CRC-32C, footer length, magic.
constexpr uint64_t kRatioMax = 50'000;                       // zstd reaches 32,768.

enum class SectionCodec : uint8_t { kPlain = 0, kZstd = 1 };

Error Damaged(const std::string& what, uint64_t offset) {
  return Error(ErrorCode::kCorrupt,
               "object is damaged: " + what + ". offset=" + std::to_string(offset));
}

// Kept per thread: making one costs more than a small section does.
struct FreeContext {
  void operator()(ZSTD_CCtx* context) const { ZSTD_freeCCtx(context); }
  void operator()(ZSTD_DCtx* context) const { ZSTD_freeDCtx(context); }
};

Bytes Compress(ByteView raw) {
  thread_local const std::unique_ptr<ZSTD_CCtx, FreeContext> context(ZSTD_createCCtx());
  if (context == nullptr) return {};
  Bytes out(ZSTD_compressBound(raw.size()));
  const size_t length =
      ZSTD_compressCCtx(context.get(), out.data(), out.size(), raw.data(), raw.size(), kLevel);
  if (ZSTD_isError(length) != 0) return {};
  out.resize(length);
  return out;
}

bool Decompress(ByteView stored, MutableByteView raw) {
  thread_local const std::unique_ptr<ZSTD_DCtx, FreeContext> context(ZSTD_createDCtx());
  if (context == nullptr) return false;
  ZSTD_DCtx_setParameter(context.get(), ZSTD_d_windowLogMax, kWindowLogMax);
  const size_t length =
      ZSTD_decompressDCtx(context.get(), raw.data(), raw.size(), stored.data(), stored.size());
  return ZSTD_isError(length) == 0 && length == raw.size();
}

struct Row {
  uint32_t tag = 0;
  SectionCodec codec = SectionCodec::kPlain;
  uint64_t offset = 0, stored_bytes = 0, raw_bytes = 0;
  uint32_t crc = 0;
  hash::Digest digest;
};
struct Footer {
  Envelope envelope;  // Without sections.
  std::vector<Row> rows;
  uint64_t suffix_bytes_needed = 0;  // > 0: nothing else is set; ask for so many bytes.
};

Result<Row> ReadRow(Reader& reader, uint64_t next, uint64_t footer_at) {
  Row row;
  row.tag = reader.U32();
  const uint8_t codec = reader.U8();
  row.offset = reader.U64();
  row.stored_bytes = reader.U64();
  row.raw_bytes = reader.U64();
  row.crc = reader.U32();
  const ByteView digest = reader.Raw(row.digest.bytes.size());
  // Sections follow one another without a hole, so no byte of the object goes unchecked.
  const bool placed =
      !reader.failed() && row.offset == next && row.stored_bytes <= footer_at - next;
  const bool plain = codec == 0 && row.stored_bytes == row.raw_bytes;
  const bool packed = codec == 1 && row.raw_bytes / kRatioMax <= row.stored_bytes;
  if (!placed || (!plain && !packed) || row.raw_bytes > kSectionRawBytesMax) {
    return Damaged("a section has an impossible place or length", footer_at);
  }
  row.codec = static_cast<SectionCodec>(codec);
  std::copy(digest.begin(), digest.end(), row.digest.bytes.begin());
  return row;
}

// `suffix` are the last bytes of an object of `object_bytes`.
Result<Footer> ReadFooter(ByteView suffix, uint64_t object_bytes) {
  const size_t least = kHeadMagic.size() + kFixedFooterBytes + kTrailerBytes;
  if (object_bytes < least || suffix.size() < least) {
    return Damaged("it is too short", suffix.size());
  }
  if (suffix.size() == object_bytes && AsText(suffix.first(kHeadMagic.size())) != kHeadMagic) {
    return Damaged("its first bytes are wrong", 0);
  }
  if (AsText(suffix.last(kFootMagic.size())) != kFootMagic) {
    return Damaged("its last bytes are wrong", object_bytes - kFootMagic.size());
  }
  Reader trailer(suffix.last(kTrailerBytes));
  const uint32_t crc = trailer.U32();
  const uint64_t footer_bytes = trailer.U64();
  if (footer_bytes < kFixedFooterBytes + kTrailerBytes ||
      footer_bytes > object_bytes - kHeadMagic.size() ||
      footer_bytes > kFixedFooterBytes + kTrailerBytes + kSectionsMax * kRowBytes) {
    return Damaged("its footer has an impossible length", object_bytes - kTrailerBytes);
  }
  Footer footer;
  if (footer_bytes > suffix.size()) {
    footer.suffix_bytes_needed = footer_bytes;
    return footer;
  }
  const uint64_t footer_at = object_bytes - footer_bytes;
  const ByteView table = suffix.last(footer_bytes).first(footer_bytes - kTrailerBytes);
  Writer checked;
  checked.Raw(table);
  checked.U64(footer_bytes);
  if (hash::Crc32c(checked.view()) != crc)
    return Damaged("its footer fails its checksum", footer_at);

  Reader reader(table);
  Envelope& envelope = footer.envelope;
  const uint16_t version = reader.U16();
  envelope.type = static_cast<ObjectType>(reader.U16());
  envelope.min_reader = reader.U16();
  envelope.min_writer = reader.U16();
  envelope.min_gc = reader.U16();
  const uint16_t count = reader.U16();
  if (version == 0 || envelope.min_reader > kFormatVersion) {
    return Error(ErrorCode::kUnsupported, "the object needs a reader of format " +
                                              std::to_string(envelope.min_reader) +
                                              "; upgrade varve");
  }
  if (count > kSectionsMax || reader.left() != count * kRowBytes) {
    return Damaged("its section table has an impossible length", footer_at);
  }
  uint64_t next = kHeadMagic.size(), raw_bytes = 0;
  for (uint16_t i = 0; i < count; ++i) {
    VARVE_TRY(const Row row, ReadRow(reader, next, footer_at));
    for (const Row& other : footer.rows) {
      if (other.tag == row.tag) return Damaged("a section is there twice", footer_at);
    }
    next += row.stored_bytes;
    raw_bytes += row.raw_bytes;
    footer.rows.push_back(row);
  }
  if (raw_bytes > kEnvelopeRawBytesMax) return Damaged("its sections are too long", footer_at);
  if (next != footer_at) return Damaged("bytes lie between its sections and its footer", next);
  return footer;
}

Result<Bytes> ReadSection(ByteView stored, const Row& row) {
  // Before anything is allocated: stored bytes that are not the writer's go no further.
  if (hash::Crc32c(stored) != row.crc) return Damaged("a section fails its checksum", row.offset);
  Bytes raw;
  if (row.codec == SectionCodec::kPlain) {
    raw.assign(stored.begin(), stored.end());
  } else {
    if (ZSTD_getFrameContentSize(stored.data(), stored.size()) != row.raw_bytes) {
      return Damaged("a section has another length", row.offset);
    }
    raw.resize(row.raw_bytes);
    if (!Decompress(stored, raw)) return Damaged("a section does not decode", row.offset);
  }
  if (hash::Blake3Of(raw) != row.digest) return Damaged("a section has another digest", row.offset);
  return raw;
}

}  // namespace

const Section* Envelope::Find(uint32_t tag) const {
  for (const Section& section : sections) {
    if (section.tag == tag) return &section;
  }
  return nullptr;
}

Result<Bytes> EncodeEnvelope(const Envelope& envelope) {
  if (envelope.sections.size() > kSectionsMax) {
    return Error(ErrorCode::kInternal, "an object has too many sections");
  }
  Writer object, footer;
  object.Raw(AsBytes(kHeadMagic));
  footer.U16(kFormatVersion);
  footer.U16(static_cast<uint16_t>(envelope.type));
  footer.U16(envelope.min_reader);
  footer.U16(envelope.min_writer);
  footer.U16(envelope.min_gc);
  footer.U16(static_cast<uint16_t>(envelope.sections.size()));
  for (const Section& section : envelope.sections) {
    if (section.raw.size() > kSectionRawBytesMax) {
      return Error(ErrorCode::kResourceExhausted,
                   "a section of metadata would pass 1 GiB; save fewer items");
    }
    Bytes packed;
    if (section.compress) packed = Compress(section.raw);
    const bool use_packed = !packed.empty() && packed.size() < section.raw.size();
    const ByteView stored = use_packed ? ByteView(packed) : ByteView(section.raw);
    footer.U32(section.tag);
    footer.U8(static_cast<uint8_t>(use_packed ? SectionCodec::kZstd : SectionCodec::kPlain));
    footer.U64(object.size());
    footer.U64(stored.size());
    footer.U64(section.raw.size());
    footer.U32(hash::Crc32c(stored));
    footer.Raw(hash::Blake3Of(section.raw).bytes);
    object.Raw(stored);
  }
  // The checksum covers the table and the length that follows it.
  const uint64_t footer_bytes = footer.size() + kTrailerBytes;
  Writer checked;
  checked.Raw(footer.view());
  checked.U64(footer_bytes);
  object.Raw(footer.view());
  object.U32(hash::Crc32c(checked.view()));
  object.U64(footer_bytes);
  object.Raw(AsBytes(kFootMagic));
  return object.Take();
}

Result<Envelope> DecodeEnvelope(ByteView object) {
  VARVE_TRY(Footer footer, ReadFooter(object, object.size()));
  for (const Row& row : footer.rows) {
    VARVE_TRY(Bytes raw, ReadSection(object.subspan(row.offset, row.stored_bytes), row));
    footer.envelope.sections.push_back(
        {row.tag, std::move(raw), row.codec != SectionCodec::kPlain});
  }
  return std::move(footer.envelope);
}

Result<SectionReply> DecodeSection(ByteView suffix, uint64_t object_bytes, ObjectType type,
                                   uint32_t tag) {
  VARVE_TRY(const Footer footer, ReadFooter(suffix, object_bytes));
  SectionReply reply;
  reply.suffix_bytes_needed = footer.suffix_bytes_needed;
  if (reply.suffix_bytes_needed > 0) return reply;
  if (footer.envelope.type != type) return Damaged("it is an object of another type", 0);
  reply.min_gc = footer.envelope.min_gc;
  for (const Row& row : footer.rows) {
    if (row.tag != tag) continue;
    const uint64_t from_end_bytes = object_bytes - row.offset;
    if (from_end_bytes > suffix.size()) {
      reply.suffix_bytes_needed = from_end_bytes;
      return reply;
    }
    const uint64_t at = suffix.size() - from_end_bytes;
    VARVE_TRY(reply.raw, ReadSection(suffix.subspan(at, row.stored_bytes), row));
    return reply;
  }
  return Damaged("a section is missing", 0);
}

}  // namespace varve::format
