#include "varve/format/json.h"

#include <cmath>
#include <cstdio>
#include <limits>

namespace varve::format {
namespace {

// Brackets outside of strings, no deeper than the limit; the parser checks the rest.
bool ShallowEnough(std::string_view text, int depth_max) {
  int depth = 0;
  bool quoted = false;
  for (size_t i = 0; i < text.size(); ++i) {
    if (quoted) {
      if (text[i] == '\\') {
        ++i;  // Whatever is escaped does not end the string.
      } else if (text[i] == '"') {
        quoted = false;
      }
    } else if (text[i] == '"') {
      quoted = true;
    } else if (text[i] == '{' || text[i] == '[') {
      if (++depth > depth_max) return false;
    } else if (text[i] == '}' || text[i] == ']') {
      --depth;
    }
  }
  return true;
}

}  // namespace

bool ValidJson(std::string_view text, int depth_max) {
  return ShallowEnough(text, depth_max) && Json::accept(text.begin(), text.end());
}

Result<Json> ParseObject(std::string_view text, int depth_max) {
  JsonText json;
  VARVE_TRY(const JsonNode* root, json.Parse(text, depth_max));
  return root->Copy();
}

namespace {

constexpr std::string_view kChecksumField = "text_crc";
constexpr std::string_view kChecksumStart = R"({"text_crc":")";
constexpr std::string_view kChecksumEnd = R"(",)";
constexpr size_t kChecksumBytes = kChecksumStart.size() + 8 + kChecksumEnd.size();

std::string ChecksumOf(std::string_view rest) {
  char text[9];
  std::snprintf(text, sizeof text, "%08x", hash::Crc32c(AsBytes(rest)));
  return std::string(kChecksumStart) + text + std::string(kChecksumEnd);
}

}  // namespace

std::string Checked(const std::string& object_text) {
  const std::string_view rest = std::string_view(object_text).substr(1);  // Without its brace.
  return ChecksumOf(rest).append(rest);
}

Result<const JsonNode*> ParseChecked(JsonText& json, std::string_view text,
                                     std::string_view first_field, int depth_max) {
  const std::string older = "{\"" + std::string(first_field) + "\":";
  if (!text.starts_with(older)) {
    if (!text.starts_with(kChecksumStart) || text.size() < kChecksumBytes)
      return Error(ErrorCode::kCorrupt, "it does not begin with its checksum");
    if (ChecksumOf(text.substr(kChecksumBytes)) != text.substr(0, kChecksumBytes))
      return Error(ErrorCode::kCorrupt, "it fails its checksum");
  }
  VARVE_TRY(const JsonNode* root, json.Parse(text, depth_max));
  // Also a stale one, kept by a writer who did not know what it is.
  if (const JsonNode* checksum = root->Find(kChecksumField)) checksum->Take();
  return root;
}

void Fields::Fail(std::string_view why) {
  if (!status_.ok()) return;
  status_ = Error(ErrorCode::kCorrupt, std::string(what_) + " is damaged: " + std::string(why));
}

const JsonNode* Fields::Find(std::string_view name) const {
  const JsonNode* found = object_.Find(name);
  return found == nullptr || found->taken() ? nullptr : found;
}

const JsonNode& Fields::Take(std::string_view name, Kind kind, bool required) {
  static const JsonNode kNone[] = {JsonNode(Kind::kNull),   JsonNode(Kind::kBoolean),
                                   JsonNode(Kind::kNumber), JsonNode(Kind::kString),
                                   JsonNode(Kind::kArray),  JsonNode(Kind::kObject)};
  const JsonNode& none = kNone[static_cast<size_t>(kind)];
  const JsonNode* found = Find(name);
  if (found == nullptr) {
    if (required) Fail("field '" + std::string(name) + "' is missing");
    return none;
  }
  found->Take();
  if (found->Is(kind)) return *found;
  Fail("field '" + std::string(name) + "' has the wrong type");
  return none;
}

std::string Fields::Text(const char* name, bool required) {
  return std::string(Take(name, Kind::kString, required).text());
}

bool Fields::Boolean(const char* name, bool required) {
  return Take(name, Kind::kBoolean, required).boolean();
}

std::string Fields::Unknown() const {
  Json left = Json::object();
  for (const JsonNode& member : object_.children()) {
    if (!member.taken()) left[std::string(member.name())] = member.Copy();
  }
  return left.empty() ? std::string() : left.dump();
}

template <typename T>
T Fields::Decimal(std::string_view name, bool required) {
  if (!required && !Has(name)) return 0;
  const auto value = DecimalFrom<T>(Take(name, Kind::kString, required).text());
  if (!value.has_value()) Fail("field '" + std::string(name) + "' is not a number");
  return value.value_or(0);
}

uint64_t Fields::Number(std::string_view name, bool required) {
  return Decimal<uint64_t>(name, required);
}
int64_t Fields::Signed(std::string_view name, bool required) {
  return Decimal<int64_t>(name, required);
}

uint32_t Fields::Number32(const char* name) {
  const uint64_t value = Number(name);
  if (value > std::numeric_limits<uint32_t>::max()) {
    Fail(std::string("field '") + name + "' is too large");
    return 0;
  }
  return static_cast<uint32_t>(value);
}

double Fields::Double(const JsonNode& value, const char* name) {
  if (value.Is(Kind::kNumber)) return value.Copy().get<double>();
  const std::string_view text = value.text();
  if (text == "nan") return std::numeric_limits<double>::quiet_NaN();
  if (text == "inf") return std::numeric_limits<double>::infinity();
  if (text == "-inf") return -std::numeric_limits<double>::infinity();
  Fail(std::string("field '") + name + "' holds something that is not a number");
  return 0;
}

hash::Digest Fields::Digest(const char* name) {
  const auto digest = hash::Digest::FromHex(Take(name, Kind::kString).text());
  if (!digest.has_value()) Fail(std::string("field '") + name + "' is not a digest");
  return digest.value_or(hash::Digest{});
}

ObjectId Fields::Id(const char* name) {
  const auto id = ObjectId::FromText(Take(name, Kind::kString).text());
  if (!id.ok()) {
    Fail(std::string("field '") + name + "': " + id.error().message());
    return {};
  }
  return *id;
}

Json DoubleJson(double value) {
  if (std::isnan(value)) return "nan";
  if (std::isinf(value)) return value > 0 ? "inf" : "-inf";
  return value;
}

Json WithUnknown(const std::string& unknown_json) {
  if (unknown_json.empty()) return Json::object();
  Json json = Json::parse(unknown_json, nullptr, false);
  return json.is_object() ? json : Json::object();
}

std::string Dump(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace varve::format
