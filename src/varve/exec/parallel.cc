#include "varve/exec/parallel.h"

#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <deque>
#include <optional>
#include <system_error>
#include <vector>

#include "varve/exec/sync.h"

namespace varve {

struct ThreadPool::Impl {
  Options options;
  pid_t owner_pid = getpid();
  Mutex mutex;
  CondVar not_empty, not_full;
  std::deque<std::function<void()>> queue;  // Guarded by mutex.
  bool stopping = false;                    // Guarded by mutex.
  size_t hurries = 0;                       // Guarded by mutex.
  ThreadPool* helper = nullptr;             // Guarded by mutex; set while there are hurries.
  Mutex join_mutex;
  std::atomic<uint32_t> wanted_threads{1};
  std::vector<Thread> threads;  // Guarded by mutex until stopping, then by join_mutex.

  void StartThreads() {  // Requires mutex, or nobody else yet.
    while (threads.size() < wanted_threads) {
      threads.emplace_back(Thread::Options{options.name, options.background}, [this] { Work(); });
    }
  }
  void Work() {
    for (;;) {
      std::function<void()> task;
      {
        std::unique_lock lock(mutex);
        not_empty.Wait(lock, [&] { return stopping || !queue.empty(); });
        if (queue.empty()) return;
        task = std::move(queue.front());
        queue.pop_front();
      }
      not_full.NotifyOne();
      task();
    }
  }
  // In a thread of a helper: one task, if its own threads left one.
  void RunOne() {
    std::function<void()> task;
    {
      const std::lock_guard lock(mutex);
      if (queue.empty()) return;
      task = std::move(queue.front());
      queue.pop_front();
    }
    not_full.NotifyOne();
    task();
  }
};

ThreadPool::ThreadPool(Options options) : impl_(std::make_shared<Impl>()) {
  impl_->options = std::move(options);
  impl_->wanted_threads = std::max(1U, impl_->options.threads);
  impl_->StartThreads();
}

ThreadPool::~ThreadPool() {
  Stop();
  // In a forked child the threads do not exist: joining them would wait forever.
  if (getpid() != impl_->owner_pid) static_cast<void>(new std::shared_ptr<Impl>(impl_));
}

uint32_t ThreadPool::threads() const { return impl_->wanted_threads; }

void ThreadPool::Grow(uint32_t threads) {
  if (threads <= impl_->wanted_threads || getpid() != impl_->owner_pid) return;
  const std::lock_guard lock(impl_->mutex);
  if (impl_->stopping) return;
  impl_->wanted_threads = std::max(impl_->wanted_threads.load(), threads);
  try {
    impl_->StartThreads();
  } catch (const std::system_error&) {  // The process has as many as it may: those go on.
    impl_->wanted_threads = static_cast<uint32_t>(impl_->threads.size());
  }
}

Status ThreadPool::Submit(std::function<void()> task) {
  if (getpid() != impl_->owner_pid) {
    return Error(ErrorCode::kUnsupported, "this process is a fork; open the lake again in it");
  }
  ThreadPool* helper = nullptr;
  {
    std::unique_lock lock(impl_->mutex);
    impl_->not_full.Wait(
        lock, [&] { return impl_->stopping || impl_->queue.size() < impl_->options.queue_max; });
    if (impl_->stopping) return Error(ErrorCode::kCancelled, "the lake was closed");
    impl_->queue.push_back(std::move(task));
    helper = impl_->helper;
  }
  impl_->not_empty.NotifyOne();
  if (helper != nullptr) static_cast<void>(helper->Submit([impl = impl_] { impl->RunOne(); }));
  return OkStatus();
}

bool ThreadPool::TrySubmit(std::function<void()> task) {
  if (getpid() != impl_->owner_pid) return false;
  {
    const std::lock_guard lock(impl_->mutex);
    if (impl_->stopping || impl_->queue.size() >= impl_->options.queue_max) return false;
    impl_->queue.push_back(std::move(task));
  }
  impl_->not_empty.NotifyOne();
  return true;
}

ThreadPool::Hurry::Hurry(ThreadPool& pool, ThreadPool& helper) : pool_(pool) {
  size_t queued = 0;
  {
    const std::lock_guard lock(pool_.impl_->mutex);
    ++pool_.impl_->hurries;
    pool_.impl_->helper = &helper;
    queued = pool_.impl_->queue.size();
  }
  for (size_t i = 0; i < queued; ++i) {
    if (!helper.Submit([impl = pool_.impl_] { impl->RunOne(); }).ok()) return;
  }
}

ThreadPool::Hurry::~Hurry() {
  const std::lock_guard lock(pool_.impl_->mutex);
  if (--pool_.impl_->hurries == 0) pool_.impl_->helper = nullptr;
}

void ThreadPool::Stop() {
  if (getpid() != impl_->owner_pid) return;
  {
    const std::lock_guard lock(impl_->mutex);
    impl_->stopping = true;
  }
  impl_->not_empty.NotifyAll();
  impl_->not_full.NotifyAll();
  const std::lock_guard joining(impl_->join_mutex);
  for (Thread& thread : impl_->threads) thread.Join();
}

namespace {

// What the caller of ParallelFor and its helpers share. A helper that the pool starts late finds
// the loop closed and touches nothing of the caller, who therefore need not wait for it.
struct Loop : std::enable_shared_from_this<Loop> {
  Loop(const OpContext& context, ThreadPool& helpers_of, size_t count,
       const std::function<uint32_t()>& limit_of, const std::function<Status(size_t)>& function)
      : ctx(context), pool(helpers_of), n(count), limit(limit_of), fn(function) {}

