// What one hostile input does to the reader of reply heads. Included by targets.h.
#pragma once

#include <string>
#include <string_view>

#include "varve/base/bytes.h"
#include "varve/http/reply_head.h"

namespace varve::fuzz {

void Require(bool condition, const char* what);

// The input as one head, and as the lines that libcurl hands over one by one.
inline void FuzzHttpHead(ByteView input) {
  const std::string_view text = AsText(input);
  http::Reply lines;
  for (size_t at = 0; at < text.size();) {
    const size_t end = std::min(text.find('\n', at), text.size() - 1);
    http::TakeHeadLine(text.substr(at, end + 1 - at), lines);
    at = end + 1;
  }
  static_cast<void>(http::BodyBytes(lines));
  const auto reply = http::ParseHead(text);
  if (!reply.has_value()) return;
  Require(reply->status >= 100 && reply->status < 600, "a status is one of HTTP's");
  std::string again = "HTTP/1.1 " + std::to_string(reply->status) + "\r\n";
  for (const auto& [name, value] : reply->headers) {
    Require(!name.empty() && name == http::Lower(name), "a header has a name in lower case");
    Require((name + value).find_first_of("\r\n") == std::string::npos, "a header has one line");
    again += name + ": " + value + "\r\n";
  }
  const auto twice = http::ParseHead(again + "\r\n");
  Require(twice.has_value() && twice->status == reply->status && twice->headers == reply->headers,
          "what was read reads the same again");
  Require(lines.status == reply->status && lines.headers == reply->headers,
          "a head by the book is the sum of its lines");
  const auto bytes = http::BodyBytes(*reply);
  Require(!bytes.has_value() || !reply->headers.contains("transfer-encoding"),
          "a body in chunks has no length");
}

}  // namespace varve::fuzz
