// Reading whole HTTP/1.1 messages from a socket, and sending. Threads: one per connection.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>

#include "varve/base/bytes.h"
#include "varve/result.h"
#include "varve/testing/wire/message.h"

namespace varve::wire {

// One end of a connection, with what was read ahead of the message at hand.
struct Peer {
  int socket = -1;
  std::string ahead;
};

// The start line and headers. none: the peer closed, or sent something else.
std::optional<Message> ReadHead(Peer& peer);
// Fills `into`; false if the peer closed before.
bool ReadInto(Peer& peer, MutableByteView into);
// Appends `count` bytes of the body to `message`; false if the peer closed before.
bool ReadBytes(Peer& peer, Message& message, uint64_t count);
// The body of an answer to `method`, by its length, in chunks (which are undone) or to the end.
bool ReadAnswerBody(Peer& peer, const std::string& method, Message& answer);
uint64_t BodyBytes(const Message& message);  // Of Content-Length; 0 without.
bool SendAll(int socket, std::string_view bytes);
// A socket that listens on loopback, and the port it got; `port` 0: any free one. kUnavailable when
// it is taken. The caller closes it.
Result<std::pair<int, uint16_t>> ListenOnLoopback(uint16_t port, int backlog);
// Closes with a reset instead of an orderly end.
void Reset(int socket);

}  // namespace varve::wire
