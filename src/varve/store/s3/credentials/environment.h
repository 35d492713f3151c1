// The environment variables as a function, so that tests bring their own. Threads: the process's
// own must not be changed while others read it.
#pragma once

#include <functional>
#include <initializer_list>
#include <string>

namespace varve::store {

using Environment = std::function<std::string(const std::string& name)>;  // "" when unset.

Environment ProcessEnvironment();

// The first of the variables that is set.
std::string FirstSet(const Environment& environment, std::initializer_list<const char*> names);

bool IsTrue(const std::string& text);  // "true", in any case, as the AWS tools read a switch.

}  // namespace varve::store
