#include "varve/format/object_id.h"

#include <algorithm>
#include <cstdio>

#include "varve/hash/hash.h"

namespace varve::format {
namespace {

constexpr std::string_view kLetters = "0123456789abcdefghjkmnpqrstvwxyz";  // Crockford's base32.
constexpr size_t kHeadPieceBytes = 200;          // File systems end names at 255.
constexpr std::string_view kPieceGoesOn = "~/";  // No letter of an escaped name.
constexpr size_t kTextLetters = 26;              // 128 bits; the last letter carries three.

bool Unescaped(char letter) {
  return (letter >= 'a' && letter <= 'z') || (letter >= 'A' && letter <= 'Z') ||
         (letter >= '0' && letter <= '9') || letter == '.' || letter == '_' || letter == '=' ||
         letter == '+' || letter == ',' || letter == '-';
}

std::array<std::byte, 4> CheckOf(ByteView first_12) {
  const hash::Digest digest = hash::Blake3Of(first_12);
  return {digest.bytes[0], digest.bytes[1], digest.bytes[2], digest.bytes[3]};
}

std::string Sharded(std::string_view folder, const ObjectId& id) {
  return std::string(folder) + id.Shard() + "/" + id.Text();
}

}  // namespace

ObjectId ObjectId::Make(uint64_t session, uint32_t counter) {
  ObjectId id;
  for (size_t i = 0; i < 8; ++i) id.bytes[i] = static_cast<std::byte>(session >> (8 * i));
  for (size_t i = 0; i < 4; ++i) id.bytes[8 + i] = static_cast<std::byte>(counter >> (8 * i));
  const auto check = CheckOf(ByteView(id.bytes).first(12));
  std::copy(check.begin(), check.end(), id.bytes.begin() + 12);
  return id;
}

Result<ObjectId> ObjectId::FromBytes(ByteView bytes) {
  ObjectId id;
  if (bytes.size() != id.bytes.size())
    return Error(ErrorCode::kCorrupt, "an object id is 16 bytes");
  std::copy(bytes.begin(), bytes.end(), id.bytes.begin());
  const auto check = CheckOf(bytes.first(12));
  if (!std::equal(check.begin(), check.end(), id.bytes.begin() + 12)) {
    return Error(ErrorCode::kCorrupt, "an object id fails its check. id=" + hash::ToHex(bytes));
  }
  return id;
}

Result<ObjectId> ObjectId::FromText(std::string_view text) {
  const auto bad = [&](const char* why) {
    return Error(ErrorCode::kInvalidArgument,
                 "'" + std::string(text.substr(0, 64)) + "' is no object id: " + why);
  };
  if (text.size() != kTextLetters) return bad("it has not 26 letters");
  std::array<std::byte, 16> bytes{};
  uint32_t bits = 0;
  int held = 0;
  size_t filled = 0;
  for (size_t i = 0; i < text.size(); ++i) {
    const size_t value = kLetters.find(text[i]);
    if (value == std::string_view::npos) return bad("a letter is not of its alphabet");
    bits = (bits << 5) | static_cast<uint32_t>(value);
    held += 5;
    if (held >= 8) {
      held -= 8;
      if (filled < bytes.size()) bytes[filled++] = static_cast<std::byte>(bits >> held);
      bits &= (1U << held) - 1;
    }
  }
  if (bits != 0) return bad("its last letter has bits to spare");
  auto id = FromBytes(bytes);
  if (!id.ok()) return bad("its check does not match");
  return id;
}

uint64_t ObjectId::session() const {
  uint64_t value = 0;
  for (size_t i = 0; i < 8; ++i) value |= static_cast<uint64_t>(bytes[i]) << (8 * i);
  return value;
}

uint32_t ObjectId::counter() const {
  uint32_t value = 0;
  for (size_t i = 0; i < 4; ++i) value |= static_cast<uint32_t>(bytes[8 + i]) << (8 * i);
  return value;
}

std::string ObjectId::Text() const {
  std::string text;
  uint32_t bits = 0;
  int held = 0;
  for (const std::byte byte : bytes) {
    bits = (bits << 8) | static_cast<uint32_t>(byte);
    held += 8;
    while (held >= 5) {
      held -= 5;
      text += kLetters[(bits >> held) & 31];
    }
    bits &= (1U << held) - 1;
  }
  text += kLetters[(bits << (5 - held)) & 31];
  return text;
}

std::string ObjectId::Shard() const {
  return hash::ToHex(ByteView(hash::Blake3Of(bytes).bytes).first(1));
}

std::string HeadKey(std::string_view artifact_name) {
  std::string escaped;
  constexpr char kHex[] = "0123456789ABCDEF";
  for (const char letter : artifact_name) {
    if (Unescaped(letter)) {
      escaped += letter;
    } else {
      escaped += '%';
      escaped += kHex[static_cast<unsigned char>(letter) >> 4];
      escaped += kHex[static_cast<unsigned char>(letter) & 15];
    }
  }
  std::string key(kHeadPrefix);
  for (size_t at = 0; at < escaped.size(); at += kHeadPieceBytes) {
    if (at != 0) key += kPieceGoesOn;
    key += escaped.substr(at, kHeadPieceBytes);
  }
  return key;
}

Result<std::string> NameFromHeadKey(std::string_view key) {
  std::string name;
  const Error bad(ErrorCode::kCorrupt,
                  "'" + std::string(key.substr(0, 200)) + "' is no key of a head");
  if (!key.starts_with(kHeadPrefix)) return bad;
  std::string escaped;
  for (size_t at = kHeadPrefix.size(); at < key.size(); at += kPieceGoesOn.size()) {
    const size_t end = std::min(key.find(kPieceGoesOn, at), key.size());
    escaped += key.substr(at, end - at);
    at = end;
  }
  const auto hex = [](char letter) {
    if (letter >= '0' && letter <= '9') return letter - '0';
    return letter >= 'A' && letter <= 'F' ? letter - 'A' + 10 : -1;
  };
  for (size_t i = 0; i < escaped.size(); ++i) {
    if (escaped[i] != '%') {
      name += escaped[i];
      continue;
    }
    if (escaped.size() - i < 3 || hex(escaped[i + 1]) < 0 || hex(escaped[i + 2]) < 0) return bad;
    name += static_cast<char>(hex(escaped[i + 1]) * 16 + hex(escaped[i + 2]));
    i += 2;
  }
  if (HeadKey(name) != key) return bad;
  return name;
}

std::string PackKey(const ObjectId& id) { return Sharded("pack/", id); }
std::string MetaKey(const ObjectId& id) { return Sharded("meta/", id); }
std::string HistoryKey(const ObjectId& id) { return Sharded("hist/", id); }

std::string SessionKey(uint64_t session, uint32_t block) {
  char text[64];
  std::snprintf(text, sizeof text, "sess/%016llx-%u", static_cast<unsigned long long>(session),
                block);
  return text;
}

}  // namespace varve::format
