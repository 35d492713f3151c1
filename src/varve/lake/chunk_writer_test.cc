// Goal: what a save stores decodes to what was hashed, whatever the encoder or the caller does.
// Method: encoders that are wrong in every way they can be, and memory that changes while it is
// encoded; the packs are then read back and compared.
#include "varve/lake/chunk_writer.h"

#include <gtest/gtest.h>

#include <cstring>

#include "varve/base/random.h"
#include "varve/store/memory/memory_store.h"

namespace varve::lake {
namespace {

const OpContext kCtx;
constexpr codec::ElementKind kFloats{.is_tensor = true, .dtype = codec::DType::kBf16};

// Halves near one: they compress.
Bytes Weights(size_t bytes, uint64_t seed) {
  SeededRandom random(seed);
  Bytes weights(bytes);
  for (size_t i = 0; i + 2 <= bytes; i += 2) {
    weights[i] = static_cast<std::byte>(random.Next64());
    weights[i + 1] = std::byte{0x3F};
  }
  return weights;
}

std::byte* changed_meanwhile = nullptr;

using Encoder = decltype(codec::EncodeChunk);

codec::Encoded OneBitOff(ByteView raw, codec::ElementKind kind, codec::Effort effort,
                         MutableByteView out) {
  const codec::Encoded encoded = codec::EncodeChunk(raw, kind, effort, out);
  out[encoded.payload_bytes - 1] ^= std::byte{1};
  return encoded;
}
codec::Encoded CutShort(ByteView raw, codec::ElementKind kind, codec::Effort effort,
                        MutableByteView out) {
  codec::Encoded encoded = codec::EncodeChunk(raw, kind, effort, out);
  --encoded.payload_bytes;
  return encoded;
}
codec::Encoded TooLong(ByteView raw, codec::ElementKind kind, codec::Effort effort,
                       MutableByteView out) {
  codec::Encoded encoded = codec::EncodeChunk(raw, kind, effort, out);
  encoded.payload_bytes = out.size() + 1;
  return encoded;
}
codec::Encoded OtherCodec(ByteView raw, codec::ElementKind kind, codec::Effort effort,
                          MutableByteView out) {
  codec::Encoded encoded = codec::EncodeChunk(raw, kind, effort, out);
  encoded.codec = static_cast<codec::CodecId>(9);
  return encoded;
}
codec::Encoded SwappedElements(ByteView raw, codec::ElementKind kind, codec::Effort effort,
                               MutableByteView out) {
  Bytes other(raw.begin(), raw.end());
  std::swap(other[0], other[2]);
  return codec::EncodeChunk(other, kind, effort, out);
}
codec::Encoded WrongRaw(ByteView raw, codec::ElementKind, codec::Effort, MutableByteView out) {
  std::memset(out.data(), 0, raw.size());
  return {codec::CodecId::kRaw, raw.size()};
}
codec::Encoded WhileTheOwnerWrites(ByteView raw, codec::ElementKind kind, codec::Effort effort,
                                   MutableByteView out) {
  *changed_meanwhile ^= std::byte{1};
  return codec::EncodeChunk(raw, kind, effort, out);
}

struct Fixture {
  std::shared_ptr<store::MemoryStore> memory = std::make_shared<store::MemoryStore>();
  Core core{memory,
            {.cpu_threads = 1, .transfers = 1, .memory_bytes = 64 * kMiB, .compress = true},
            {},
            format::Gate::kReadWrite};
  std::unique_ptr<ChunkWriter> Writer(Encoder* encode) {
    ChunkWriter::Options options;
    options.target = "llama";
    options.encode = encode;
    return ChunkWriter::Make(core, kCtx, std::move(options)).value();
  }
  Bytes ReadBack(const ChunkWriter& writer, const hash::Digest& digest) {
    const ChunkPlace& place = writer.place(digest);
    Bytes payload(place.row.payload_bytes), raw(place.row.raw_bytes);
    const store::Key key(format::PackKey(place.pack));
    EXPECT_TRUE(memory->GetRange(kCtx, key, place.row.offset, payload).ok());
    EXPECT_TRUE(codec::DecodeChunk(place.row.codec, payload, raw).ok());
    return raw;
  }
};

TEST(Case23, AnEncoderThatIsWrongIsNotBelieved) {
  Encoder* const encoders[] = {OneBitOff, CutShort, TooLong, OtherCodec, SwappedElements, WrongRaw};
  for (size_t i = 0; i < std::size(encoders); ++i) {
    for (const bool copy : {false, true}) {
      SCOPED_TRACE(std::to_string(i) + (copy ? " copied" : " borrowed"));
      Fixture fixture;
      const Bytes weights = Weights(1 * kMiB, 5);
      const auto writer = fixture.Writer(encoders[i]);
      const auto slot =
          copy ? writer->AddCopied(weights, kFloats) : writer->AddBorrowed(weights, kFloats);
      ASSERT_TRUE(slot.ok());
      const Status finished = writer->Finish();
      ASSERT_TRUE(finished.ok()) << finished.error().ToString();
      EXPECT_EQ(fixture.ReadBack(*writer, hash::Blake3Of(weights)), weights);
    }
  }
}

TEST(ChunkWriter, ARightEncoderIsUsed) {
  Fixture fixture;
  const Bytes weights = Weights(1 * kMiB, 5);
  const auto writer = fixture.Writer(codec::EncodeChunk);
  ASSERT_TRUE(writer->AddBorrowed(weights, kFloats).ok());
  ASSERT_TRUE(writer->Finish().ok());
  const ChunkPlace& place = writer->place(hash::Blake3Of(weights));
  EXPECT_EQ(place.row.codec, codec::CodecId::kPlanes);
  EXPECT_LT(place.row.payload_bytes, weights.size() * 3 / 4);
}

TEST(ChunkWriter, MemoryThatChangesBetweenHashAndCopyFailsTheSave) {
  for (const auto& kind : {kFloats, codec::ElementKind{}}) {
    Fixture fixture;
    Bytes weights = Weights(1 * kMiB, 5);
    if (!kind.is_tensor) {  // Nothing to code: stored as it is.
      SeededRandom random(6);
      for (std::byte& each : weights) each = static_cast<std::byte>(random.Next64());
    }
    changed_meanwhile = &weights[weights.size() / 2];
    const auto writer = fixture.Writer(WhileTheOwnerWrites);
    ASSERT_TRUE(writer->AddBorrowed(weights, kind).ok());
    const Status finished = writer->Finish();
    ASSERT_FALSE(finished.ok()) << "an acknowledged version would not load";
    EXPECT_EQ(finished.error().code(), ErrorCode::kConflict) << finished.error().ToString();
    EXPECT_TRUE(store::ListAll(kCtx, *fixture.memory, "pack/")->empty());
  }
}

}  // namespace
}  // namespace varve::lake
