// The words of the retention language, each with its place. Private to plan/. Pure.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "varve/plan/retention_policy.h"

namespace varve::plan {

struct Word {
  enum class Kind : uint8_t { kWord, kQuoted, kMark, kSeparator, kEnd };
  Kind kind = Kind::kEnd;
  std::string text;  // Of kQuoted: without quotes and escapes.
  Position at;
  bool Is(std::string_view wanted) const {
    return (kind == Kind::kWord || kind == Kind::kMark) && text == wanted;
  }
};

// Separators (newline, ';') are dropped inside of parentheses and brackets, and comments always.
// The last word is kEnd.
Result<std::vector<Word>> SplitWords(std::string_view text, Position start);

std::string Quoted(std::string_view text);  // As it is when it reads back as one word.

}  // namespace varve::plan
