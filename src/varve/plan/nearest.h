// The name a person probably meant. Pure.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace varve::plan {

// The closest of `names` by edit distance, or "" when none is near enough to be a slip.
std::string Nearest(std::string_view wanted, const std::vector<std::string>& names);

}  // namespace varve::plan
