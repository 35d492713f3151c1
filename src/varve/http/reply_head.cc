#include "varve/http/reply_head.h"

#include <cstdlib>

namespace varve::http {

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

}  // namespace varve::http
