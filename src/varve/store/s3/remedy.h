// What a refusal asks the client to change before it sends the same request once more. Pure.
//
// A remedy answers only refusals that say that nothing was done, so that also a Cas may be sent
// again. None of them ever leads to another host than the endpoint's, or AWS's own for a region.
#pragma once

#include <cstdint>
#include <string>

#include "varve/http/transport.h"
#include "varve/store/s3/config.h"

namespace varve::store {

struct SentRequest {
  std::string region;
  int64_t signed_at_ms = 0;  // As the signature says.
  Checksum checksum = Checksum::kNone;
  bool head = false;       // Its refusals come without a body.
  bool renewable = false;  // The credentials expire, so that newer ones may exist.
};

struct Remedy {
  enum class Kind : uint8_t {
    kNone,
    kRegion,       // Sign for `region`.
    kAskWhy,       // A HEAD that is refused says not why; a GET will.
    kClock,        // Sign with the server's clock, `clock_offset_ms` from that of the signature.
    kCredentials,  // Ask for newer ones.
    kChecksum,     // The server does not know this checksum; step down to `checksum`.
  };
  Kind kind = Kind::kNone;
  std::string region;
  int64_t clock_offset_ms = 0;
  Checksum checksum = Checksum::kNone;
};

Remedy RemedyFor(const http::Reply& reply, const SentRequest& sent);

}  // namespace varve::store
