#include <llvm-c/blake3.h>

#include <cstring>
#include <string>

#include "varve/hash/hash.h"

namespace varve::hash {
namespace {

static_assert(sizeof(llvm_blake3_hasher) <= 1920, "Blake3::state_ must hold the C hasher");

llvm_blake3_hasher* Hasher(std::array<std::byte, 1920>& state) {
  return reinterpret_cast<llvm_blake3_hasher*>(state.data());
}

int HexValue(char letter) {
  if (letter >= '0' && letter <= '9') return letter - '0';
  if (letter >= 'a' && letter <= 'f') return letter - 'a' + 10;
  if (letter >= 'A' && letter <= 'F') return letter - 'A' + 10;
  return -1;
}

}  // namespace

Blake3::Blake3() { llvm_blake3_hasher_init(Hasher(state_)); }

Blake3::Blake3(std::string_view derive_key_context) {
  llvm_blake3_hasher_init_derive_key_raw(Hasher(state_), derive_key_context.data(),
                                         derive_key_context.size());
}

Blake3& Blake3::Update(ByteView bytes) {
  llvm_blake3_hasher_update(Hasher(state_), bytes.data(), bytes.size());
  return *this;
}

Blake3& Blake3::UpdateU64(uint64_t value) {
  std::array<std::byte, 8> bytes;
  for (size_t i = 0; i < 8; ++i) bytes[i] = static_cast<std::byte>(value >> (8 * i));
  return Update(bytes);
}

Digest Blake3::Finish() const {
  Digest digest;
  const auto* hasher = reinterpret_cast<const llvm_blake3_hasher*>(state_.data());
  llvm_blake3_hasher_finalize(hasher, reinterpret_cast<uint8_t*>(digest.bytes.data()),
                              digest.bytes.size());
  return digest;
}

Digest Blake3Of(ByteView bytes) { return Blake3().Update(bytes).Finish(); }

std::string Digest::Hex() const { return ToHex(bytes); }

std::optional<Digest> Digest::FromHex(std::string_view text) {
  Digest digest;
  if (text.size() != 2 * digest.bytes.size()) return std::nullopt;
  for (size_t i = 0; i < digest.bytes.size(); ++i) {
    const int high = HexValue(text[2 * i]), low = HexValue(text[2 * i + 1]);
    if (high < 0 || low < 0) return std::nullopt;
    digest.bytes[i] = static_cast<std::byte>(high * 16 + low);
  }
  return digest;
}

size_t DigestHasher::operator()(const Digest& digest) const {
  size_t value = 0;
  std::memcpy(&value, digest.bytes.data(), sizeof value);
  return value;
}

std::string ToHex(ByteView bytes) {
  constexpr char kHex[] = "0123456789abcdef";
  std::string text;
  text.reserve(2 * bytes.size());
  for (const std::byte byte : bytes) {
    text += kHex[static_cast<unsigned>(byte) >> 4];
    text += kHex[static_cast<unsigned>(byte) & 15];
  }
  return text;
}

std::string ToBase64(ByteView bytes) {
  constexpr char kLetters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string text;
  for (size_t i = 0; i < bytes.size(); i += 3) {
    const size_t left = bytes.size() - i;
    uint32_t group = static_cast<uint32_t>(bytes[i]) << 16;
    if (left > 1) group |= static_cast<uint32_t>(bytes[i + 1]) << 8;
    if (left > 2) group |= static_cast<uint32_t>(bytes[i + 2]);
    text += kLetters[group >> 18];
    text += kLetters[(group >> 12) & 63];
    text += left > 1 ? kLetters[(group >> 6) & 63] : '=';
    text += left > 2 ? kLetters[group & 63] : '=';
  }
  return text;
}

}  // namespace varve::hash
