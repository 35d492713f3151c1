// The three things a thread can wait on: a Mutex, a CondVar, the end of a Thread.
//
// Everything in Varve that blocks is written over these, over Clock and over a seam such as
// ObjectStore. Their definitions (sync.cc) are chosen when a program is linked: the operating
// system's threads in the product, fibers under a seeded scheduler in the simulator (sim/fiber/).
// The objects above are the same in both.
// Invariants: as of std::mutex and std::condition_variable; not recursive. Threads: any.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>

namespace varve {

class Mutex {  // For std::lock_guard and std::unique_lock.
 public:
  Mutex();
  ~Mutex();
  Mutex(const Mutex&) = delete;
  Mutex& operator=(const Mutex&) = delete;
  void lock();
  void unlock();

 private:
  friend class CondVar;
  alignas(std::max_align_t) std::byte storage_[48];
};

class CondVar {
 public:
  CondVar();
  ~CondVar();
  CondVar(const CondVar&) = delete;
  CondVar& operator=(const CondVar&) = delete;
  void NotifyOne();
  void NotifyAll();
  template <typename Predicate>
  void Wait(std::unique_lock<Mutex>& lock, const Predicate& predicate) {
    while (!predicate()) WaitOnce(*lock.mutex(), -1);
  }
  // May wake early; the caller looks at what it waits for. Requires timeout_ns >= 0.
  void WaitFor(std::unique_lock<Mutex>& lock, int64_t timeout_ns) {
    WaitOnce(*lock.mutex(), timeout_ns);
  }

 private:
  void WaitOnce(Mutex& mutex, int64_t timeout_ns);  // < 0: without an end.
  alignas(std::max_align_t) std::byte storage_[64];
};

// A thread that runs `body`. Join it before it dies.
class Thread {
 public:
  struct Options {
    std::string name = "varve";  // At most 15 letters reach the kernel.
    bool background = false;     // Lowest priority: a wish.
  };
  Thread(Options options, std::function<void()> body);
  ~Thread();
  Thread(Thread&& other) noexcept;
  Thread& operator=(Thread&&) = delete;
  void Join();                  // Idempotent.
  static uint64_t CurrentId();  // Of the caller; never 0.

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace varve
