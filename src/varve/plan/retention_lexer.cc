#include "varve/plan/retention_lexer.h"

namespace varve::plan {
namespace {

bool InWord(char c) {
  const auto byte = static_cast<unsigned char>(c);
  return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') ||
         (byte >= '0' && byte <= '9') || byte >= 0x80 ||
         std::string_view("_.-/:@*?%").find(c) != std::string_view::npos;
}

class Splitter {
 public:
  Splitter(std::string_view text, Position at) : text_(text), place_(at) {}

  Result<std::vector<Word>> Split() {
    while (at_ < text_.size()) {
      const Position start = place_;
      const char c = text_[at_];
      if (c == '#') {
        while (at_ < text_.size() && text_[at_] != '\n') Step();
      } else if (c == '\n' || c == ';') {
        if (depth_ == 0) Add(Word::Kind::kSeparator, std::string(1, c), start);
        Step();
      } else if (c == ' ' || c == '\t' || c == '\r') {
        Step();
      } else if (c == '"') {
        VARVE_CHECK_OK(Quote(start));
      } else if (InWord(c)) {
        std::string word;
        while (at_ < text_.size() && InWord(text_[at_])) word += Step();
        Add(Word::Kind::kWord, std::move(word), start);
      } else {
        VARVE_CHECK_OK(Mark(start));
      }
    }
    Add(Word::Kind::kEnd, "", place_);
    return std::move(words_);
  }

 private:
  char Step() {
    const char c = text_[at_++];
    if (c == '\n') {
      ++place_.line;
      place_.column = 1;
    } else if ((static_cast<unsigned char>(c) & 0xC0) != 0x80) {  // Not inside of a character.
      ++place_.column;
    }
    return c;
  }
  void Add(Word::Kind kind, std::string text, Position at) {
    words_.push_back({kind, std::move(text), at});
  }
  Status Quote(Position start) {
    Step();
    std::string word;
    while (true) {
      if (at_ == text_.size() || text_[at_] == '\n') return At(start, "this quote is not closed");
      char c = Step();
      if (c == '"') break;
      if (c == '\\') {
        if (at_ == text_.size() || (text_[at_] != '"' && text_[at_] != '\\')) {
          return At(start, "in quotes a backslash stands before \" or \\ only");
        }
        c = Step();
      }
      if (static_cast<unsigned char>(c) < 0x20)
        return At(start, "a quote holds a control character");
      word += c;
    }
    Add(Word::Kind::kQuoted, std::move(word), start);
    return OkStatus();
  }
  Status Mark(Position start) {
    std::string mark(1, Step());
    if (std::string_view("{}()[],=!<>~+").find(mark[0]) == std::string_view::npos) {
      const auto byte = static_cast<unsigned char>(mark[0]);
      return At(start, byte < 0x20 || byte == 0x7F ? "a control character has no meaning here"
                                                   : "'" + mark + "' has no meaning here");
    }
    const bool pairs = mark == "!" || mark == "<" || mark == ">";
    if (pairs && at_ < text_.size() && text_[at_] == '=') mark += Step();
    if (mark == "!") return At(start, "'!' has no meaning here; write not, or !=");
    if (mark == "(" || mark == "[") ++depth_;
    if ((mark == ")" || mark == "]") && depth_ > 0) --depth_;
    Add(Word::Kind::kMark, std::move(mark), start);
    return OkStatus();
  }

  std::string_view text_;
  size_t at_ = 0;
  Position place_;
  int depth_ = 0;
  std::vector<Word> words_;
};

}  // namespace

Error At(Position at, const std::string& message) {
  return {ErrorCode::kInvalidArgument,
          std::to_string(at.line) + ":" + std::to_string(at.column) + ": " + message};
}

Result<std::vector<Word>> SplitWords(std::string_view text, Position start) {
  if (text.size() > kPolicyBytesMax) return At(start, "the policy is larger than 1 MiB");
  return Splitter(text, start).Split();
}

std::string Quoted(std::string_view text) {
  bool plain = !text.empty();
  for (const char c : text) plain = plain && InWord(c);
  if (plain) return std::string(text);
  std::string quoted = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') quoted += '\\';
    quoted += c;
  }
  return quoted + "\"";
}

}  // namespace varve::plan
