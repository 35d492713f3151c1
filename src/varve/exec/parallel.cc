#include "varve/exec/parallel.h"

#include <pthread.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

namespace varve {

struct ThreadPool::Impl {
  Options options;
  pid_t owner_pid = getpid();
  std::mutex mutex;
  std::condition_variable not_empty, not_full;
  std::deque<std::function<void()>> queue;  // Guarded by mutex.
  bool stopping = false;                    // Guarded by mutex.
  std::vector<std::thread> threads;

  void Work() {
    pthread_setname_np(pthread_self(), options.name.substr(0, 15).c_str());
    // Lowest priority is a wish; a kernel that refuses it changes nothing but speed.
    if (options.background) {
      setpriority(PRIO_PROCESS, static_cast<id_t>(syscall(SYS_gettid)), 19);
    }
    for (;;) {
      std::function<void()> task;
      {
        std::unique_lock lock(mutex);
        not_empty.wait(lock, [&] { return stopping || !queue.empty(); });
        if (queue.empty()) return;
        task = std::move(queue.front());
        queue.pop_front();
      }
      not_full.notify_one();
      task();
    }
  }
};

ThreadPool::ThreadPool(Options options) : impl_(std::make_unique<Impl>()) {
  impl_->options = std::move(options);
  impl_->options.threads = std::max(1U, impl_->options.threads);
  for (uint32_t i = 0; i < impl_->options.threads; ++i) {
    impl_->threads.emplace_back([impl = impl_.get()] { impl->Work(); });
  }
}

ThreadPool::~ThreadPool() {
  Stop();
  // In a forked child the threads do not exist: joining them would wait forever.
  if (getpid() != impl_->owner_pid) static_cast<void>(impl_.release());
}

uint32_t ThreadPool::threads() const { return impl_->options.threads; }

Status ThreadPool::Submit(std::function<void()> task) {
  if (getpid() != impl_->owner_pid) {
    return Error(ErrorCode::kUnsupported, "this process is a fork; open the lake again in it");
  }
  {
    std::unique_lock lock(impl_->mutex);
    impl_->not_full.wait(
        lock, [&] { return impl_->stopping || impl_->queue.size() < impl_->options.queue_max; });
    if (impl_->stopping) return Error(ErrorCode::kCancelled, "the lake was closed");
    impl_->queue.push_back(std::move(task));
  }
  impl_->not_empty.notify_one();
  return OkStatus();
}

void ThreadPool::Stop() {
  if (getpid() != impl_->owner_pid) return;
  {
    const std::lock_guard lock(impl_->mutex);
    impl_->stopping = true;
  }
  impl_->not_empty.notify_all();
  impl_->not_full.notify_all();
  for (std::thread& thread : impl_->threads) {
    if (thread.joinable()) thread.join();
  }
}

Status ParallelFor(const OpContext& ctx, ThreadPool& pool, size_t n, uint32_t limit,
                   const std::function<Status(size_t index)>& fn) {
  struct Shared {
    std::atomic<size_t> next{0};
    std::mutex mutex;
    std::condition_variable done;
    size_t helpers = 0;
    size_t failed_index = SIZE_MAX;
    std::optional<Error> error;
  } shared;
  const auto run = [&] {
    for (;;) {
      const size_t index = shared.next.fetch_add(1);
      if (index >= n) return;
      Status status = ctx.Check();
      if (status.ok()) status = fn(index);
      if (status.ok()) continue;
      shared.next = n;
      const std::lock_guard lock(shared.mutex);
      if (index < shared.failed_index) {
        shared.failed_index = index;
        shared.error = std::move(status).error();
      }
    }
  };
  // The caller is one of the workers, so that progress never depends on a free pool thread.
  const size_t helpers =
      std::min<size_t>({limit == 0 ? 0 : limit - 1, n == 0 ? 0 : n - 1, pool.threads()});
  for (size_t i = 0; i < helpers; ++i) {
    {
      const std::lock_guard lock(shared.mutex);
      ++shared.helpers;
    }
    const Status submitted = pool.Submit([&] {
      run();
      const std::lock_guard lock(shared.mutex);
      if (--shared.helpers == 0) shared.done.notify_all();
    });
    if (!submitted.ok()) {
      const std::lock_guard lock(shared.mutex);
      --shared.helpers;
      if (!shared.error.has_value()) shared.error = submitted.error();
      shared.next = n;
      break;
    }
  }
  run();
  std::unique_lock lock(shared.mutex);
  shared.done.wait(lock, [&] { return shared.helpers == 0; });
  if (shared.error.has_value()) return *shared.error;
  return OkStatus();
}

}  // namespace varve
