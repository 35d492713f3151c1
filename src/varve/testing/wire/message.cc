#include "varve/testing/wire/message.h"

#include <cstdlib>

namespace varve::wire {

std::string Lower(std::string_view text) {
  std::string lower(text);
  for (char& letter : lower) {
    if (letter >= 'A' && letter <= 'Z') letter = static_cast<char>(letter + 32);
  }
  return lower;
}

const std::string* Message::Find(std::string_view name) const {
  for (const auto& [mine, value] : headers) {
    if (Lower(mine) == Lower(name)) return &value;
  }
  return nullptr;
}

void Message::Drop(std::string_view name) {
  std::erase_if(headers, [&](const auto& each) { return Lower(each.first) == Lower(name); });
}

void Message::Set(const std::string& name, std::string value) {
  Drop(name);
  headers.emplace_back(name, std::move(value));
}

int Message::status() const { return start.size() < 12 ? 0 : std::atoi(start.c_str() + 9); }

std::string Message::Bytes() const {
  std::string bytes = start + "\r\n";
  bool length = false;
  for (const auto& [name, value] : headers) {
    length = length || Lower(name) == "content-length";
    bytes += name + ": " + value + "\r\n";
  }
  const int code = status();
  if (!length && code != 204 && code != 304)
    bytes += "Content-Length: " + std::to_string(body.size()) + "\r\n";
  return bytes + "\r\n" + body;
}

}  // namespace varve::wire
