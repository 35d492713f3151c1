#include "varve/exec/memory_budget.h"

#include <algorithm>
#include <deque>
#include <utility>

#include "varve/exec/sync.h"

namespace varve {
namespace {
constexpr int64_t kCancelPollNs = 50'000'000;
}

struct MemoryBudget::Impl {
  uint64_t limit_bytes = 0;
  Mutex mutex;
  CondVar freed;
  uint64_t held_bytes = 0, peak_bytes = 0;
  uint64_t next_turn = 0;
  std::deque<uint64_t> turns;  // Those who wait, in the order in which they are served.
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
  impl.freed.NotifyAll();
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
  impl.turns.push_back(turn);
  const auto leave = [&] {
    impl.turns.erase(std::ranges::find(impl.turns, turn));
    impl.freed.NotifyAll();
  };
  while (impl.turns.front() != turn || impl.limit_bytes - impl.held_bytes < bytes) {
    // One who gives up leaves the queue at once, wherever it stood in it.
    if (auto status = ctx.Check(); !status.ok()) {
      leave();
      return std::move(status).error();
    }
    impl.freed.WaitFor(lock, kCancelPollNs);
  }
  leave();
  impl.held_bytes += bytes;
  impl.peak_bytes = std::max(impl.peak_bytes, impl.held_bytes);
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
