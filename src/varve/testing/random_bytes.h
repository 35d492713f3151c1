// Bytes that no codec shortens, equal for equal seeds. Threads: any.
#pragma once

#include <cstddef>
#include <cstdint>

#include "varve/base/bytes.h"
#include "varve/base/random.h"

namespace varve {

inline Bytes RandomBytes(size_t bytes, uint64_t seed) {
  SeededRandom random(seed);
  Bytes values(bytes);
  for (std::byte& each : values) each = static_cast<std::byte>(random.Next64());
  return values;
}

}  // namespace varve
