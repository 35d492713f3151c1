#include "varve/format/json.h"

#include <charconv>
#include <cmath>
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
  if (!ShallowEnough(text, depth_max)) return Error(ErrorCode::kCorrupt, "JSON is nested too deep");
  Json json = Json::parse(text.begin(), text.end(), nullptr, false);
  if (!json.is_object()) return Error(ErrorCode::kCorrupt, "not a JSON object");
  return json;
}

void Fields::Fail(const std::string& why) {
  if (status_.ok()) status_ = Error(ErrorCode::kCorrupt, what_ + " is damaged: " + why);
}

Json Fields::Take(const char* name, Json::value_t type, bool required) {
  const auto found = object_.find(name);
  if (found == object_.end()) {
    if (required) Fail(std::string("field '") + name + "' is missing");
    return Json(type);
  }
  Json value = std::move(*found);
  object_.erase(found);
  if (value.type() != type) {
    Fail(std::string("field '") + name + "' has the wrong type");
    return Json(type);
  }
  return value;
}

std::string Fields::Text(const char* name, bool required) {
  return Take(name, Json::value_t::string, required).get<std::string>();
}

template <typename T>
T Fields::Decimal(const char* name, bool required) {
  if (!required && !Has(name)) return 0;
  const std::string text = Text(name, required);
  T value = 0;
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), value);
  // One spelling per number: no sign, zero or space in front.
  if (parsed.ec != std::errc() || std::to_string(value) != text) {
    Fail(std::string("field '") + name + "' is not a number");
  }
  return value;
}

uint64_t Fields::Number(const char* name, bool required) {
  return Decimal<uint64_t>(name, required);
}
int64_t Fields::Signed(const char* name, bool required) { return Decimal<int64_t>(name, required); }

uint32_t Fields::Number32(const char* name) {
  const uint64_t value = Number(name);
  if (value > std::numeric_limits<uint32_t>::max()) {
    Fail(std::string("field '") + name + "' is too large");
    return 0;
  }
  return static_cast<uint32_t>(value);
}

double Fields::Double(const Json& value, const char* name) {
  if (value.is_number()) return value.get<double>();
  if (value == "nan") return std::numeric_limits<double>::quiet_NaN();
  if (value == "inf") return std::numeric_limits<double>::infinity();
  if (value == "-inf") return -std::numeric_limits<double>::infinity();
  Fail(std::string("field '") + name + "' holds something that is not a number");
  return 0;
}

hash::Digest Fields::Digest(const char* name) {
  const auto digest = hash::Digest::FromHex(Text(name));
  if (!digest.has_value()) Fail(std::string("field '") + name + "' is not a digest");
  return digest.value_or(hash::Digest{});
}

ObjectId Fields::Id(const char* name) {
  const auto id = ObjectId::FromText(Text(name));
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
