#include "varve/format/json.h"

#include <charconv>
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

// Builds the tree of a control object. Those are read again and again, and are nearly all plain
// strings: these are taken as they lie. Every other leaf (an escape, a letter outside of ASCII, a
// number) is left to the library, so that both agree on what JSON is.
class ObjectParser {
 public:
  ObjectParser(std::string_view text, int depth_max) : text_(text), depth_max_(depth_max) {}

  // False unless the text is one value, nested no deeper than the limit.
  bool Parse(Json& json) {
    json = Value(1);
    Skip();
    return !bad_ && at_ == text_.size();
  }
  bool too_deep() const { return too_deep_; }

 private:
  void Skip() {
    while (at_ < text_.size() &&
           (text_[at_] == ' ' || text_[at_] == '\n' || text_[at_] == '\r' || text_[at_] == '\t')) {
      ++at_;
    }
  }
  bool Accept(char letter) {
    Skip();
    if (at_ == text_.size() || text_[at_] != letter) return false;
    ++at_;
    return true;
  }
  Json Bad() {
    bad_ = true;
    return Json();
  }

  Json Value(int depth) {
    Skip();
    if (at_ == text_.size()) return Bad();
    const char first = text_[at_];
    if (first == '"') return String();
    if (first != '{' && first != '[') return Leaf();
    if (depth > depth_max_) {
      too_deep_ = true;
      return Bad();
    }
    ++at_;
    return first == '{' ? Object(depth) : Array(depth);
  }

  Json Object(int depth) {
    Json json = Json::object();
    auto& members = json.get_ref<Json::object_t&>();
    if (Accept('}')) return json;
    do {
      Skip();
      if (at_ == text_.size() || text_[at_] != '"') return Bad();
      Json name = String();
      if (bad_ || !Accept(':')) return Bad();
      Json value = Value(depth + 1);
      if (bad_) return Bad();
      // Mostly written in order. Of equal names the last counts.
      members.insert_or_assign(members.end(), std::move(name.get_ref<std::string&>()),
                               std::move(value));
    } while (Accept(','));
    return Accept('}') ? std::move(json) : Bad();
  }

  Json Array(int depth) {
    Json json = Json::array();
    auto& items = json.get_ref<Json::array_t&>();
    if (Accept(']')) return json;
    do {
      items.push_back(Value(depth + 1));
      if (bad_) return Bad();
    } while (Accept(','));
    return Accept(']') ? std::move(json) : Bad();
  }

  Json String() {
    const size_t begin = at_;
    bool plain = true;
    for (++at_; at_ < text_.size() && text_[at_] != '"'; ++at_) {
      plain = plain && text_[at_] >= ' ' && text_[at_] <= '~' && text_[at_] != '\\';
      if (text_[at_] == '\\') ++at_;  // Whatever is escaped does not end the string.
    }
    if (at_ >= text_.size()) return Bad();
    ++at_;
    if (plain) return std::string(text_.substr(begin + 1, at_ - begin - 2));
    return ByLibrary(begin);
  }

  Json Leaf() {
    const size_t begin = at_;
    constexpr std::string_view kEnds = ",]} \n\r\t";
    for (; at_ < text_.size() && kEnds.find(text_[at_]) == std::string_view::npos; ++at_) {
      if (text_[at_] < ' ' || text_[at_] > '~') return Bad();
    }
    return ByLibrary(begin);
  }

  Json ByLibrary(size_t begin) {
    Json json = Json::parse(text_.data() + begin, text_.data() + at_, nullptr, false);
    return json.is_discarded() || json.is_structured() ? Bad() : std::move(json);
  }

  const std::string_view text_;
  const int depth_max_;
  size_t at_ = 0;
  bool bad_ = false, too_deep_ = false;
};

}  // namespace

bool ValidJson(std::string_view text, int depth_max) {
  return ShallowEnough(text, depth_max) && Json::accept(text.begin(), text.end());
}

Result<Json> ParseObject(std::string_view text, int depth_max) {
  ObjectParser parser(text, depth_max);
  Json json;
  const bool parsed = parser.Parse(json);
  if (parser.too_deep()) return Error(ErrorCode::kCorrupt, "JSON is nested too deep");
  if (!parsed || !json.is_object()) return Error(ErrorCode::kCorrupt, "not a JSON object");
  return json;
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

Result<Json> ParseChecked(std::string_view text, std::string_view first_field, int depth_max) {
  const std::string older = "{\"" + std::string(first_field) + "\":";
  if (!text.starts_with(older)) {
    if (!text.starts_with(kChecksumStart) || text.size() < kChecksumBytes)
      return Error(ErrorCode::kCorrupt, "it does not begin with its checksum");
    if (ChecksumOf(text.substr(kChecksumBytes)) != text.substr(0, kChecksumBytes))
      return Error(ErrorCode::kCorrupt, "it fails its checksum");
  }
  VARVE_TRY(Json json, ParseObject(text, depth_max));
  json.erase(kChecksumField);  // Also a stale one, kept by a writer who did not know what it is.
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
  Json value = Take(name, Json::value_t::string, required);
  return std::move(value.get_ref<std::string&>());
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
