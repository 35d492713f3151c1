// Reading small JSON control objects whose every byte may be hostile, and writing them.
// Private to format/. Depth is checked before parsing, since a parser recurses.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "varve/format/object_id.h"
#include "varve/hash/hash.h"
#include "varve/result.h"

namespace varve::format {

using Json = nlohmann::json;
inline constexpr int kJsonDepthMax = 32;

bool ValidJson(std::string_view text, int depth_max);
Result<Json> ParseObject(std::string_view text, int depth_max);  // kCorrupt unless an object.

// An object that may be rewritten carries the CRC-32C of its own text, in front: Checked puts it
// there, ParseChecked compares and takes it off. Text of writers who knew no checksum begins with
// `first_field` instead; nothing else is believed (kCorrupt).
std::string Checked(const std::string& object_text);
Result<Json> ParseChecked(std::string_view text, std::string_view first_field, int depth_max);

// Takes fields out of one object; the first violation is remembered and every later read gives a
// default. What is left at the end are the fields of newer writers.
class Fields {
 public:
  Fields(Json object, std::string what) : object_(std::move(object)), what_(std::move(what)) {}
  std::string Text(const char* name, bool required = true);
  uint64_t Number(const char* name, bool required = true);  // A decimal string.
  uint32_t Number32(const char* name);
  int64_t Signed(const char* name, bool required = true);  // A decimal string.
  double Double(const Json& value, const char* name);      // A number, or "nan", "inf", "-inf".
  Json Take(const char* name, Json::value_t type, bool required = true);
  hash::Digest Digest(const char* name);
  ObjectId Id(const char* name);
  bool Has(const char* name) const { return object_.contains(name); }
  void Fail(const std::string& why);
  Status status() const { return status_; }
  std::string Unknown() const { return object_.empty() ? std::string() : object_.dump(); }

 private:
  template <typename T>
  T Decimal(const char* name, bool required);

  Json object_;
  std::string what_;
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
