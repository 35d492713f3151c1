#include "varve/store/s3/credentials/ini.h"

#include <algorithm>

namespace varve::store {
namespace {

std::string_view Trim(std::string_view text) {
  const size_t first = text.find_first_not_of(" \t\r\n");
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t\r\n") - first + 1);
}

// [profile "a b"] and [profile a b] name the same; runs of spaces are one.
std::string SectionName(std::string_view inside) {
  std::string name;
  for (const char letter : Trim(inside)) {
    if (letter == '"' || letter == '\'') continue;
    const bool space = letter == ' ' || letter == '\t';
    if (!space)
      name += letter;
    else if (!name.ends_with(' '))
      name += ' ';
  }
  return name;
}

}  // namespace

Result<IniFile> ParseIni(std::string_view text) {
  if (text.size() > kIniBytesMax)
    return Error(ErrorCode::kInvalidArgument, "the file is longer than any settings file");
  if (text.starts_with("\xEF\xBB\xBF")) text.remove_prefix(3);
  IniFile file;
  IniSection* section = nullptr;
  std::string parent;  // The setting without a value that indented lines belong to.
  size_t number = 0;
  for (size_t at = 0; at < text.size();) {
    const size_t end = std::min(text.find('\n', at), text.size());
    const std::string_view whole = text.substr(at, end - at);
    at = end + 1;
    ++number;
    if (whole.size() > kIniLineBytesMax) {
      return Error(ErrorCode::kInvalidArgument, "line " + std::to_string(number) + " is too long");
    }
    const std::string_view line = Trim(whole);
    if (line.empty() || line[0] == '#' || line[0] == ';') continue;
    const bool indented = whole[0] == ' ' || whole[0] == '\t';
    if (!indented && line.front() == '[') {
      const size_t close = line.find(']');
      parent.clear();
      section =
          close == std::string_view::npos ? nullptr : &file[SectionName(line.substr(1, close - 1))];
      continue;
    }
    const size_t equals = line.find('=');
    if (section == nullptr || equals == std::string_view::npos) continue;
    const std::string key(Trim(line.substr(0, equals)));
    const std::string value(Trim(line.substr(equals + 1)));
    if (key.empty()) continue;
    if (indented && !parent.empty()) {
      (*section)[parent + "." + key] = value;
      continue;
    }
    parent = value.empty() ? key : "";
    (*section)[key] = value;
  }
  return file;
}

}  // namespace varve::store
