// The one grammar of names that people choose: artifacts, aliases, tags, paths inside a version.
//
// Artifact: 1 to 8 segments joined by '/', in all at most 200 bytes; a segment is 1 to 100 bytes of
// [A-Za-z0-9._+=,-] or non-ASCII UTF-8, neither "." nor "..". Alias and tag: one such segment that
// is not "latest" and does not look like a version ("v17"). Path inside a version: at most 1,024
// bytes of UTF-8 in at most 64 segments, no empty, "." or ".." segment, no control character, no
// backslash. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "varve/result.h"

namespace varve::format {

Status CheckArtifactName(std::string_view name);
Status CheckLabel(std::string_view label);  // Alias or tag.
Status CheckPath(std::string_view path);
bool ValidUtf8(std::string_view text);  // No overlong forms, surrogates or values above 10FFFF.

// "name", "name@latest", "name@v17", "name@label". Errors: kInvalidArgument saying which rule.
struct Address {
  std::string name;
  std::optional<uint64_t> version;  // Set for "@v17".
  std::string label;                // Set for "@best"; empty for latest.
};
Result<Address> ParseAddress(std::string_view text);
// "llama@v3".
inline std::string VersionAddress(std::string_view name, uint64_t version) {
  return std::string(name) + "@v" + std::to_string(version);
}

}  // namespace varve::format