  const OpContext& ctx;
  ThreadPool& pool;
  const size_t n;
  const std::function<uint32_t()>& limit;
  const std::function<Status(size_t)>& fn;
  std::atomic<size_t> next{0}, helpers{0};
  Mutex mutex;
  CondVar idle;
  bool closed = false;  // Guarded by mutex, as are those below.
  size_t running = 0;
  size_t failed_index = SIZE_MAX;
  std::optional<Error> error;

  // Beside the caller, who is one of the workers.
  size_t HelpersWanted() const {
    const uint32_t most = limit();
    return std::min<size_t>({most == 0 ? 0 : most - 1, n == 0 ? 0 : n - 1, pool.threads()});
  }
  // One more helper, unless there are so many: workers that ask at once never exceed it together.
  bool Claim(size_t wanted) {
    size_t have = helpers;
    while (have < wanted) {
      if (helpers.compare_exchange_weak(have, have + 1)) return true;
    }
    return false;
  }
  void Fail(size_t index, Error failure) {
    next = n;
    const std::lock_guard lock(mutex);
    if (error.has_value() && index >= failed_index) return;
    failed_index = index;
    error = std::move(failure);
  }
  void Run() {
    for (size_t index = next.fetch_add(1); index < n; index = next.fetch_add(1)) {
      Status status = ctx.Check();
      if (status.ok()) status = fn(index);
      if (!status.ok()) Fail(index, std::move(status).error());
      // From a worker of the pool only where that does not block it.
      while (next < n && Claim(HelpersWanted())) {
        if (pool.TrySubmit([loop = shared_from_this()] { loop->Help(); })) continue;
        --helpers;
        break;
      }
    }
  }
  void Help() {
    {
      const std::lock_guard lock(mutex);
      if (closed) return;
      ++running;
    }
    Run();
    const std::lock_guard lock(mutex);
    if (--running == 0) idle.NotifyAll();
  }
};

}  // namespace

Status ParallelFor(const OpContext& ctx, ThreadPool& pool, size_t n,
                   const std::function<uint32_t()>& limit,
                   const std::function<Status(size_t index)>& fn) {
  const auto loop = std::make_shared<Loop>(ctx, pool, n, limit, fn);
  // The caller is one of the workers, so that progress never depends on a free pool thread.
  for (const size_t wanted = loop->HelpersWanted(); loop->Claim(wanted);) {
    Status submitted = pool.Submit([loop] { loop->Help(); });
    if (submitted.ok()) continue;
    loop->Fail(SIZE_MAX, std::move(submitted).error());
    break;
  }
  loop->Run();
  std::unique_lock lock(loop->mutex);
  loop->closed = true;
  loop->idle.Wait(lock, [&] { return loop->running == 0; });
  if (loop->error.has_value()) return *loop->error;
  return OkStatus();
}

Status ParallelFor(const OpContext& ctx, ThreadPool& pool, size_t n, uint32_t limit,
                   const std::function<Status(size_t index)>& fn) {
  return ParallelFor(ctx, pool, n, [limit] { return limit; }, fn);
}

}  // namespace varve
