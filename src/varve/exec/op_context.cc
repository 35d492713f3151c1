#include "varve/exec/op_context.h"

#include <algorithm>
#include <atomic>
#include <map>

#include "varve/exec/sync.h"

namespace varve {
namespace {
constexpr int64_t kLongestMs = int64_t{1} << 40;  // Decades; keeps sums of times from wrapping.
}

struct CancelToken::State {
  Mutex mutex;
  CondVar changed;
  std::atomic<bool> cancelled{false};  // Set under mutex; asked far more often than waited for.
  uint64_t next_id = 1;
  uint64_t running_id = 0;  // Callback that runs now; 0: none.
  uint64_t running_thread = 0;
  std::map<uint64_t, std::function<void()>> callbacks;
};

CancelToken::CancelToken() : state_(std::make_shared<State>()) {}

void CancelToken::Cancel() {
  std::unique_lock lock(state_->mutex);
  // The first caller alone runs the callbacks: no new ones join once the switch is thrown.
  if (state_->cancelled.exchange(true)) return;
  state_->changed.NotifyAll();
  state_->running_thread = Thread::CurrentId();
  while (!state_->callbacks.empty()) {
    auto node = state_->callbacks.extract(state_->callbacks.begin());
    state_->running_id = node.key();
    lock.unlock();
    node.mapped()();
    node.mapped() = nullptr;  // What it captured dies outside the lock.
    lock.lock();
    state_->running_id = 0;
    state_->changed.NotifyAll();
  }
}

bool CancelToken::cancelled() const { return state_->cancelled; }

bool CancelToken::WaitFor(int64_t timeout_ns) const {
  std::unique_lock lock(state_->mutex);
  const int64_t ends_ns = SystemClock().SteadyNs() + timeout_ns;
  for (int64_t left_ns = timeout_ns; !state_->cancelled && left_ns > 0;
       left_ns = ends_ns - SystemClock().SteadyNs()) {
    state_->changed.WaitFor(lock, left_ns);
  }
  return state_->cancelled;
}

std::unique_ptr<CancelToken::Registration> CancelToken::OnCancel(
    std::function<void()> callback) const {
  std::unique_lock lock(state_->mutex);
  if (state_->cancelled) {
    lock.unlock();
    callback();
    return std::make_unique<Registration>(state_, 0);
  }
  const uint64_t id = state_->next_id++;
  state_->callbacks.emplace(id, std::move(callback));
  return std::make_unique<Registration>(state_, id);
}

CancelToken::Registration::Registration(std::shared_ptr<State> state, uint64_t id)
    : state_(std::move(state)), id_(id) {}

CancelToken::Registration::~Registration() {
  if (id_ == 0) return;
  std::unique_lock lock(state_->mutex);
  state_->callbacks.erase(id_);
  state_->changed.Wait(lock, [&] {
    return state_->running_id != id_ || state_->running_thread == Thread::CurrentId();
  });
}

OpContext::OpContext() : OpContext(SystemClock(), OsRandom()) {}

OpContext::OpContext(Clock& clock, Random& random, CancelToken cancel)
    : clock_(&clock), random_(&random), cancel_(std::move(cancel)) {}

int64_t OpContext::LeftMs() const {
  if (deadline_ns_ == kNoDeadline) return INT64_MAX;
  return std::max<int64_t>(0, (deadline_ns_ - clock_->SteadyNs()) / 1'000'000);
}

OpContext OpContext::WithTimeout(int64_t timeout_ms) const {
  OpContext child = *this;
  const int64_t ends_ns =
      clock_->SteadyNs() + std::clamp<int64_t>(timeout_ms, 0, kLongestMs) * 1'000'000;
  child.deadline_ns_ = std::min(deadline_ns_, ends_ns);
  return child;
}

Status OpContext::Check() const {
  if (cancel_.cancelled()) return Error(ErrorCode::kCancelled, "the operation was cancelled");
  if (deadline_ns_ != kNoDeadline && clock_->SteadyNs() >= deadline_ns_) {
    return Error(ErrorCode::kTimeout, "the deadline passed");
  }
  return OkStatus();
}

Status OpContext::SleepMs(int64_t duration_ms) const {
  VARVE_CHECK_OK(Check());
  const int64_t now_ns = clock_->SteadyNs();
  const int64_t asked_ns = std::clamp<int64_t>(duration_ms, 0, kLongestMs) * 1'000'000;
  const int64_t sleep_ns =
      deadline_ns_ == kNoDeadline ? asked_ns : std::min(asked_ns, deadline_ns_ - now_ns);
  if (clock_ == &SystemClock()) {
    cancel_.WaitFor(sleep_ns);
  } else {
    clock_->SleepUntil(now_ns + sleep_ns);
  }
  return Check();
}

}  // namespace varve
