// Goal: what is stored decodes to the same bytes, never grows, and hostile payloads stay in bounds.
// Method: every dtype, sizes around frame edges, contents of every kind; then damage at random.
#include "varve/codec/codec.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>

#include "varve/base/random.h"

namespace varve::codec {
namespace {

constexpr DType kAll[] = {
#define VARVE_DTYPE_LIST(code, ...) DType::code,
    VARVE_DTYPE_TABLE(VARVE_DTYPE_LIST)
#undef VARVE_DTYPE_LIST
};

float Gaussian(Random& random) {
  double sum = -6;
  for (int i = 0; i < 12; ++i) sum += random.Unit();
  return static_cast<float>(sum * 0.02);
}

Bytes Floats(size_t count, uint64_t seed,
             size_t keep_bytes) {  // keep_bytes 2: the high half, bf16.
  SeededRandom random(seed);
  Bytes bytes(count * keep_bytes);
  for (size_t i = 0; i < count; ++i) {
    const float value = Gaussian(random);
    std::memcpy(bytes.data() + i * keep_bytes,
                reinterpret_cast<const char*>(&value) + 4 - keep_bytes, keep_bytes);
  }
  return bytes;
}

Bytes Random1(size_t bytes, uint64_t seed) {
  SeededRandom random(seed);
  Bytes out(bytes);
  for (std::byte& byte : out) byte = static_cast<std::byte>(random.Next64());
  return out;
}

Encoded RoundTrip(const Bytes& raw, ElementKind kind) {
  Bytes payload(PayloadBytesMax(raw.size()));
  const Encoded encoded = EncodeChunk(raw, kind, Effort::kDefault, payload);
  EXPECT_LE(encoded.payload_bytes, raw.size());
  Bytes back(raw.size());
  const Status status =
      DecodeChunk(encoded.codec, ByteView(payload).first(encoded.payload_bytes), back);
  EXPECT_TRUE(status.ok()) << (status.ok() ? "" : status.error().ToString());
  EXPECT_EQ(back, raw);
  const auto digest =
      DigestOfDecoded(encoded.codec, ByteView(payload).first(encoded.payload_bytes), raw.size());
  EXPECT_TRUE(digest.ok() && *digest == hash::Blake3Of(raw));
  return encoded;
}

TEST(Codec, EveryTypeSizeAndContentRoundTrips) {
  for (const DType dtype : kAll) {
    const size_t width = ElementBytes(dtype);
    for (const size_t count : {0UL, 1UL, 2UL, 1000UL, 131'071UL, 131'072UL, 131'073UL}) {
      const ElementKind kind{.is_tensor = true, .dtype = dtype};
      RoundTrip(Bytes(count * width), kind);
      RoundTrip(Bytes(count * width, std::byte{0xA5}), kind);
      RoundTrip(Random1(count * width, count), kind);
      Bytes mixed = Random1(count * width, count);
      std::fill(mixed.begin(), mixed.begin() + static_cast<std::ptrdiff_t>(mixed.size() / 2),
                std::byte{0xFF});
      RoundTrip(mixed, kind);
    }
  }
  for (const size_t count : {0UL, 1UL, 262'143UL, 262'145UL, 1'000'000UL}) {
    RoundTrip(Random1(count, 3), {});
    Bytes text(count);
    for (size_t i = 0; i < count; ++i) text[i] = static_cast<std::byte>("checkpoint "[i % 11]);
    const Encoded encoded = RoundTrip(text, {});
    if (count > 1000) {
      EXPECT_LT(encoded.payload_bytes, count / 10);
    }
  }
}

TEST(Codec, WeightsShrinkAsMeasured) {
  const Bytes bf16 = Floats(4 * kMiB, 1, 2), f32 = Floats(2 * kMiB, 2, 4);
  const auto share = [](const Bytes& raw, DType dtype) {
    return static_cast<double>(RoundTrip(raw, {.is_tensor = true, .dtype = dtype}).payload_bytes) /
           static_cast<double>(raw.size());
  };
  EXPECT_LT(share(bf16, DType::kBf16), 0.67);
  EXPECT_LT(share(f32, DType::kF32), 0.84);
  Bytes upcast(bf16.size() * 2);  // float32 that was bf16: the low half is zero.
  for (size_t i = 0; i < bf16.size() / 2; ++i)
    std::memcpy(upcast.data() + 4 * i + 2, bf16.data() + 2 * i, 2);
  EXPECT_LT(share(upcast, DType::kF32), 0.35);
}

// Every plane of `raw` at once: never negative, so the sign need not be stored.
TEST(Codec, ASignThatNeverVariesIsNotStored) {
  Bytes raw = Floats(512 * 1024, 6, 4);
  for (size_t i = 3; i < raw.size(); i += 4) raw[i] &= std::byte{0x7F};
  const ElementKind kind{.is_tensor = true, .dtype = DType::kF32};
  const Encoded encoded = RoundTrip(raw, kind);
  EXPECT_LT(static_cast<double>(encoded.payload_bytes), 0.805 * static_cast<double>(raw.size()));
  raw[raw.size() / 3 | 3] |= std::byte{0x80};  // One that a sample does not see.
  RoundTrip(raw, kind);
}

TEST(Codec, SpecialValuesRoundTrip) {
  constexpr uint32_t kWords[] = {0x7FC00000, 0xFFC00001, 0x7F800000, 0xFF800000, 0x00000001,
                                 0x80000000, 0x7F800001, 0xFFFFFFFF, 0};
  SeededRandom random(12);
  for (const size_t count : {3UL, 1000UL, 131'073UL, 2'097'152UL}) {
    Bytes raw(4 * count);
    for (size_t i = 0; i < count; ++i) {
      std::memcpy(raw.data() + 4 * i, &kWords[random.Between(0, std::size(kWords) - 1)], 4);
    }
    for (const DType dtype :
         {DType::kF32, DType::kBf16, DType::kF64, DType::kI32, DType::kF8E5M2}) {
      if (raw.size() % ElementBytes(dtype) == 0) {
        RoundTrip(raw, {.is_tensor = true, .dtype = dtype});
      }
    }
  }
}

TEST(Codec, NoEffortStoresTheBytes) {
  const Bytes raw(100'000);
  Bytes payload(raw.size());
  const Encoded encoded =
      EncodeChunk(raw, {.is_tensor = true, .dtype = DType::kF32}, Effort::kNone, payload);
  EXPECT_EQ(encoded.codec, CodecId::kRaw);
  EXPECT_EQ(payload, raw);
}

// The bytes are exactly those of docs/format-codec.md, so that another reader can be written.
TEST(Codec, WorkedExample) {
  Bytes raw(32);
  for (size_t i = 0; i < raw.size(); ++i)
    raw[i] = static_cast<std::byte>(i % 2 == 0 ? i / 2 : 0x40);
  const std::string_view bytes(
      "\x02\x01\x00\x00"                                          // Two bytes per element, rotated.
      "\x00\x00\x04\x00"                                          // 262,144 raw bytes per frame.
      "\x13\x00\x00\x00"                                          // One frame of 19 bytes.
      "\x0a\x00\x00\x04\x41\x00\x10\x32\x54\x76\x98\xba\xdc\xfe"  // Four bits, shifted by one.
      "\x01\x00\x00\x01\x80",                                     // All 0x80.
      31);
  Bytes back(raw.size());
  const Status status = DecodeChunk(CodecId::kPlanes, AsBytes(bytes), back);
  ASSERT_TRUE(status.ok()) << status.error().ToString();
  EXPECT_EQ(back, raw);
  Bytes payload(raw.size());
  const Encoded encoded =
      EncodeChunk(raw, {.is_tensor = true, .dtype = DType::kBf16}, Effort::kDefault, payload);
  ASSERT_EQ(encoded.codec, CodecId::kPlanes);
  payload.resize(encoded.payload_bytes);
  EXPECT_EQ(payload, Bytes(AsBytes(bytes).begin(), AsBytes(bytes).end()));
}

TEST(Codec, RandomBytesStayRaw) {
  const Bytes noise = Random1(1 * kMiB, 9);
  EXPECT_EQ(RoundTrip(noise, {.is_tensor = true, .dtype = DType::kU8}).codec, CodecId::kRaw);
  EXPECT_EQ(RoundTrip(noise, {}).codec, CodecId::kRaw);
}

TEST(Codec, DamageStaysInBounds) {
  const Bytes raw = Floats(200'000, 4, 4);
  Bytes payload(raw.size());
  const Encoded encoded =
      EncodeChunk(raw, {.is_tensor = true, .dtype = DType::kF32}, Effort::kDefault, payload);
  ASSERT_EQ(encoded.codec, CodecId::kPlanes);
  payload.resize(encoded.payload_bytes);
  SeededRandom random(5);
  Bytes back(raw.size());
  for (int round = 0; round < 2000; ++round) {
    Bytes damaged = payload;
    const size_t header = std::min<size_t>(damaged.size(), 64);
    damaged[random.Between(0, round % 2 == 0 ? header - 1 : damaged.size() - 1)] ^=
        static_cast<std::byte>(1U << random.Between(0, 7));
    if (round % 3 == 0) damaged.resize(random.Between(0, damaged.size()));
    const Status status = DecodeChunk(CodecId::kPlanes, damaged, back);
    if (damaged.size() < payload.size()) {
      EXPECT_FALSE(status.ok());
    }
  }
  EXPECT_EQ(DecodeChunk(static_cast<CodecId>(99), payload, back).error().code(),
            ErrorCode::kUnsupported);
}

TEST(DType, NamesAndNumbersAreOneToOne) {
  for (const DType dtype : kAll) {
    EXPECT_EQ(DTypeFromName(DTypeName(dtype)), dtype);
    EXPECT_EQ(DTypeFromNumber(static_cast<uint64_t>(dtype)), dtype);
  }
  EXPECT_FALSE(DTypeFromName("float").has_value());
  EXPECT_FALSE(DTypeFromNumber(0).has_value());
}

}  // namespace
}  // namespace varve::codec
