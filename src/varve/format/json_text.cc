#include "varve/format/json_text.h"

#include <algorithm>
#include <limits>
#include <vector>

namespace varve::format {
namespace {

// ASCII that means itself in a string.
constexpr std::array<bool, 256> kPlain = [] {
  std::array<bool, 256> plain{};
  for (size_t letter = ' '; letter <= '~'; ++letter) {
    plain[letter] = letter != '"' && letter != '\\';
  }
  return plain;
}();
constexpr size_t kFewMembers = 24;

}  // namespace

// Plain strings and words are taken as they lie. Every other leaf (an escape, a letter outside of
// ASCII, a number) is left to the library, so that both agree on what JSON is.
class JsonParser {
 public:
  JsonParser(std::string_view text, int depth_max, std::pmr::memory_resource& memory)
      : text_(text), depth_max_(depth_max), memory_(memory) {
    open_.reserve(kOpenReserve);
  }

  // False unless the text is one value, nested no deeper than the limit.
  bool Parse(JsonNode& root) {
    if (text_.size() > std::numeric_limits<uint32_t>::max() || !Value(1, root)) return false;
    Skip();
    return at_ == text_.size();
  }
  bool too_deep() const { return too_deep_; }

 private:
  using Kind = JsonNode::Kind;
  static constexpr size_t kOpenReserve = 64;

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

  bool Value(int depth, JsonNode& node) {
    Skip();
    if (at_ == text_.size()) return false;
    const char first = text_[at_];
    if (first == '"') {
      node.kind_ = Kind::kString;
      return String(node.text_, node.size_);
    }
    if (first != '{' && first != '[') return Leaf(node);
    if (depth > depth_max_) {
      too_deep_ = true;
      return false;
    }
    ++at_;
    return first == '{' ? Object(depth, node) : Array(depth, node);
  }

  bool Object(int depth, JsonNode& node) {
    const size_t begin = open_.size();
    bool ascending = true;  // As they are mostly written.
    if (!Accept('}')) {
      do {
        JsonNode member;
        Skip();
        if (at_ == text_.size() || text_[at_] != '"' || !String(member.name_, member.name_bytes_) ||
            !Accept(':') || !Value(depth + 1, member)) {
          return false;
        }
        ascending = ascending && (open_.size() == begin || Before(open_.back(), member));
        open_.push_back(member);
      } while (Accept(','));
      if (!Accept('}')) return false;
    }
    if (!ascending) SortMembers(begin);
    Close(Kind::kObject, begin, node);
    return true;
  }

  bool Array(int depth, JsonNode& node) {
    const size_t begin = open_.size();
    if (!Accept(']')) {
      do {
        JsonNode item;
        if (!Value(depth + 1, item)) return false;
        open_.push_back(item);
      } while (Accept(','));
      if (!Accept(']')) return false;
    }
    Close(Kind::kArray, begin, node);
    return true;
  }

  static bool Before(const JsonNode& one, const JsonNode& other) {
    return one.name() < other.name();
  }

  // Of equal names the last counts.
  void SortMembers(size_t begin) {
    const auto from = open_.begin() + static_cast<std::ptrdiff_t>(begin);
    std::stable_sort(from, open_.end(), Before);
    auto kept = from;
    for (auto each = from; each != open_.end(); ++each) {
      if (each != from && kept->name() != each->name()) ++kept;
      *kept = *each;
    }
    open_.erase(kept + 1, open_.end());
  }

  void Close(Kind kind, size_t begin, JsonNode& node) {
    const size_t count = open_.size() - begin;
    node.kind_ = kind;
    node.size_ = static_cast<uint32_t>(count);
    node.children_ = nullptr;
    if (count == 0) return;
    auto* children =
        static_cast<JsonNode*>(memory_.allocate(count * sizeof(JsonNode), alignof(JsonNode)));
    std::uninitialized_copy(open_.begin() + static_cast<std::ptrdiff_t>(begin), open_.end(),
                            children);
    open_.resize(begin);
    node.children_ = children;
  }

