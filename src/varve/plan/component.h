// Which component of a version a tensor or file belongs to (docs/retention.md, Components). Pure.
#pragma once

#include <string>
#include <string_view>

namespace varve::plan {

// "weights", "optimizer", "ema", "rng", "data", "grads", "logs", "scheduler", or the path's first
// folder as it is. Depends on the path alone, so every release and every program must agree.
std::string ComponentOf(std::string_view path, bool is_tensor);

}  // namespace varve::plan
