// Reading small JSON control objects whose every byte may be hostile, and writing them.
// Private to format/. Depth is limited, since a parser recurses.
#pragma once

#include <charconv>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "varve/format/json_text.h"
#include "varve/format/object_id.h"
#include "varve/hash/hash.h"
#include "varve/result.h"

namespace varve::format {

inline constexpr int kJsonDepthMax = 32;

bool ValidJson(std::string_view text, int depth_max);
Result<Json> ParseObject(std::string_view text, int depth_max);  // kCorrupt unless an object.

// An object that may be rewritten carries the CRC-32C of its own text, in front: Checked puts it
// there, ParseChecked compares and takes it off. Text of writers who knew no checksum begins with
// `first_field` instead; nothing else is believed (kCorrupt).
std::string Checked(const std::string& object_text);
Result<const JsonNode*> ParseChecked(JsonText& json, std::string_view text,
                                     std::string_view first_field, int depth_max);

// A decimal in its one spelling: no sign, zero or space in front.
template <typename T>
std::optional<T> DecimalFrom(std::string_view text) {
  T value = 0;
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), value);
  const std::string_view digits = text.substr(text.starts_with('-') ? 1 : 0);
  const bool zero = digits.starts_with('0') && text != "0";
  if (parsed.ec != std::errc() || parsed.ptr != text.data() + text.size() || zero) {
    return std::nullopt;
  }
  return value;
}

// The letters of a string; of anything else nothing.
inline std::string_view TextOf(const JsonNode& node) {
  return node.Is(JsonNode::Kind::kString) ? node.text() : std::string_view();
}

// Takes fields out of one object; the first violation is remembered and every later read gives a
// default. What is left at the end are the fields of newer writers. The node must live as long;
// what is no object has no fields.
class Fields {
 public:
  using Kind = JsonNode::Kind;
  Fields(const JsonNode& object, const char* what) : object_(object), what_(what) {}
  std::string Text(const char* name, bool required = true);
  uint64_t Number(std::string_view name, bool required = true);  // A decimal string.
  uint32_t Number32(const char* name);
  int64_t Signed(std::string_view name, bool required = true);  // A decimal string.
  double Double(const JsonNode& value, const char* name);  // A number, or "nan", "inf", "-inf".
  bool Boolean(const char* name, bool required = true);
  const JsonNode& Take(std::string_view name, Kind kind, bool required = true);
  hash::Digest Digest(const char* name);
  ObjectId Id(const char* name);
  bool Has(std::string_view name) const { return Find(name) != nullptr; }
  void Fail(std::string_view why);
  Status status() const { return status_; }
  std::string Unknown() const;  // Empty when nothing is left.

 private:
  template <typename T>
  T Decimal(std::string_view name, bool required);
  const JsonNode* Find(std::string_view name) const;  // Null when it is not there or taken.

  const JsonNode& object_;
  const char* what_;
  Status status_;
};

// What a reader would refuse is never written: the fate of decoding what was just encoded.
template <typename T>
Status Readable(const Result<T>& decoded) {
  if (decoded.ok()) return OkStatus();
  return Error(ErrorCode::kInternal, "refusing to write it: " + decoded.error().message());
}

Json DoubleJson(double value);
Json WithUnknown(const std::string& unknown_json);  // A base object to write known fields over.
std::string Dump(const Json& json);                 // Replaces what is not UTF-8.

}  // namespace varve::format
