// A request over plain HTTP that goes past libcurl: a read whose body goes from the socket into a
// pipe and from there to a file, or an upload whose body goes to the socket from where it lies.
//
// libcurl moves every byte through a buffer of its own: one copy more each way, and for a small
// object its bookkeeping costs more than the request (docs/performance.md). A pipe takes the
// socket's pages as they are.
//
// This is a way past libcurl for ordinary answers, not a second client. Whatever is out of the
// ordinary is not served: a connection that breaks, an answer in chunks or longer than was asked
// for, a read later than nearly all others. The caller then asks again by libcurl, which knows what
// to do. Only what may be asked twice comes here, and only where no proxy is set and the host has
// answered before.
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
  int64_t first_byte_ms = 0;  // Of a read: later than that is late; 0: not known.
  int64_t whole_ms = 0;       // The same of the whole answer.
  // Whether a read that is late may be asked again.
  std::function<bool()> may_ask_again;
  int64_t cut_off_ms = 0;  // Of an upload: no answer for so long after its body left; 0: no limit.
};

struct PlainResult {
  std::optional<Result<Reply>> reply;  // Nothing: not served, ask libcurl.
  bool odd = false;  // Not served since the answer is not by the book: others will not be, too.
  bool cut_off = false, silent = false;  // An upload ended by its limit, or by no sign of life.
  bool connected_anew = false;
  uint64_t sent_bytes = 0, received_bytes = 0, copied_bytes = 0;  // Of bodies.
  std::string address;
  int64_t begun_ns = 0;
  int64_t body_left_ns = 0;   // When the body was handed over, or seen to have left.
  int64_t first_byte_ns = 0;  // When the answer began; 0: it did not.
};

// Whether the request may come here at all.
bool ServedPlain(const Request& request);

// `addresses`: best first; empty where the host's name is one. Requires ServedPlain(request).
PlainResult ExchangePlain(const OpContext& ctx, const Request& request, HostState& host,
                          const std::vector<std::string>& addresses, const PlainLimits& limits);

}  // namespace varve::http
