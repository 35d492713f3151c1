// A small blocking HTTP/1.1 server on loopback: a handler for each whole request, kept connections,
// and replies that can be cut short or withheld. For tests only.
// Threads: the handler runs in many at once.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "varve/base/bytes.h"
#include "varve/testing/wire/listener.h"

namespace varve::fake {

struct HttpRequest {
  std::string method, target;
  std::map<std::string, std::string> headers;  // Names in lower case.
  Bytes body;
};

struct HttpReply {
  int status = 200;
  std::vector<std::pair<std::string, std::string>> headers;
  std::shared_ptr<const Bytes> owner;  // Keeps `body` alive.
  ByteView body;
  std::optional<uint64_t> content_length;  // Instead of the body's: for HEAD, or to lie.
  bool withheld = false;                   // Close the connection without an answer.
};

class HttpServer {
 public:
  using Handler = std::function<HttpReply(const HttpRequest&)>;

  // `port` 0: any free one. kUnavailable when it is taken.
  static Result<std::unique_ptr<HttpServer>> Start(uint16_t port, Handler handler);
  uint16_t port() const { return listener_->port(); }

 private:
  explicit HttpServer(Handler handler) : handler_(std::move(handler)) {}
  void Serve(int socket);

  const Handler handler_;
  std::unique_ptr<wire::Listener> listener_;  // Last: its threads use the rest.
};

}  // namespace varve::fake
