// What the operating system refuses, as an Error: the one table from errno to our codes.
// Pure; any thread.
#pragma once

#include <cerrno>
#include <string>
#include <string_view>

#include "varve/error.h"

namespace varve {

// "cannot write 'out/model': No space left on device; free space and try again". `operation` is a
// verb with its object's kind where that helps ("make folder"), `path` what it was applied to.
Error ErrnoError(int number, std::string_view operation, std::string_view path);

// `call` again and again while a signal interrupts it.
template <typename Call>
auto Uninterrupted(const Call& call) {
  auto result = call();
  while (result < 0 && errno == EINTR) result = call();
  return result;
}

}  // namespace varve
