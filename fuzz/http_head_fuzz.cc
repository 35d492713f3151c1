#include "targets.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  varve::fuzz::FuzzHttpHead({reinterpret_cast<const std::byte*>(data), size});
  return 0;
}