  bool String(const char*& letters, uint32_t& bytes) {
    const size_t begin = at_++;
    while (at_ < text_.size() && kPlain[static_cast<unsigned char>(text_[at_])]) ++at_;
    if (at_ < text_.size() && text_[at_] == '"') {
      letters = text_.data() + begin + 1;
      bytes = static_cast<uint32_t>(at_++ - begin - 1);
      return true;
    }
    for (; at_ < text_.size() && text_[at_] != '"'; ++at_) {
      if (text_[at_] == '\\') ++at_;  // Whatever is escaped does not end the string.
    }
    if (at_ >= text_.size()) return false;
    ++at_;
    const Json json = ByLibrary(begin);
    if (!json.is_string()) return false;
    const auto& decoded = json.get_ref<const std::string&>();
    auto* copy = static_cast<char*>(memory_.allocate(decoded.size() + 1, 1));
    std::copy(decoded.begin(), decoded.end(), copy);
    letters = copy;
    bytes = static_cast<uint32_t>(decoded.size());
    return true;
  }

  bool Leaf(JsonNode& node) {
    const size_t begin = at_;
    constexpr std::string_view kEnds = ",]} \n\r\t";
    for (; at_ < text_.size() && kEnds.find(text_[at_]) == std::string_view::npos; ++at_) {
      if (text_[at_] < ' ' || text_[at_] > '~') return false;
    }
    const std::string_view leaf = text_.substr(begin, at_ - begin);
    if (leaf == "null") return true;
    if (leaf == "true" || leaf == "false") {
      node.kind_ = Kind::kBoolean;
      node.size_ = leaf == "true" ? 1 : 0;
      return true;
    }
    node.kind_ = Kind::kNumber;
    node.text_ = leaf.data();
    node.size_ = static_cast<uint32_t>(leaf.size());
    return ByLibrary(begin).is_number();
  }

  Json ByLibrary(size_t begin) const {
    return Json::parse(text_.data() + begin, text_.data() + at_, nullptr, false);
  }

  const std::string_view text_;
  const int depth_max_;
  std::pmr::memory_resource& memory_;
  std::vector<JsonNode> open_;  // Children of what is not closed yet, outermost first.
  size_t at_ = 0;
  bool too_deep_ = false;
};

const JsonNode* JsonNode::Find(std::string_view name) const {
  if (!Is(Kind::kObject)) return nullptr;
  const auto members = children();
  if (members.size() <= kFewMembers) {  // Most differ in length: cheaper than a search.
    for (const JsonNode& member : members) {
      if (member.name_bytes_ == name.size() && member.name() == name) return &member;
    }
    return nullptr;
  }
  const auto found = std::lower_bound(
      members.begin(), members.end(), name,
      [](const JsonNode& member, std::string_view wanted) { return member.name() < wanted; });
  return found == members.end() || found->name() != name ? nullptr : &*found;
}

Json JsonNode::Copy() const {
  switch (kind_) {
    case Kind::kNull:
      break;
    case Kind::kBoolean:
      return boolean();
    case Kind::kNumber:
      return Json::parse(text(), nullptr, false);
    case Kind::kString:
      return std::string(text());
    case Kind::kArray: {
      Json json = Json::array();
      for (const JsonNode& item : children()) json.push_back(item.Copy());
      return json;
    }
    case Kind::kObject: {
      Json json = Json::object();
      for (const JsonNode& member : children()) json[std::string(member.name())] = member.Copy();
      return json;
    }
  }
  return {};
}

Result<const JsonNode*> JsonText::Parse(std::string_view text, int depth_max) {
  JsonParser parser(text, depth_max, memory_);
  const bool parsed = parser.Parse(root_);
  if (parser.too_deep()) return Error(ErrorCode::kCorrupt, "JSON is nested too deep");
  if (!parsed || !root_.Is(JsonNode::Kind::kObject)) {
    return Error(ErrorCode::kCorrupt, "not a JSON object");
  }
  return &root_;
}

}  // namespace varve::format
