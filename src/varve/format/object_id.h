// Names of immutable objects: never reused, never derived from content.
//
// An id is a 64-bit random session, a 32-bit counter within it, and a 32-bit check (the first four
// bytes of BLAKE3 of the other twelve), so that a mangled id is noticed. Text form: 26 letters of
// Crockford's base32, lower case. Threads: plain values.
#pragma once

#include <array>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "varve/base/bytes.h"
#include "varve/result.h"

namespace varve::format {

struct ObjectId {
  std::array<std::byte, 16> bytes{};  // session LE, counter LE, check.

  static ObjectId Make(uint64_t session, uint32_t counter);
  static Result<ObjectId> FromBytes(ByteView bytes);        // kCorrupt on length or check.
  static Result<ObjectId> FromText(std::string_view text);  // kInvalidArgument on form or check.

  uint64_t session() const;
  uint32_t counter() const;
  std::string Text() const;
  std::string Shard() const;  // Two hex letters: the first byte of BLAKE3(bytes).
  friend auto operator<=>(const ObjectId&, const ObjectId&) = default;
  friend bool operator==(const ObjectId&, const ObjectId&) = default;
};

// Keys, relative to the lake's root (docs/format.md, Keys).
inline constexpr std::string_view kDescriptorKey = "lake.json";
inline constexpr std::string_view kGcStateKey = "gc/state";
inline constexpr std::string_view kHeadPrefix = "ref/b/";
// "ref/b/" and the escaped name; "~/" after every 200 letters of it but the last.
std::string HeadKey(std::string_view artifact_name);
Result<std::string> NameFromHeadKey(std::string_view key);
std::string PackKey(const ObjectId& id);                   // "pack/<hh>/<id>"
std::string MetaKey(const ObjectId& id);                   // "meta/<hh>/<id>"
std::string HistoryKey(const ObjectId& id);                // "hist/<hh>/<id>"
std::string SessionKey(uint64_t session, uint32_t block);  // "sess/<16 hex>-<block>"

}  // namespace varve::format
