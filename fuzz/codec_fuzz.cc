// Decodes hostile payloads, and checks that what the encoder writes comes back.
// Input: codec u8 (modulo 4, so one number is unknown), raw length u24, the payload.
#include <cstdint>

#include "targets.h"
#include "varve/codec/codec.h"

namespace varve::fuzz {
namespace {

constexpr size_t kPrefixBytes = 4;
constexpr size_t kRawBytesMax = kMiB;  // A decoder works on what the chunk table states.

void DecodeHostile(ByteView input) {
  const auto codec = static_cast<codec::CodecId>(static_cast<uint8_t>(input[0]) % 4);
  size_t raw_bytes = 0;
  for (size_t i = 1; i < kPrefixBytes; ++i) {
    raw_bytes = raw_bytes << 8 | static_cast<size_t>(input[i]);
  }
  raw_bytes %= kRawBytesMax + 1;
  Bytes raw(raw_bytes), again(raw_bytes, std::byte{0xFF});
  const ByteView payload = input.subspan(kPrefixBytes);
  if (!codec::DecodeChunk(codec, payload, raw).ok()) return;
  Require(codec::DecodeChunk(codec, payload, again).ok() && again == raw,
          "a payload decides every raw byte");
}

void EncodeAnything(ByteView input) {
  codec::ElementKind kind;
  const auto selector = static_cast<uint64_t>(input[0]);
  if (const auto dtype = codec::DTypeFromNumber(selector & 31)) {
    kind.is_tensor = true;
    kind.dtype = *dtype;
  }
  ByteView raw = input.subspan(1);
  if (kind.is_tensor) raw = raw.first(raw.size() - raw.size() % codec::ElementBytes(kind.dtype));
  Bytes payload(codec::PayloadBytesMax(raw.size())), back(raw.size());
  const codec::Encoded encoded = codec::EncodeChunk(raw, kind, codec::Effort::kDefault, payload);
  Require(encoded.payload_bytes <= raw.size(), "a payload is no longer than its chunk");
  Require(
      codec::DecodeChunk(encoded.codec, ByteView(payload).first(encoded.payload_bytes), back).ok(),
      "a payload that was written can be read");
  Require(std::equal(back.begin(), back.end(), raw.begin(), raw.end()), "no byte changes");
}

}  // namespace
}  // namespace varve::fuzz

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t bytes) {
  const varve::ByteView input(reinterpret_cast<const std::byte*>(data), bytes);
  if (bytes >= varve::fuzz::kPrefixBytes) varve::fuzz::DecodeHostile(input);
  if (bytes >= 1 && bytes <= varve::codec::kChunkRawBytesMax) varve::fuzz::EncodeAnything(input);
  return 0;
}
