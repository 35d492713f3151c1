#include "varve/format/names.h"

#include <algorithm>
#include <charconv>

namespace varve::format {
namespace {

constexpr size_t kNameBytesMax = 200, kSegmentBytesMax = 100, kSegmentsMax = 8;
constexpr size_t kPathBytesMax = 1024, kPathSegmentsMax = 64;

std::string Shown(std::string_view name) {
  std::string shown = "'";
  constexpr char kHex[] = "0123456789abcdef";
  const bool utf8 = ValidUtf8(name);
  size_t shown_bytes = std::min<size_t>(name.size(), 80);
  while (utf8 && shown_bytes < name.size() &&
         (static_cast<unsigned char>(name[shown_bytes]) & 0xC0) == 0x80) {
    --shown_bytes;  // Never half a character.
  }
  for (const char letter : name.substr(0, shown_bytes)) {
    const auto code = static_cast<unsigned char>(letter);
    if (code < 0x20 || code == 0x7f || (code >= 0x80 && !utf8)) {
      shown += "\\x";
      shown += kHex[code >> 4];
      shown += kHex[code & 15];
    } else {
      shown += letter;
    }
  }
  return shown + (name.size() > 80 ? "...'" : "'");
}

Error Bad(const char* what, std::string_view name, const std::string& why) {
  return Error(ErrorCode::kInvalidArgument,
               std::string(what) + " " + Shown(name) + " is not allowed: " + why);
}

bool SegmentLetter(char letter) {
  const auto code = static_cast<unsigned char>(letter);
  return (letter >= 'a' && letter <= 'z') || (letter >= 'A' && letter <= 'Z') ||
         (letter >= '0' && letter <= '9') || letter == '.' || letter == '_' || letter == '+' ||
         letter == '=' || letter == ',' || letter == '-' || code >= 0x80;
}

// Empty: the segment is fine.
std::string SegmentFault(std::string_view segment) {
  if (segment.empty()) return "a part between slashes is empty";
  if (segment == "." || segment == "..") return "'.' and '..' are not names";
  if (segment.size() > kSegmentBytesMax) return "a part is longer than 100 bytes";
  for (const char letter : segment) {
    if (!SegmentLetter(letter)) return "use letters, digits and . _ + = , -";
  }
  if (!ValidUtf8(segment)) return "it is not UTF-8";
  return "";
}

std::optional<uint64_t> VersionNumber(std::string_view label) {
  if (label.size() < 2 || label[0] != 'v' || label[1] == '0') return std::nullopt;
  uint64_t version = 0;
  const auto [end, failure] =
      std::from_chars(label.data() + 1, label.data() + label.size(), version);
  if (failure != std::errc() || end != label.data() + label.size()) return std::nullopt;
  return version;
}

bool LooksLikeVersion(std::string_view label) {
  return label.size() > 1 && label[0] == 'v' &&
         label.find_first_not_of("0123456789", 1) == std::string_view::npos;
}

}  // namespace

bool ValidUtf8(std::string_view text) {
  for (size_t i = 0; i < text.size();) {
    const auto byte = [&](size_t k) { return static_cast<unsigned char>(text[k]); };
    const unsigned first = byte(i);
    size_t length = 1;
    uint32_t code = first;
    if (first >= 0xF0 && first < 0xF5) {
      length = 4;
      code = first & 7;
    } else if (first >= 0xE0 && first < 0xF0) {
      length = 3;
      code = first & 15;
    } else if (first >= 0xC2 && first < 0xE0) {
      length = 2;
      code = first & 31;
    } else if (first >= 0x80) {
      return false;
    }
    if (text.size() - i < length) return false;
    for (size_t k = 1; k < length; ++k) {
      if ((byte(i + k) & 0xC0) != 0x80) return false;
      code = (code << 6) | (byte(i + k) & 63);
    }
    if (length == 3 && (code < 0x800 || (code >= 0xD800 && code < 0xE000))) return false;
    if (length == 4 && (code < 0x10000 || code > 0x10FFFF)) return false;
    i += length;
  }
  return true;
}

Status CheckArtifactName(std::string_view name) {
  if (name.size() > kNameBytesMax) return Bad("artifact name", name, "it is longer than 200 bytes");
  size_t segments = 0;
  for (size_t at = 0; at <= name.size(); ++segments) {
    const size_t end = std::min(name.find('/', at), name.size());
    const std::string fault = SegmentFault(name.substr(at, end - at));
    if (!fault.empty()) return Bad("artifact name", name, fault);
    at = end + 1;
  }
  if (segments > kSegmentsMax) return Bad("artifact name", name, "it has more than 8 parts");
  return OkStatus();
}

Status CheckLabel(std::string_view label) {
  const std::string fault = SegmentFault(label);
  if (!fault.empty()) return Bad("label", label, fault);
  if (label == "latest") return Bad("label", label, "'latest' always means the newest version");
  if (LooksLikeVersion(label)) return Bad("label", label, "it looks like a version number");
  return OkStatus();
}

Status CheckPath(std::string_view path) {
  if (path.size() > kPathBytesMax) return Bad("path", path, "it is longer than 1,024 bytes");
  if (!ValidUtf8(path)) return Bad("path", path, "it is not UTF-8");
  size_t segments = 0;
  for (size_t at = 0; at <= path.size(); ++segments) {
    const size_t end = std::min(path.find('/', at), path.size());
    const std::string_view segment = path.substr(at, end - at);
    if (segment.empty()) return Bad("path", path, "a part between slashes is empty");
    if (segment == "." || segment == "..") return Bad("path", path, "'.' and '..' are not names");
    for (const char letter : segment) {
      const auto code = static_cast<unsigned char>(letter);
      if (code < 0x20 || code == 0x7f) return Bad("path", path, "it has a control character");
      if (letter == '\\') return Bad("path", path, "it has a backslash");
    }
    at = end + 1;
  }
  if (segments > kPathSegmentsMax) return Bad("path", path, "it has more than 64 parts");
  return OkStatus();
}

Result<Address> ParseAddress(std::string_view text) {
  Address address;
  const size_t at = text.rfind('@');
  address.name = std::string(text.substr(0, at));
  VARVE_CHECK_OK(CheckArtifactName(address.name));
  if (at == std::string_view::npos) return address;
  const std::string_view label = text.substr(at + 1);
  if (label == "latest") return address;
  if (LooksLikeVersion(label)) {
    address.version = VersionNumber(label);
    if (!address.version.has_value()) return Bad("version", label, "write it as v1, v2, ...");
    return address;
  }
  VARVE_CHECK_OK(CheckLabel(label));
  address.label = std::string(label);
  return address;
}

}  // namespace varve::format
