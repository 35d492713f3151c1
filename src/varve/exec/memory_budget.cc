#include "varve/exec/memory_budget.h"

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <utility>

namespace varve {
namespace {
constexpr std::chrono::milliseconds kCancelPoll{50};
}

struct MemoryBudget::Impl {
  uint64_t limit_bytes = 0;
  std::mutex mutex;
  std::condition_variable freed;
  uint64_t held_bytes = 0, peak_bytes = 0;
  uint64_t next_turn = 0, serving_turn = 0;  // Waiters are served in order.
};

MemoryBudget::MemoryBudget(uint64_t limit_bytes) : impl_(std::make_unique<Impl>()) {
  impl_->limit_bytes = limit_bytes;
}
MemoryBudget::~MemoryBudget() = default;

MemoryBudget::Ticket::Ticket(Ticket&& other) noexcept
    : budget_(std::exchange(other.budget_, nullptr)), bytes_(std::exchange(other.bytes_, 0)) {}

MemoryBudget::Ticket& MemoryBudget::Ticket::operator=(Ticket&& other) noexcept {
  if (this == &other) return *this;
  Release();
  budget_ = std::exchange(other.budget_, nullptr);
  bytes_ = std::exchange(other.bytes_, 0);
  return *this;
}

MemoryBudget::Ticket::~Ticket() { Release(); }

void MemoryBudget::Ticket::Release() {
  if (budget_ == nullptr) return;
  Impl& impl = *std::exchange(budget_, nullptr)->impl_;
  const std::lock_guard lock(impl.mutex);
  impl.held_bytes -= std::exchange(bytes_, 0);
  impl.freed.notify_all();
}

Result<MemoryBudget::Ticket> MemoryBudget::Acquire(const OpContext& ctx, uint64_t bytes) {
  Impl& impl = *impl_;
  if (bytes > impl.limit_bytes) {
    return Error(ErrorCode::kInvalidArgument,
                 "a piece is larger than the memory it may use. bytes=" + std::to_string(bytes) +
                     " memory_bytes=" + std::to_string(impl.limit_bytes));
  }
  std::unique_lock lock(impl.mutex);
  const uint64_t turn = impl.next_turn++;
  const auto ready = [&] {
    return impl.serving_turn == turn && impl.limit_bytes - impl.held_bytes >= bytes;
  };
  while (!ready()) {
    const Status status = ctx.Check();
    if (!status.ok()) {
      // The turn passes on once it is ours, so that those behind are not held up.
      impl.freed.wait(lock, [&] { return impl.serving_turn == turn; });
      ++impl.serving_turn;
      impl.freed.notify_all();
      return status.error();
    }
    impl.freed.wait_for(lock, kCancelPoll);
  }
  ++impl.serving_turn;
  impl.held_bytes += bytes;
  impl.peak_bytes = std::max(impl.peak_bytes, impl.held_bytes);
  impl.freed.notify_all();
  return Ticket(this, bytes);
}

uint64_t MemoryBudget::limit_bytes() const { return impl_->limit_bytes; }
uint64_t MemoryBudget::held_bytes() const {
  const std::lock_guard lock(impl_->mutex);
  return impl_->held_bytes;
}
uint64_t MemoryBudget::peak_bytes() const {
  const std::lock_guard lock(impl_->mutex);
  return impl_->peak_bytes;
}

}  // namespace varve
