// The head of an HTTP/1.1 reply, line by line. Pure.
#pragma once

#include <string>
#include <string_view>

#include "varve/http/transport.h"

namespace varve::http {

inline constexpr uint64_t kHeadBytesMax = 64 * kKiB;

std::string Lower(std::string_view text);  // ASCII only.

// One line without regard to what ends it. A status line ("HTTP/1.1 200 OK") drops the headers that
// came before it: after "100 Continue" only the last reply counts.
void TakeHeadLine(std::string_view line, Reply& reply);

}  // namespace varve::http
