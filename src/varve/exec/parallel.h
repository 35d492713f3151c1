// Bounded threads. No other code of Varve starts one.
//
// ThreadPool: named threads over a bounded queue, never fewer than before; Stop() drains and joins.
// Threads of the lowest priority may get no processor at all on a busy machine: who waits for
// what they do holds a Hurry, and another pool works on their queue as well.
// ParallelFor: runs fn(0..n-1) with at most `limit` at once, in the caller and in pool threads;
// stops handing out indices after the first error and returns it (the lowest index that failed).
// Threads: both may be used from any thread; a task must not wait for a task of its own pool.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "varve/exec/op_context.h"
#include "varve/result.h"

namespace varve {

class ThreadPool {
 public:
  struct Options {
    std::string name = "varve";  // Shown by `top -H`; at most 15 letters reach the kernel.
    uint32_t threads = 1;
    uint32_t queue_max = 1024;  // Submit blocks while this many tasks wait.
    bool background = false;    // Lowest priority, so that training keeps the processor.
  };
  explicit ThreadPool(Options options);
  ~ThreadPool();  // Stop().
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  uint32_t threads() const;
  // To so many, if there are fewer and the system allows it. After Stop: nothing.
  void Grow(uint32_t threads);
  // Blocks while the queue is full. After Stop: kCancelled, the task never runs.
  Status Submit(std::function<void()> task);
  bool TrySubmit(std::function<void()> task);  // False where Submit would block or refuse.
  void Stop();                                 // Runs what is queued, then joins. Idempotent.

  // While one lives, threads of `helper` run tasks of `pool` too, those queued before and those
  // submitted meanwhile, in turn with their own. Any number at once. Blocks while the helper's
  // queue is full; a helper that was stopped changes nothing. Must not outlive `pool`.
  class Hurry {
   public:
    Hurry(ThreadPool& pool, ThreadPool& helper);
    ~Hurry();
    Hurry(const Hurry&) = delete;
    Hurry& operator=(const Hurry&) = delete;

   private:
    ThreadPool& pool_;
  };

 private:
  struct Impl;
  std::shared_ptr<Impl> impl_;  // Shared with what a helper was asked to do.
};

Status ParallelFor(const OpContext& ctx, ThreadPool& pool, size_t n, uint32_t limit,
                   const std::function<Status(size_t index)>& fn);
// With a limit that is asked for after each index and may rise meanwhile, with the pool's threads.
Status ParallelFor(const OpContext& ctx, ThreadPool& pool, size_t n,
                   const std::function<uint32_t()>& limit,
                   const std::function<Status(size_t index)>& fn);

}  // namespace varve
