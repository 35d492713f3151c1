// What every operation carries: a deadline, a cancel token, a clock and a source of randomness.
//
// First parameter of everything that can wait. Children only shorten the time that is left.
// Threads: copy freely; a CancelToken may be cancelled from any thread, also from a signal watcher.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "varve/base/clock.h"
#include "varve/base/random.h"
#include "varve/result.h"

namespace varve {

// One-way switch shared by its copies.
class CancelToken {
 public:
  CancelToken();
  void Cancel();
  bool cancelled() const;
  // Blocks until cancelled or `timeout_ns` passed; true if cancelled.
  bool WaitFor(int64_t timeout_ns) const;
  // `callback` runs at once if already cancelled, else in the cancelling thread. The registration
  // ends when the returned handle dies; its destructor waits for a callback that is running in
  // another thread, so hold no lock there that the callback takes.
  class Registration;
  std::unique_ptr<Registration> OnCancel(std::function<void()> callback) const;

 private:
  struct State;
  std::shared_ptr<State> state_;
};

class CancelToken::Registration {
 public:
  Registration(std::shared_ptr<State> state, uint64_t id);
  ~Registration();
  Registration(const Registration&) = delete;
  Registration& operator=(const Registration&) = delete;

 private:
  std::shared_ptr<State> state_;
  uint64_t id_;
};

class OpContext {
 public:
  static constexpr int64_t kNoDeadline = INT64_MAX;

  OpContext();  // System clock, OS randomness, no deadline.
  OpContext(Clock& clock, Random& random, CancelToken cancel = {});

  Clock& clock() const { return *clock_; }
  Random& random() const { return *random_; }
  const CancelToken& cancel() const { return cancel_; }
  int64_t deadline_ns() const { return deadline_ns_; }  // In Clock::SteadyNs terms.
  int64_t LeftMs() const;                               // >= 0; INT64_MAX without a deadline.

  OpContext WithTimeout(int64_t timeout_ms) const;  // Never later than this context's deadline.

  // kCancelled or kTimeout when this operation should stop, else ok.
  Status Check() const;
  // Sleeps, waking early on cancel or deadline; the error says which.
  Status SleepMs(int64_t duration_ms) const;

 private:
  Clock* clock_;
  Random* random_;
  CancelToken cancel_;
  int64_t deadline_ns_ = kNoDeadline;
};

}  // namespace varve
