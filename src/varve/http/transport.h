// One HTTP/1.1 request at a time over kept-alive connections, on libcurl. Knows no S3.
//
// The body is sent from the caller's memory and the reply lands in the caller's memory, or in
// `body` up to body_bytes_max; of a reply that is not 2xx only the first kErrorBodyBytesMax are
// kept. No redirect is followed. Nothing is retried, but for a kept connection that turns out dead
// before any answer, and not even then when `once` is set. TLS is verified. Threads: any; each call
// takes one connection from a bounded pool. Cancel and deadline reach the socket at once.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "varve/base/bytes.h"
#include "varve/exec/op_context.h"
#include "varve/result.h"

namespace varve::http {

inline constexpr size_t kErrorBodyBytesMax = 64 * kKiB;

struct Request {
  std::string method;  // "GET", "HEAD", "PUT", "POST", "DELETE"
  std::string url;
  std::vector<std::pair<std::string, std::string>> headers;
  ByteView body;         // Must stay until the return.
  MutableByteView into;  // Not empty: a 206 or 200 body goes here; more than fits is an error.
  uint64_t body_bytes_max = 64 * kMiB;
  bool once = false;  // Reaches the server at most once.
};

struct Reply {
  int status = 0;
  std::map<std::string, std::string> headers;  // Names in lower case.
  Bytes body;                                  // When `into` was empty, or the status is not 2xx.
  uint64_t into_bytes = 0;                     // Written to `into`.
  std::string Header(const std::string& name) const;
};

class Transport {
 public:
  Transport();
  ~Transport();
  // Errors: kUnavailable with cause and host when no whole reply came (the request may have been
  // served); kInvalidArgument for a name, address or certificate that cannot work;
  // kResourceExhausted for a reply above the caps; kCancelled, kTimeout. `maybe_sent`: false after
  // an error only if no byte of the request can have reached the server.
  Result<Reply> Send(const OpContext& ctx, const Request& request, bool* maybe_sent = nullptr);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace varve::http
