// HTTP/1.1 requests over kept-alive connections, on libcurl. Knows no S3.
//
// The body is sent from the caller's memory and the reply lands in the caller's memory, is handed
// on in pieces, or lies in `body` up to body_bytes_max; of a reply that is not 2xx only the first
// kErrorBodyBytesMax are kept. No redirect is followed. TLS is verified.
//
// Nothing is retried, with three exceptions. A read into a pipe or an upload over plain HTTP that
// does not go by the book is asked once more by libcurl (plain_exchange.h). A kept connection that
// turns out dead before any answer is replaced by libcurl, and not even that when `once` is set.
// And a GET that is later than nearly all others is asked a second time beside the first, on a new
// connection and another address; the first good answer counts, the other is dropped
// (plan/latency.h). A PUT whose answer is later than nearly all others after its body left is ended
// with kUnavailable, so that the caller repeats it.
//
// Connections go to all addresses of a name in turn; an address that fails rests (address_book.h).
// Memory: each request under way holds kBufferedBytesPerRequest here, hedges kHedgeBytesMax in all.
// Threads: any; a call takes one connection from a bounded pool. Cancel and deadline reach the
// socket at once. A forked child is refused (kUnsupported) and harms no connection of its parent.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "varve/base/bytes.h"
#include "varve/exec/op_context.h"
#include "varve/result.h"

namespace varve::http {

inline constexpr size_t kErrorBodyBytesMax = 64 * kKiB;
inline constexpr size_t kReceiveBufferBytes = 512 * kKiB, kSendBufferBytes = 512 * kKiB;
// A request sends or receives; the rest is libcurl's and OpenSSL's own.
inline constexpr size_t kBufferedBytesPerRequest = kReceiveBufferBytes + kSendBufferBytes;
inline constexpr size_t kHedgeBytesMax = 64 * kMiB;

struct Request {
  std::string method;  // "GET", "HEAD", "PUT", "POST", "DELETE"
  std::string url;
  std::vector<std::pair<std::string, std::string>> headers;
  ByteView body;         // Must stay until the return.
  MutableByteView into;  // Not empty: a 206 or 200 body goes here; more than fits is an error.
  // Set: a 206 or 200 body of at most take_bytes is handed here in pieces, from its start on. They
  // may come once more from the start, when a second request wins; the last ones count. Its error
  // ends the request and is what Send returns.
  std::function<Status(uint64_t at, ByteView piece)> take = {};
  // Beside `take`, where bytes can come without passing through this process: takes exactly `bytes`
  // out of the pipe. Which of the two is called is the transport's choice, request by request.
  std::function<Status(uint64_t at, int pipe, uint64_t bytes)> take_pipe = {};
  uint64_t take_bytes = 0;
  // Called in this thread when all but the last byte of the body has been handed to the socket, and
  // may block there: a probe lets several requests end at one moment. Neither cancel nor deadline
  // end the call meanwhile.
  std::function<void()> before_last_byte = {};
  uint64_t body_bytes_max = 64 * kMiB;
  bool once = false;           // Reaches the server at most once.
  bool direct = false;         // Past any proxy: the address is this machine's own.
  std::string id_header = {};  // The reply header that names the request, for errors.
};

struct Reply {
  int status = 0;
  std::map<std::string, std::string> headers;  // Names in lower case.
  Bytes body;                                  // When `into` was empty, or the status is not 2xx.
  uint64_t into_bytes = 0;                     // Written to `into`, or taken.
  std::string Header(const std::string& name) const;
};

// Since the transport was made.
struct TransportStats {
  uint64_t requests = 0, connections = 0;
  uint64_t sent_bytes = 0, received_bytes = 0;  // Of bodies.
  uint64_t copied_bytes = 0;                    // Of bodies, between libcurl's memory and others'.
  uint64_t hedges = 0, hedges_won = 0, cut_offs = 0;
};

struct TransportOptions {
  std::string ca_bundle;     // A file of authorities, before those of environment and system.
  uint32_t connections = 8;  // How many requests are expected at once.
  // Without one byte of an answer for so long a host that never gave one is taken for the wrong
  // one; 0: not before its connection counts as dead.
  int64_t first_answer_ms = 0;
  // The addresses of a name; empty: the system's (resolve.h).
  std::function<Result<std::vector<std::string>>(const OpContext& ctx, const std::string& host)>
      resolve;
};

struct HostState;

class Transport {
 public:
  explicit Transport(TransportOptions options = {});
  ~Transport();
  Transport(const Transport&) = delete;
  Transport& operator=(const Transport&) = delete;

  // Errors: kUnavailable with cause and host when no whole reply came (the request may have been
  // served); kInvalidArgument for a name, address or certificate that cannot work;
  // kResourceExhausted for a reply above the caps; kUnsupported in a forked child; kCancelled,
  // kTimeout. `maybe_sent`: false after an error only if no byte of the request can have reached
  // the server.
  Result<Reply> Send(const OpContext& ctx, const Request& request, bool* maybe_sent = nullptr);

  TransportStats stats() const;
  double WaitShare() const;  // Of the requests of lately; see plan::WaitShare.

 private:
  friend class Race;
  struct Impl;
  std::optional<Result<Reply>> SendPlain(const OpContext& ctx, const Request& request,
                                         HostState& host,
                                         const std::vector<std::string>& addresses);
  std::unique_ptr<Impl> impl_;
};

}  // namespace varve::http
