// The only source of time. Protocol code never decides safety by it; it only decides when to try.
//
// Threads: every method may be called from any thread.
#pragma once

#include <cstdint>

namespace varve {

class Clock {
 public:
  virtual ~Clock() = default;
  virtual int64_t WallMs() const = 0;    // Milliseconds since 1970-01-01 UTC; may jump.
  virtual int64_t SteadyNs() const = 0;  // Never goes back; only differences mean anything.
  // Blocks the calling thread (in simulation: the calling fiber) until SteadyNs() >= steady_ns.
  // Sleep through OpContext::SleepMs where a cancel must wake the sleeper.
  virtual void SleepUntil(int64_t steady_ns) = 0;
};

Clock& SystemClock();

}  // namespace varve
