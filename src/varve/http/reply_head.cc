#include "varve/http/reply_head.h"

#include <cstdlib>

namespace varve::http {
namespace {

constexpr std::string_view kVersion = "HTTP/1.1 ";
constexpr size_t kStatusDigits = 3, kLengthDigitsMax = 19;  // 19: below 2^64 whatever they are.

bool Digits(std::string_view text) {
  return !text.empty() && text.find_first_not_of("0123456789") == std::string_view::npos;
}

}  // namespace

std::string Lower(std::string_view text) {
  std::string lower(text);
  for (char& letter : lower) {
    if (letter >= 'A' && letter <= 'Z') letter = static_cast<char>(letter + 32);
  }
  return lower;
}

void TakeHeadLine(std::string_view line, Reply& reply) {
  if (line.starts_with("HTTP/")) {
    reply.headers.clear();
    const size_t space = line.find(' ');
    reply.status = space == std::string_view::npos
                       ? 0
                       : std::atoi(std::string(line.substr(space + 1, 4)).c_str());
    return;
  }
  const size_t colon = line.find(':');
  if (colon == std::string_view::npos) return;
  const size_t first = line.find_first_not_of(" \t", colon + 1);
  const size_t last = line.find_last_not_of(" \t\r\n");
  const bool empty = first == std::string_view::npos || last < first;
  reply.headers[Lower(line.substr(0, colon))] =
      empty ? "" : std::string(line.substr(first, last - first + 1));
}

std::optional<Reply> ParseHead(std::string_view head) {
  if (!head.ends_with("\r\n\r\n")) return std::nullopt;
  const std::string_view first = head.substr(0, head.find("\r\n"));
  const std::string_view status = first.substr(std::min(first.size(), kVersion.size()));
  const bool named = first.starts_with(kVersion) && Digits(status.substr(0, kStatusDigits)) &&
                     (status.size() == kStatusDigits || status.substr(kStatusDigits)[0] == ' ');
  if (!named || status[0] == '0' || status[0] > '5' ||
      first.find_first_of("\r\n") != std::string_view::npos) {
    return std::nullopt;
  }
  Reply reply;
  TakeHeadLine(first, reply);
  for (size_t at = first.size() + 2; at + 2 < head.size();) {
    const size_t end = head.find("\r\n", at);
    const std::string_view line = head.substr(at, end - at);
    const size_t colon = line.find(':');
    const bool header = colon != std::string_view::npos && colon > 0 && line[0] != ' ' &&
                        line[0] != '\t' && line.find_first_of("\r\n") == std::string_view::npos;
    if (!header || line.starts_with("HTTP/")) return std::nullopt;
    if (reply.headers.contains("content-length") &&
        Lower(line.substr(0, colon)) == "content-length") {
      return std::nullopt;
    }
    TakeHeadLine(line, reply);
    at = end + 2;
  }
  return reply;
}

std::optional<uint64_t> BodyBytes(const Reply& reply) {
  if (reply.headers.contains("transfer-encoding")) return std::nullopt;
  const auto found = reply.headers.find("content-length");
  const bool bare = reply.status == 204 || reply.status == 304;  // Whatever length these name.
  if (found == reply.headers.end()) return bare ? std::optional<uint64_t>(0) : std::nullopt;
  if (!Digits(found->second) || found->second.size() > kLengthDigitsMax) return std::nullopt;
  const uint64_t length = std::strtoull(found->second.c_str(), nullptr, 10);
  if (bare && length != 0) return std::nullopt;
  return length;
}

}  // namespace varve::http
