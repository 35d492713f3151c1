// Makes a failing run small: fewer actors, fewer kinds of faults, fewer operations, and the fewest
// faults that still strike; as long as the same rule is broken.
#pragma once

#include <string>

#include "sim/faults.h"

namespace varve::sim {

// The first word of a violation is its rule.
Config Shrink(Config config, const std::string& what);

}  // namespace varve::sim
