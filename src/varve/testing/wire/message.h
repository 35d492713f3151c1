// One HTTP/1.1 request or answer, its headers as they came. Threads: a plain value.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace varve::wire {

std::string Lower(std::string_view text);  // ASCII only.

struct Message {
  std::string start;  // "PUT /bucket/key HTTP/1.1" or "HTTP/1.1 200 OK"
  std::vector<std::pair<std::string, std::string>> headers;  // As they came.
  std::string body;

  const std::string* Find(std::string_view name) const;  // Without regard to case.
  void Set(const std::string& name, std::string value);
  void Drop(std::string_view name);
  int status() const;  // Of an answer.
  std::string Bytes() const;
};

}  // namespace varve::wire
