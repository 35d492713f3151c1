#include "targets.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t bytes) {
  varve::fuzz::FuzzPart({reinterpret_cast<const std::byte*>(data), bytes});
  return 0;
}
