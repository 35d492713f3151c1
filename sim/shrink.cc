#include "sim/shrink.h"

#include "sim/world.h"

namespace varve::sim {
namespace {

constexpr int kRunsMax = 600;

class Shrinker {
 public:
  Shrinker(Config config, const std::string& what)
      : best_(config), rule_(what.substr(0, what.find(' '))) {}

  Config Run() {
    for (bool smaller = true; smaller && runs_ < kRunsMax;) {
      smaller = false;
      for (uint32_t bit = 0; bit < kActors; ++bit) smaller |= Without(&Config::actors, bit);
      for (uint32_t bit = 0; bit < kFaults; ++bit) smaller |= Without(&Config::faults, bit);
      while (best_.operations_max > 1) {
        Config next = best_;
        --next.operations_max;
        if (!Try(next)) break;
        smaller = true;
      }
      smaller |= Flag(&Config::heals) | Flag(&Config::deep_history);
      smaller |= FewerStrikes();
    }
    return best_;
  }

 private:
  bool Try(const Config& config) {
    if (runs_++ >= kRunsMax) return false;
    const Outcome outcome = World(config, false).Run();
    if (!outcome.failed || outcome.what.substr(0, outcome.what.find(' ')) != rule_) return false;
    best_ = config;
    strikes_ = outcome.strikes;
    return true;
  }
  bool Without(uint32_t Config::*mask, uint32_t bit) {
    if ((best_.*mask >> bit & 1) == 0) return false;
    Config next = best_;
    next.*mask &= ~(1U << bit);
    return Try(next);
  }
  bool Flag(bool Config::*flag) {
    if (!(best_.*flag)) return false;
    Config next = best_;
    next.*flag = false;
    return Try(next);
  }
  // Halves the window of faults from either side.
  bool FewerStrikes() {
    bool smaller = false;
    Config next = best_;
    next.strikes_until = std::min(next.strikes_until, strikes_);
    if (!Try(next)) return false;
    for (uint64_t step = best_.strikes_until - best_.strikes_from; step > 0; step /= 2) {
      next = best_;
      next.strikes_until -= std::min(step, next.strikes_until - next.strikes_from);
      if (step <= best_.strikes_until - best_.strikes_from && Try(next)) smaller = true;
      next = best_;
      next.strikes_from = std::min(next.strikes_from + step, next.strikes_until);
      if (next.strikes_from != best_.strikes_from && Try(next)) smaller = true;
    }
    return smaller;
  }

  Config best_;
  const std::string rule_;
  int runs_ = 0;
  uint64_t strikes_ = UINT64_MAX;
};

}  // namespace

Config Shrink(Config config, const std::string& what) { return Shrinker(config, what).Run(); }

}  // namespace varve::sim
