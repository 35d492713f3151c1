#include "varve/testing/wire/wire.h"

#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <span>

namespace varve::wire {
namespace {

constexpr size_t kHeadBytesMax = 128 * 1024;
constexpr uint64_t kBodyBytesMax = uint64_t{1} << 30;

bool Fill(Peer& peer) {
  char piece[64 * 1024];
  const ssize_t got = recv(peer.socket, piece, sizeof piece, 0);
  if (got <= 0) return false;
  peer.ahead.append(piece, static_cast<size_t>(got));
  return true;
}

// A line without its end; none when the peer closed.
std::optional<std::string> ReadLine(Peer& peer) {
  size_t end = 0;
  while ((end = peer.ahead.find("\r\n")) == std::string::npos) {
    if (peer.ahead.size() > kHeadBytesMax || !Fill(peer)) return std::nullopt;
  }
  std::string line = peer.ahead.substr(0, end);
  peer.ahead.erase(0, end + 2);
  return line;
}

}  // namespace

std::optional<Message> ReadHead(Peer& peer) {
  Message message;
  const auto start = ReadLine(peer);
  if (!start.has_value()) return std::nullopt;
  message.start = *start;
  for (;;) {
    const auto line = ReadLine(peer);
    if (!line.has_value()) return std::nullopt;
    if (line->empty()) return message;
    const size_t colon = line->find(':');
    if (colon == std::string::npos) return std::nullopt;
    const size_t value = line->find_first_not_of(" \t", colon + 1);
    message.headers.emplace_back(line->substr(0, colon),
                                 value == std::string::npos ? "" : line->substr(value));
  }
}

bool ReadInto(Peer& peer, MutableByteView into) {
  const size_t known = std::min(into.size(), peer.ahead.size());
  if (known > 0) std::memcpy(into.data(), peer.ahead.data(), known);
  peer.ahead.erase(0, known);
  for (into = into.subspan(known); !into.empty();) {
    const ssize_t got = recv(peer.socket, into.data(), into.size(), 0);
    if (got <= 0) return false;
    into = into.subspan(static_cast<size_t>(got));
  }
  return true;
}

bool ReadBytes(Peer& peer, Message& message, uint64_t count) {
  if (count > kBodyBytesMax) return false;
  const size_t before = message.body.size();
  message.body.resize(before + count);
  const std::span<char> room = std::span(message.body).subspan(before);
  return ReadInto(peer, std::as_writable_bytes(room));
}

uint64_t BodyBytes(const Message& message) {
  const std::string* length = message.Find("content-length");
  return length == nullptr ? 0 : std::strtoull(length->c_str(), nullptr, 10);
}

bool ReadAnswerBody(Peer& peer, const std::string& method, Message& answer) {
  const int status = answer.status();
  if (method == "HEAD" || status == 204 || status == 304 || status < 200) return true;
  const std::string* coding = answer.Find("transfer-encoding");
  if (coding != nullptr && coding->find("chunked") != std::string::npos) {
    for (;;) {
      const auto line = ReadLine(peer);
      if (!line.has_value()) return false;
      const uint64_t bytes = std::strtoull(line->c_str(), nullptr, 16);
      if (!ReadBytes(peer, answer, bytes) || !ReadLine(peer).has_value()) return false;
      if (bytes == 0) break;
    }
    answer.Drop("transfer-encoding");
    answer.Set("Content-Length", std::to_string(answer.body.size()));
    return true;
  }
  if (answer.Find("content-length") != nullptr) return ReadBytes(peer, answer, BodyBytes(answer));
  while (Fill(peer)) {
  }
  answer.body += peer.ahead;
  peer.ahead.clear();
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

Result<std::pair<int, uint16_t>> ListenOnLoopback(uint16_t port, int backlog) {
  const int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const int on = 1;
  setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(port);
  socklen_t length = sizeof address;
  if (listener < 0 || bind(listener, reinterpret_cast<sockaddr*>(&address), length) != 0 ||
      listen(listener, backlog) != 0 ||
      getsockname(listener, reinterpret_cast<sockaddr*>(&address), &length) != 0) {
    if (listener >= 0) close(listener);
    return Error(ErrorCode::kUnavailable, "cannot listen on port " + std::to_string(port));
  }
  return std::pair(listener, ntohs(address.sin_port));
}

void Reset(int socket) {
  const linger now{.l_onoff = 1, .l_linger = 0};
  setsockopt(socket, SOL_SOCKET, SO_LINGER, &now, sizeof now);
}

}  // namespace varve::wire
