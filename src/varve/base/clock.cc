#include "varve/base/clock.h"

#include <chrono>
#include <thread>

namespace varve {
namespace {

class OsClock final : public Clock {
 public:
  int64_t WallMs() const override {
    using namespace std::chrono;
    return duration_cast<milliseconds>(system_clock::now().time_since_epoch()).count();
  }
  int64_t SteadyNs() const override {
    using namespace std::chrono;
    return duration_cast<nanoseconds>(steady_clock::now().time_since_epoch()).count();
  }
  void SleepUntil(int64_t steady_ns) override {
    const int64_t left_ns = steady_ns - SteadyNs();
    if (left_ns > 0) std::this_thread::sleep_for(std::chrono::nanoseconds(left_ns));
  }
};

}  // namespace

Clock& SystemClock() {
  static OsClock clock;
  return clock;
}

}  // namespace varve
