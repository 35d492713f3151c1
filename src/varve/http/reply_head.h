// The head of an HTTP/1.1 reply. Pure: what a hostile server says is judged here and fuzzed.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "varve/http/transport.h"

namespace varve::http {

inline constexpr uint64_t kHeadBytesMax = 64 * kKiB;

std::string Lower(std::string_view text);  // ASCII only.

// One line without regard to what ends it. A status line ("HTTP/1.1 200 OK") drops the headers that
// came before it: after "100 Continue" only the last reply counts.
void TakeHeadLine(std::string_view line, Reply& reply);

// A whole head, from the status line to the empty line. Nothing where it is not by the book:
// another version, a status that is none, a folded line, a line that is no header, two lengths.
std::optional<Reply> ParseHead(std::string_view head);

// How long the body behind that head is. Nothing where the head does not say so by a number.
std::optional<uint64_t> BodyBytes(const Reply& reply);

}  // namespace varve::http
