#include "varve/testing/liar/wire.h"

#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>

namespace varve::liar {
namespace {

constexpr size_t kHeadBytesMax = 128 * 1024;
constexpr uint64_t kBodyBytesMax = uint64_t{1} << 30;

bool Fill(Wire& wire) {
  char piece[64 * 1024];
  const ssize_t got = recv(wire.socket, piece, sizeof piece, 0);
  if (got <= 0) return false;
  wire.ahead.append(piece, static_cast<size_t>(got));
  return true;
}

// A line without its end; none when the peer closed.
std::optional<std::string> ReadLine(Wire& wire) {
  size_t end = 0;
  while ((end = wire.ahead.find("\r\n")) == std::string::npos) {
    if (wire.ahead.size() > kHeadBytesMax || !Fill(wire)) return std::nullopt;
  }
  std::string line = wire.ahead.substr(0, end);
  wire.ahead.erase(0, end + 2);
  return line;
}

}  // namespace

std::optional<Message> ReadHead(Wire& wire) {
  Message message;
  const auto start = ReadLine(wire);
  if (!start.has_value()) return std::nullopt;
  message.start = *start;
  for (;;) {
    const auto line = ReadLine(wire);
    if (!line.has_value()) return std::nullopt;
    if (line->empty()) return message;
    const size_t colon = line->find(':');
    if (colon == std::string::npos) return std::nullopt;
    const size_t value = line->find_first_not_of(" \t", colon + 1);
    message.headers.emplace_back(line->substr(0, colon),
                                 value == std::string::npos ? "" : line->substr(value));
  }
}

bool ReadBytes(Wire& wire, Message& message, uint64_t count) {
  if (count > kBodyBytesMax) return false;
  while (count > 0) {
    if (wire.ahead.empty() && !Fill(wire)) return false;
    const size_t part = std::min<uint64_t>(count, wire.ahead.size());
    message.body.append(wire.ahead, 0, part);
    wire.ahead.erase(0, part);
    count -= part;
  }
  return true;
}

uint64_t BodyBytes(const Message& message) {
  const std::string* length = message.Find("content-length");
  return length == nullptr ? 0 : std::strtoull(length->c_str(), nullptr, 10);
}

bool ReadAnswerBody(Wire& wire, const std::string& method, Message& answer) {
  const int status = answer.status();
  if (method == "HEAD" || status == 204 || status == 304 || status < 200) return true;
  const std::string* coding = answer.Find("transfer-encoding");
  if (coding != nullptr && coding->find("chunked") != std::string::npos) {
    for (;;) {
      const auto line = ReadLine(wire);
      if (!line.has_value()) return false;
      const uint64_t bytes = std::strtoull(line->c_str(), nullptr, 16);
      if (!ReadBytes(wire, answer, bytes) || !ReadLine(wire).has_value()) return false;
      if (bytes == 0) break;
    }
    answer.Drop("transfer-encoding");
    answer.Set("Content-Length", std::to_string(answer.body.size()));
    return true;
  }
  if (answer.Find("content-length") != nullptr) return ReadBytes(wire, answer, BodyBytes(answer));
  while (Fill(wire)) {
  }
  answer.body += wire.ahead;
  wire.ahead.clear();
  answer.Set("Content-Length", std::to_string(answer.body.size()));
  return true;
}

bool SendAll(int socket, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t sent = send(socket, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent <= 0) return false;
    bytes.remove_prefix(static_cast<size_t>(sent));
  }
  return true;
}

void Reset(int socket) {
  const linger now{.l_onoff = 1, .l_linger = 0};
  setsockopt(socket, SOL_SOCKET, SO_LINGER, &now, sizeof now);
}

}  // namespace varve::liar
