// Runs one program, without a shell, and reads what it prints. For credential_process.
#pragma once

#include <string>
#include <vector>

#include "varve/exec/op_context.h"
#include "varve/result.h"

namespace varve::store {

// The words of a command line, with the quotes and backslashes of a POSIX shell and nothing else
// of it. kInvalidArgument for a quote that does not end.
Result<std::vector<std::string>> SplitCommand(const std::string& line);

// Standard output, at most `bytes_max`. Standard input is empty and standard error is dropped: it
// may hold a secret. kPermissionDenied when the program cannot start, fails or prints too much;
// kTimeout, kCancelled: it is killed. Leaves no process behind.
Result<std::string> RunCommand(const OpContext& ctx, const std::vector<std::string>& words,
                               size_t bytes_max);

}  // namespace varve::store
