// The INI files of the AWS tools (~/.aws/config, ~/.aws/credentials). Pure; the bytes are hostile:
// whatever is no section, comment or setting is skipped, as the AWS tools do, and what is over a
// limit is an error.
#pragma once

#include <cstddef>
#include <map>
#include <string>
#include <string_view>

#include "varve/result.h"

namespace varve::store {

inline constexpr size_t kIniBytesMax = 1024 * 1024;
inline constexpr size_t kIniLineBytesMax = 16 * 1024;

using IniSection = std::map<std::string, std::string>;
// By the text between the brackets. A nested setting ("s3 =" and below it, indented,
// "addressing_style = path") is "s3.addressing_style". The last of two equal settings counts.
using IniFile = std::map<std::string, IniSection>;

// kInvalidArgument, with the number of the line, for a file or line that is too long.
Result<IniFile> ParseIni(std::string_view text);

}  // namespace varve::store
