// Reading whole HTTP/1.1 messages from a socket, for the proxy. Threads: one per connection.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "varve/testing/liar/lies.h"

namespace varve::liar {

// One end of a connection, with what was read ahead of the message at hand.
struct Wire {
  int socket = -1;
  std::string ahead;
};

// The start line and headers. none: the peer closed, or sent something else.
std::optional<Message> ReadHead(Wire& wire);
// Appends `count` bytes of the body to `message`; false if the peer closed before.
bool ReadBytes(Wire& wire, Message& message, uint64_t count);
// The body of an answer to `method`, by its length, in chunks (which are undone) or to the end.
bool ReadAnswerBody(Wire& wire, const std::string& method, Message& answer);
uint64_t BodyBytes(const Message& message);  // Of Content-Length; 0 without.
bool SendAll(int socket, std::string_view bytes);
// Closes with a reset instead of an orderly end.
void Reset(int socket);

}  // namespace varve::liar
