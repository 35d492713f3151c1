// On the operating system's threads. Linked whole or not at all: the simulator brings its own.
#include "varve/exec/sync.h"

#include <pthread.h>
#include <sched.h>

#include <chrono>
#include <condition_variable>
#include <new>
#include <thread>

namespace varve {
namespace {

std::mutex& OsMutex(std::byte* storage) {
  return *std::launder(reinterpret_cast<std::mutex*>(storage));
}
std::condition_variable& OsCondition(std::byte* storage) {
  return *std::launder(reinterpret_cast<std::condition_variable*>(storage));
}

}  // namespace

Mutex::Mutex() {
  static_assert(sizeof(std::mutex) <= sizeof storage_);
  ::new (static_cast<void*>(storage_)) std::mutex;
}
Mutex::~Mutex() { std::destroy_at(&OsMutex(storage_)); }
void Mutex::lock() { OsMutex(storage_).lock(); }
void Mutex::unlock() { OsMutex(storage_).unlock(); }

CondVar::CondVar() {
  static_assert(sizeof(std::condition_variable) <= sizeof storage_);
  ::new (static_cast<void*>(storage_)) std::condition_variable;
}
CondVar::~CondVar() { std::destroy_at(&OsCondition(storage_)); }
void CondVar::NotifyOne() { OsCondition(storage_).notify_one(); }
void CondVar::NotifyAll() { OsCondition(storage_).notify_all(); }
void CondVar::WaitOnce(Mutex& mutex, int64_t timeout_ns) {
  std::unique_lock lock(OsMutex(mutex.storage_), std::adopt_lock);
  if (timeout_ns < 0) {
    OsCondition(storage_).wait(lock);
  } else {
    OsCondition(storage_).wait_for(lock, std::chrono::nanoseconds(timeout_ns));
  }
  lock.release();  // The caller holds it again.
}

struct Thread::Impl {
  std::thread thread;
};

Thread::Thread(Options options, std::function<void()> body) : impl_(std::make_unique<Impl>()) {
  impl_->thread = std::thread([options = std::move(options), body = std::move(body)] {
    pthread_setname_np(pthread_self(), options.name.substr(0, 15).c_str());
    // A processor that runs nothing but threads of SCHED_IDLE counts as free, so that other
    // threads wake there and not beside training: beside nice 19 they took 40 to 240 ms of it per
    // save of 256 MB. A wish: a kernel that refuses it changes nothing but speed.
    if (options.background) {
      const sched_param none{};
      pthread_setschedparam(pthread_self(), SCHED_IDLE, &none);
    }
    body();
  });
}
Thread::~Thread() = default;
Thread::Thread(Thread&& other) noexcept = default;
void Thread::Join() {
  if (impl_->thread.joinable()) impl_->thread.join();
}
uint64_t Thread::CurrentId() { return static_cast<uint64_t>(pthread_self()); }

}  // namespace varve
