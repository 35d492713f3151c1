// Digests and checksums over byte views. Pure: no allocation after construction, no I/O, no clock.
//
// A Digest identifies content; a checksum only notices damage on the way. The types differ so that
// nobody compares one with the other.
// Threads: the functions are reentrant; one hasher object belongs to one thread at a time.
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "varve/base/bytes.h"

namespace varve::hash {

// BLAKE3-256 (https://github.com/BLAKE3-team/BLAKE3-specs): the identity of content.
struct Digest {
  std::array<std::byte, 32> bytes{};
  friend auto operator<=>(const Digest&, const Digest&) = default;
  friend bool operator==(const Digest&, const Digest&) = default;
  std::string Hex() const;                                 // 64 lowercase letters.
  static std::optional<Digest> FromHex(std::string_view);  // Exactly 64 hex digits, or nothing.
};

class Blake3 {
 public:
  Blake3();
  explicit Blake3(std::string_view derive_key_context);  // Domain separation (derive_key mode).
  Blake3& Update(ByteView bytes);
  Blake3& UpdateU64(uint64_t value);  // Little-endian.
  Digest Finish() const;

 private:
  alignas(8) std::array<std::byte, 1920> state_;  // Holds the C hasher; size checked in the .cc.
};
Digest Blake3Of(ByteView bytes);

// CRC-32C (Castagnoli), as iSCSI and S3's x-amz-checksum-crc32c use it. `seed` is the checksum of
// the bytes before these, so a long input can be fed in pieces.
uint32_t Crc32c(ByteView bytes, uint32_t seed = 0);

// CRC-64/NVME, as S3's x-amz-checksum-crc64nvme uses it. Same rule for `seed`.
uint64_t Crc64Nvme(ByteView bytes, uint64_t seed = 0);
// The checksum of A followed by B, from those of A and B and the length of B.
uint64_t Crc64NvmeCombine(uint64_t crc_a, uint64_t crc_b, uint64_t bytes_b);

using Sha256Digest = std::array<std::byte, 32>;
Sha256Digest Sha256(ByteView bytes);
Sha256Digest HmacSha256(ByteView key, ByteView message);

std::string ToHex(ByteView bytes);
std::string ToBase64(ByteView bytes);

struct DigestHasher {  // For unordered containers.
  size_t operator()(const Digest& digest) const;
};

}  // namespace varve::hash
