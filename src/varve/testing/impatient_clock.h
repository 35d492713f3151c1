// Real time, except that nobody waits for it to pass: who sleeps wakes at once, that much later.
// For tests of what is retried and in which order, not of how long it takes. Threads: any.
#pragma once

#include <algorithm>
#include <atomic>

#include "varve/base/clock.h"
#include "varve/exec/op_context.h"

namespace varve {

class ImpatientClock final : public Clock {
 public:
  int64_t WallMs() const override { return SystemClock().WallMs(); }
  int64_t SteadyNs() const override { return SystemClock().SteadyNs() + skipped_ns_; }
  void SleepUntil(int64_t steady_ns) override {
    skipped_ns_ += std::max<int64_t>(0, steady_ns - SteadyNs());
  }

 private:
  std::atomic<int64_t> skipped_ns_{0};
};

inline OpContext ImpatientContext() {
  static ImpatientClock clock;
  return {clock, OsRandom()};
}

}  // namespace varve
