// A read over plain HTTP whose body goes from the socket into a pipe and from there to a file,
// without passing through the memory of this process.
//
// libcurl reads every byte into a buffer of its own, and the file's write copies it out again: two
// copies and nothing else are what such a read costs. A pipe takes the socket's pages as they are,
// so that one is left (0.57 against 0.9 CPU seconds per GB; docs/performance.md).
//
// This is a way past libcurl for ordinary answers, not a second client. Whatever is out of the
// ordinary is not served: a connection that breaks, an answer in chunks or longer than was asked
// for, one later than nearly all others. The caller then asks again by libcurl, which knows what
// to do. Only reads come here, and only where no proxy is set and the host has answered before.
//
// Not for other folders. Threads: any. Cancel and deadline reach the socket at once.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "varve/exec/op_context.h"
#include "varve/http/pool.h"
#include "varve/http/transport.h"

namespace varve::http {

struct PlainLimits {
  int64_t first_byte_ms = 0;  // Later than that is late; 0: not known.
  int64_t whole_ms = 0;       // The same of the whole answer.
  // Whether one that is late may be asked again.
  std::function<bool()> may_ask_again;
};

struct PlainResult {
  std::optional<Result<Reply>> reply;  // Nothing: not served, ask libcurl.
  bool connected_anew = false;
  uint64_t received_bytes = 0;  // Of a body.
  int64_t first_byte_ns = 0;    // When the answer began; 0: it did not.
};

// `addresses`: best first; empty where the host's name is one. Requires request.take_pipe.
PlainResult ReadPlain(const OpContext& ctx, const Request& request, HostState& host,
                      const std::vector<std::string>& addresses, const PlainLimits& limits);

}  // namespace varve::http
