#include "varve/base/random.h"

#include <sys/random.h>

#include <bit>
#include <cassert>
#include <cstdlib>

namespace varve {
namespace {

uint64_t SplitMix(uint64_t& state) {
  uint64_t z = (state += 0x9e3779b97f4a7c15);
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
  z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
  return z ^ (z >> 31);
}

class KernelRandom final : public Random {
 public:
  uint64_t Next64() override {
    uint64_t value = 0;
    if (getrandom(&value, sizeof value, 0) != static_cast<ssize_t>(sizeof value)) std::abort();
    return value;
  }
  std::unique_ptr<Random> Fork(std::string_view) override {
    return std::make_unique<KernelRandom>();
  }
};

}  // namespace

uint64_t Random::Between(uint64_t low, uint64_t high) {
  assert(low <= high);
  const uint64_t span = high - low + 1;  // 0 means the whole range.
  if (span == 0) return Next64();
  const uint64_t limit = UINT64_MAX - (UINT64_MAX % span + 1) % span;
  uint64_t value = Next64();
  while (value > limit) value = Next64();
  return low + value % span;
}

double Random::Unit() { return static_cast<double>(Next64() >> 11) * 0x1p-53; }

std::string Random::Hex128() {
  constexpr char kHex[] = "0123456789abcdef";
  std::string text;
  for (int word = 0; word < 2; ++word) {
    uint64_t bits = Next64();
    for (int i = 0; i < 16; ++i, bits >>= 4) text += kHex[bits & 15];
  }
  return text;
}

Random& OsRandom() {
  static KernelRandom random;
  return random;
}

SeededRandom::SeededRandom(uint64_t seed) : seed_(seed) {
  uint64_t mix = seed;
  for (uint64_t& word : state_) word = SplitMix(mix);
}

uint64_t SeededRandom::Next64() {
  const uint64_t result = std::rotl(state_[1] * 5, 7) * 9;
  const uint64_t shifted = state_[1] << 17;
  state_[2] ^= state_[0];
  state_[3] ^= state_[1];
  state_[1] ^= state_[2];
  state_[0] ^= state_[3];
  state_[2] ^= shifted;
  state_[3] = std::rotl(state_[3], 45);
  return result;
}

std::unique_ptr<Random> SeededRandom::Fork(std::string_view label) {
  uint64_t mixed = seed_;
  for (const char letter : label) {
    mixed ^= static_cast<unsigned char>(letter);
    mixed = SplitMix(mixed);
  }
  return std::make_unique<SeededRandom>(mixed);
}

}  // namespace varve
