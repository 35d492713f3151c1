// exec/sync.h on fibers: defined here, so that the linker leaves the one on threads alone.
#include "varve/exec/sync.h"

#include <new>

#include "sim/fiber/scheduler.h"

namespace varve {
namespace {

using sim::Fiber;
using sim::Scheduler;
using sim::WaitList;

struct FiberMutex {
  bool held = false;
  WaitList waiters;
};

template <typename T>
T& In(std::byte* storage) {
  return *std::launder(reinterpret_cast<T*>(storage));
}

}  // namespace

Mutex::Mutex() {
  static_assert(sizeof(FiberMutex) <= sizeof storage_);
  ::new (static_cast<void*>(storage_)) FiberMutex;
}
Mutex::~Mutex() { std::destroy_at(&In<FiberMutex>(storage_)); }
void Mutex::lock() {
  FiberMutex& mutex = In<FiberMutex>(storage_);
  while (mutex.held) {
    Scheduler& scheduler = *Scheduler::Current();
    mutex.waiters.Push(scheduler.current());
    scheduler.Park(-1, false);
  }
  mutex.held = true;
}
void Mutex::unlock() {
  FiberMutex& mutex = In<FiberMutex>(storage_);
  mutex.held = false;
  if (Fiber* next = mutex.waiters.Pop(); next != nullptr) Scheduler::Current()->Wake(next);
}

CondVar::CondVar() {
  static_assert(sizeof(WaitList) <= sizeof storage_);
  ::new (static_cast<void*>(storage_)) WaitList;
}
CondVar::~CondVar() { std::destroy_at(&In<WaitList>(storage_)); }
void CondVar::NotifyOne() {
  if (Fiber* fiber = In<WaitList>(storage_).Pop(); fiber != nullptr) {
    Scheduler::Current()->Wake(fiber);
  }
}
void CondVar::NotifyAll() {
  while (Fiber* fiber = In<WaitList>(storage_).Pop()) Scheduler::Current()->Wake(fiber);
}
void CondVar::WaitOnce(Mutex& mutex, int64_t timeout_ns) {
  Scheduler& scheduler = *Scheduler::Current();
  WaitList& waiters = In<WaitList>(storage_);
  Fiber* self = scheduler.current();
  waiters.Push(self);
  mutex.unlock();
  scheduler.Park(timeout_ns < 0 ? -1 : scheduler.now_ns() + timeout_ns, false);
  waiters.Remove(self);  // Still there after a time-out.
  mutex.lock();
}

struct Thread::Impl {
  Fiber* fiber = nullptr;
};

Thread::Thread(Options, std::function<void()> body) : impl_(std::make_unique<Impl>()) {
  Scheduler& scheduler = *Scheduler::Current();
  impl_->fiber = scheduler.Spawn(*scheduler.current()->process, std::move(body));
}
Thread::~Thread() = default;
Thread::Thread(Thread&& other) noexcept = default;
void Thread::Join() {
  Scheduler& scheduler = *Scheduler::Current();
  while (!impl_->fiber->finished) {
    impl_->fiber->joiners.push_back(scheduler.current());
    scheduler.Park(-1, false);
  }
}
uint64_t Thread::CurrentId() {
  const Scheduler* scheduler = Scheduler::Current();
  return scheduler == nullptr || scheduler->current() == nullptr ? 1
                                                                 : scheduler->current()->number + 1;
}

}  // namespace varve
