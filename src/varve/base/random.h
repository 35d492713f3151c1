// The only source of randomness: ids and nonces in production, a seed in tests and simulation.
//
// Threads: OsRandom may be called from any thread; SeededRandom belongs to one thread.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

namespace varve {

class Random {
 public:
  virtual ~Random() = default;
  virtual uint64_t Next64() = 0;
  // A generator of its own, decided by this one's seed and `label` alone.
  virtual std::unique_ptr<Random> Fork(std::string_view label) = 0;

  // Uniform in [low, high]. Requires low <= high.
  uint64_t Between(uint64_t low, uint64_t high);
  double Unit();         // Uniform in [0, 1).
  std::string Hex128();  // 32 lower-case hex letters: ids and nonces.
};

Random& OsRandom();  // The kernel's generator; aborts the process if it fails.

// xoshiro256** seeded by splitmix64 (Blackman and Vigna, 2018).
class SeededRandom final : public Random {
 public:
  explicit SeededRandom(uint64_t seed);
  uint64_t Next64() override;
  std::unique_ptr<Random> Fork(std::string_view label) override;

 private:
  uint64_t seed_;
  uint64_t state_[4];
};

}  // namespace varve
