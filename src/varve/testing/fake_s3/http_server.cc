#include "varve/testing/fake_s3/http_server.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <charconv>
#include <cstring>

namespace varve::fake {
namespace {

constexpr size_t kHeadBytesMax = 64 * kKiB;
constexpr uint64_t kBodyBytesMax = kGiB;
constexpr time_t kIdleSeconds = 20;

bool SendAll(int connection, ByteView bytes) {
  while (!bytes.empty()) {
    const ssize_t sent = send(connection, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent <= 0) return false;
    bytes = bytes.subspan(static_cast<size_t>(sent));
  }
  return true;
}

std::string Lower(std::string text) {
  for (char& letter : text) {
    if (letter >= 'A' && letter <= 'Z') letter = static_cast<char>(letter + 32);
  }
  return text;
}

bool ParseHead(const std::string& head, HttpRequest& request) {
  size_t end = head.find("\r\n");
  const std::string line = head.substr(0, end);
  const size_t first = line.find(' '), last = line.rfind(' ');
  if (first == std::string::npos || last <= first) return false;
  request.method = line.substr(0, first);
  request.target = line.substr(first + 1, last - first - 1);
  while (end + 2 < head.size()) {
    const size_t start = end + 2;
    end = head.find("\r\n", start);
    const std::string field = head.substr(start, end - start);
    const size_t colon = field.find(':');
    if (colon == std::string::npos) return false;
    const size_t value = field.find_first_not_of(" \t", colon + 1);
    const std::string name = Lower(field.substr(0, colon));
    if (request.headers.contains(name)) return false;
    request.headers[name] = value == std::string::npos ? "" : field.substr(value);
  }
  return true;
}

std::string HeadOf(const HttpReply& reply) {
  std::string head = "HTTP/1.1 " + std::to_string(reply.status) + " Fake\r\n";
  for (const auto& [name, value] : reply.headers) head += name + ": " + value + "\r\n";
  if (reply.status != 204 && reply.status != 304) {
    head += "Content-Length: " + std::to_string(reply.content_length.value_or(reply.body.size())) +
            "\r\n";
  }
  return head + "\r\n";
}

}  // namespace

Result<std::unique_ptr<HttpServer>> HttpServer::Start(uint16_t port, Handler handler) {
  const int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const int on = 1;
  setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(port);
  socklen_t length = sizeof address;
  if (listener < 0 || bind(listener, reinterpret_cast<sockaddr*>(&address), length) != 0 ||
      listen(listener, 128) != 0 ||
      getsockname(listener, reinterpret_cast<sockaddr*>(&address), &length) != 0) {
    if (listener >= 0) close(listener);
    return Error(ErrorCode::kUnavailable, "cannot listen on port " + std::to_string(port));
  }
  return std::unique_ptr<HttpServer>(
      new HttpServer(listener, ntohs(address.sin_port), std::move(handler)));
}

HttpServer::HttpServer(int listener, uint16_t port, Handler handler)
    : listener_(listener),
      port_(port),
      handler_(std::move(handler)),
      pool_({.name = "fake-s3",
             .threads = kConnectionsMax + 1,
             .queue_max = 1024,
             .background = false}) {
  static_cast<void>(pool_.Submit([this] { Accept(); }));
}

HttpServer::~HttpServer() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
    shutdown(listener_, SHUT_RDWR);
    for (const int connection : connections_) shutdown(connection, SHUT_RDWR);
  }
  pool_.Stop();
  close(listener_);
}

void HttpServer::Accept() {
  for (;;) {
    const int connection = accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
    const std::lock_guard lock(mutex_);
    if (connection < 0 && stopping_) return;
    if (connection < 0) continue;
    if (stopping_) {
      close(connection);
      return;
    }
    const int on = 1;
    setsockopt(connection, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    const timeval idle{.tv_sec = kIdleSeconds, .tv_usec = 0};
    setsockopt(connection, SOL_SOCKET, SO_RCVTIMEO, &idle, sizeof idle);
    setsockopt(connection, SOL_SOCKET, SO_SNDTIMEO, &idle, sizeof idle);
    connections_.insert(connection);
    if (!pool_.Submit([this, connection] { Serve(connection); }).ok())
      connections_.erase(connection);
  }
}

void HttpServer::Serve(int connection) {
  std::string read_ahead;
  for (bool open = true; open;) {
    size_t end = 0;
    while ((end = read_ahead.find("\r\n\r\n")) == std::string::npos &&
           read_ahead.size() < kHeadBytesMax) {
      char piece[16 * 1024];
      const ssize_t got = recv(connection, piece, sizeof piece, 0);
      if (got <= 0) break;
      read_ahead.append(piece, static_cast<size_t>(got));
    }
    if (end == std::string::npos) break;
    HttpRequest request;
    if (!ParseHead(read_ahead.substr(0, end + 2), request)) break;
    read_ahead.erase(0, end + 4);
    uint64_t body_bytes = 0;
    if (const auto found = request.headers.find("content-length"); found != request.headers.end()) {
      const char* last = found->second.data() + found->second.size();
      if (std::from_chars(found->second.data(), last, body_bytes).ptr != last) break;
    }
    if (body_bytes > kBodyBytesMax || request.headers.contains("transfer-encoding")) break;
    if (request.headers.contains("expect"))
      SendAll(connection, AsBytes("HTTP/1.1 100 Continue\r\n\r\n"));
    request.body.resize(body_bytes);
    size_t filled = std::min<size_t>(body_bytes, read_ahead.size());
    if (filled > 0) std::memcpy(request.body.data(), read_ahead.data(), filled);
    read_ahead.erase(0, filled);
    while (filled < body_bytes) {
      const ssize_t got = recv(connection, request.body.data() + filled, body_bytes - filled, 0);
      if (got <= 0) break;
      filled += static_cast<size_t>(got);
    }
    if (filled < body_bytes) break;
    const HttpReply reply = handler_(request);
    const bool lies = reply.content_length.has_value() && request.method != "HEAD";
    open = !reply.withheld && SendAll(connection, AsBytes(HeadOf(reply))) &&
           (request.method == "HEAD" || SendAll(connection, reply.body)) && !lies;
  }
  const std::lock_guard lock(mutex_);
  connections_.erase(connection);
  close(connection);
}

}  // namespace varve::fake
