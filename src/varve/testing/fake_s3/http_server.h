// A small blocking HTTP/1.1 server on loopback: a handler for each whole request, kept connections,
// and replies that can be cut short or withheld. For tests only: at most kConnectionsMax at a time.
// Threads: the handler runs in many at once.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "varve/base/bytes.h"
#include "varve/exec/parallel.h"

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
  static constexpr uint32_t kConnectionsMax = 64;
  using Handler = std::function<HttpReply(const HttpRequest&)>;

  // `port` 0: any free one. kUnavailable when it is taken.
  static Result<std::unique_ptr<HttpServer>> Start(uint16_t port, Handler handler);
  ~HttpServer();
  uint16_t port() const { return port_; }

 private:
  HttpServer(int listener, uint16_t port, Handler handler);
  void Accept();
  void Serve(int connection);

  const int listener_;
  const uint16_t port_;
  const Handler handler_;
  std::mutex mutex_;
  bool stopping_ = false;      // Guarded by mutex_.
  std::set<int> connections_;  // Guarded by mutex_.
  ThreadPool pool_;            // Last: its threads use the rest.
};

}  // namespace varve::fake
