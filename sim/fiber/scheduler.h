// One thread, many fibers, virtual time, one seed.
//
// A fiber runs until it waits; then the seed chooses among those that are ready. Time stands still
// while any is ready and then jumps to the next timer. Fibers belong to a Process: what one
// operating-system process would hold. Killing a process does not unwind its fibers: from then on
// its seams do nothing and answer kCancelled, so that its code runs to its end as errors pass up,
// and nothing it does is seen by anyone. That needs no exception in code that has none.
// Invariant: the same seed and the same calls give the same order. Threads: one.
#pragma once

#include <boost/context/fiber.hpp>
#include <cstdint>
#include <functional>
#include <memory>
#include <queue>
#include <string>
#include <vector>

#include "varve/base/random.h"
#include "varve/exec/op_context.h"

namespace varve::sim {

class Scheduler;
struct Process;

struct Fiber {
  uint32_t number = 0;
  Process* process = nullptr;
  std::function<void()> body;
  boost::context::fiber context, scheduler;
  uint64_t parked = 0;   // Counts parks, so that a late timer wakes nobody.
  bool waiting = false;  // Parked, and not yet made ready.
  bool in_seam = false;  // Parked in a store call or a sleep: a kill ends the wait.
  bool finished = false;
  Fiber* next = nullptr;  // In the list of whatever it waits for.
  std::vector<Fiber*> joiners;
};

// First in, first out; a fiber waits in one list at most.
class WaitList {
 public:
  void Push(Fiber* fiber);
  Fiber* Pop();  // Null when empty.
  void Remove(Fiber* fiber);

 private:
  Fiber* first_ = nullptr;
  Fiber* last_ = nullptr;
};

// A clock of its own: wall time is off by a skew that may jump.
class ProcessClock final : public Clock {
 public:
  ProcessClock(Scheduler& scheduler, int64_t skew_ms) : skew_ms_(skew_ms), scheduler_(scheduler) {}
  int64_t WallMs() const override;
  int64_t SteadyNs() const override;
  void SleepUntil(int64_t steady_ns) override;
  int64_t skew_ms_;

 private:
  Scheduler& scheduler_;
};

struct Process {
  Process(Scheduler& scheduler, uint32_t process_number, std::string process_name,
          std::unique_ptr<Random> process_random, int64_t skew_ms);
  OpContext Context() { return OpContext(clock, *random, cancel); }

  uint32_t number;
  std::string name;
  std::unique_ptr<Random> random;
  ProcessClock clock;
  CancelToken cancel;
  bool dead = false;
  int32_t role = -1;  // Of whoever starts it; means nothing here.
};

class Scheduler {
 public:
  explicit Scheduler(std::unique_ptr<Random> random);
  ~Scheduler();
  static Scheduler* Current();  // Of the run that is going on.

  Process& NewProcess(std::string name, std::unique_ptr<Random> random, int64_t skew_ms);
  Fiber* Spawn(Process& process, std::function<void()> body);
  void Kill(Process& process);

  // Runs until nothing is left to do, `stop` says so (asked between steps), or `switches_max`.
  // False: the limit was hit.
  bool Run(uint64_t switches_max, const std::function<bool()>& stop);

  // Inside a fiber. Park returns when Wake is called, or at `until_ns` (< 0: never).
  Fiber* current() const { return current_; }
  void Park(int64_t until_ns, bool in_seam);
  void Wake(Fiber* fiber);  // Nothing, when it does not wait.
  void Yield();             // Lets the seed choose again.

  // A call at a later time, outside of every fiber.
  class Timer {
   public:
    virtual ~Timer() = default;
    virtual void Fire(uint32_t what) = 0;
  };
  void At(int64_t time_ns, std::shared_ptr<Timer> timer, uint32_t what);

  int64_t now_ns() const { return now_ns_; }
  uint64_t switches() const { return switches_; }
  uint32_t unfinished() const { return unfinished_; }
  const std::vector<std::unique_ptr<Process>>& processes() const { return processes_; }

 private:
  struct Event {
    int64_t time_ns;
    uint64_t tie;  // From the seed: events of one moment come in any order.
    uint64_t order;
    Fiber* fiber;  // Or the timer.
    uint64_t parked;
    std::shared_ptr<Timer> timer;
    uint32_t what;
    bool operator>(const Event& other) const {
      if (time_ns != other.time_ns) return time_ns > other.time_ns;
      return tie != other.tie ? tie > other.tie : order > other.order;
    }
  };
  void Switch(Fiber* fiber);
  void Push(Event event);

  std::unique_ptr<Random> random_;
  int64_t now_ns_ = 1'000'000'000;
  uint64_t switches_ = 0, order_ = 0;
  uint32_t unfinished_ = 0;
  Fiber* current_ = nullptr;
  std::vector<Fiber*> ready_;
  std::vector<Event> events_;  // A heap, earliest first.
  std::vector<std::unique_ptr<Fiber>> fibers_;
  std::vector<std::unique_ptr<Process>> processes_;
};

}  // namespace varve::sim
