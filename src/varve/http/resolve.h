// The addresses of a host name, asked of the system without blocking past a cancel.
#pragma once

#include <string>
#include <vector>

#include "varve/exec/op_context.h"
#include "varve/result.h"

namespace varve::http {

// Numeric addresses, IPv6 ones in brackets, in the system's order, each once. Errors: kUnavailable
// when the name has none or no answer came in kResolveTimeoutMs; kCancelled, kTimeout. Threads:
// any.
inline constexpr int64_t kResolveTimeoutMs = 3000;
Result<std::vector<std::string>> Resolve(const OpContext& ctx, const std::string& host);

// "10.0.0.1", "[::1]": nothing to resolve.
bool IsAddress(const std::string& host);

}  // namespace varve::http
