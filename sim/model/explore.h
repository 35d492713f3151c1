// Breadth first over every state that the machine can reach: the first violation found is a
// shortest one. Memory: about 90 bytes per state.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "model.h"

namespace varve::model {

struct Outcome {
  uint64_t states = 0;
  bool complete = false;           // Every reachable state was seen.
  std::string violation;           // Empty: none.
  std::vector<std::string> trace;  // The steps that lead to it.
};
Outcome Explore(const Config& config, uint64_t states_max);

}  // namespace varve::model
