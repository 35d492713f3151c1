#include "sim/fiber/scheduler.h"

#include <sys/mman.h>

#include <algorithm>
#include <cstdlib>

namespace varve::sim {
namespace {

constexpr size_t kStackBytes = 256 * 1024;  // Touched pages alone cost memory.
constexpr size_t kGuardBytes = 4096;
constexpr int64_t kEpochMs = 1'700'000'000'000;

thread_local Scheduler* running = nullptr;

// Stacks outlive their fibers: the next run takes them warm.
class StackPool {
 public:
  static std::vector<void*>& Idle() {
    static std::vector<void*> idle;
    return idle;
  }
  boost::context::stack_context allocate() {
    void* low = nullptr;
    if (Idle().empty()) {
      low = mmap(nullptr, kGuardBytes + kStackBytes, PROT_READ | PROT_WRITE,
                 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
      if (low == MAP_FAILED || mprotect(low, kGuardBytes, PROT_NONE) != 0) std::abort();
    } else {
      low = Idle().back();
      Idle().pop_back();
    }
    boost::context::stack_context stack;
    stack.size = kStackBytes;
    stack.sp = static_cast<char*>(low) + kGuardBytes + kStackBytes;
    return stack;
  }
  void deallocate(boost::context::stack_context& stack) {
    Idle().push_back(static_cast<char*>(stack.sp) - kStackBytes - kGuardBytes);
  }
};

}  // namespace

void WaitList::Push(Fiber* fiber) {
  fiber->next = nullptr;
  if (last_ != nullptr) {
    last_->next = fiber;
  } else {
    first_ = fiber;
  }
  last_ = fiber;
}

Fiber* WaitList::Pop() {
  Fiber* fiber = first_;
  if (fiber == nullptr) return nullptr;
  first_ = fiber->next;
  if (first_ == nullptr) last_ = nullptr;
  fiber->next = nullptr;
  return fiber;
}

void WaitList::Remove(Fiber* fiber) {
  Fiber* before = nullptr;
  for (Fiber* each = first_; each != nullptr; before = each, each = each->next) {
    if (each != fiber) continue;
    (before == nullptr ? first_ : before->next) = each->next;
    if (last_ == each) last_ = before;
    each->next = nullptr;
    return;
  }
}

int64_t ProcessClock::WallMs() const {
  return kEpochMs + scheduler_.now_ns() / 1'000'000 + skew_ms_;
}
int64_t ProcessClock::SteadyNs() const { return scheduler_.now_ns(); }
void ProcessClock::SleepUntil(int64_t steady_ns) {
  Fiber* self = scheduler_.current();
  if (self == nullptr) std::abort();
  if (self->process->dead) return;
  scheduler_.Park(std::max(steady_ns, scheduler_.now_ns()), true);
}

Process::Process(Scheduler& scheduler, uint32_t process_number, std::string process_name,
                 std::unique_ptr<Random> process_random, int64_t skew_ms)
    : number(process_number),
      name(std::move(process_name)),
      random(std::move(process_random)),
      clock(scheduler, skew_ms) {}

Scheduler::Scheduler(std::unique_ptr<Random> random) : random_(std::move(random)) {
  if (running != nullptr) std::abort();
  running = this;
}
Scheduler::~Scheduler() {
  // A fiber that did not end keeps its stack: its objects may point anywhere.
  for (const auto& fiber : fibers_) {
    if (!fiber->finished) static_cast<void>(new boost::context::fiber(std::move(fiber->context)));
  }
  running = nullptr;
}
Scheduler* Scheduler::Current() { return running; }

Process& Scheduler::NewProcess(std::string name, std::unique_ptr<Random> random, int64_t skew_ms) {
  processes_.push_back(std::make_unique<Process>(*this, static_cast<uint32_t>(processes_.size()),
                                                 std::move(name), std::move(random), skew_ms));
  return *processes_.back();
}

Fiber* Scheduler::Spawn(Process& process, std::function<void()> body) {
  fibers_.push_back(std::make_unique<Fiber>());
  Fiber* fiber = fibers_.back().get();
  fiber->number = static_cast<uint32_t>(fibers_.size());
  fiber->process = &process;
  fiber->body = std::move(body);
  fiber->context = boost::context::fiber(std::allocator_arg, StackPool(),
                                         [fiber](boost::context::fiber&& scheduler) {
                                           fiber->scheduler = std::move(scheduler);
                                           fiber->body();
                                           fiber->body = nullptr;
                                           fiber->finished = true;
                                           return std::move(fiber->scheduler);
                                         });
  ++unfinished_;
  ready_.push_back(fiber);
  return fiber;
}

void Scheduler::Kill(Process& process) {
  if (process.dead) return;
  process.dead = true;
  process.cancel.Cancel();
  for (const auto& fiber : fibers_) {
    if (fiber->process == &process && fiber->waiting && fiber->in_seam) Wake(fiber.get());
  }
}

void Scheduler::Switch(Fiber* fiber) {
  ++switches_;
  current_ = fiber;
  fiber->context = std::move(fiber->context).resume();
  current_ = nullptr;
  if (!fiber->finished) return;
  --unfinished_;
  for (Fiber* joiner : fiber->joiners) Wake(joiner);
}

void Scheduler::Park(int64_t until_ns, bool in_seam) {
  Fiber* self = current_;
  if (self == nullptr) std::abort();
  ++self->parked;
  self->waiting = true;
  self->in_seam = in_seam;
  if (until_ns >= 0) Push({until_ns, random_->Next64(), 0, self, self->parked, nullptr, 0});
  self->scheduler = std::move(self->scheduler).resume();
}

void Scheduler::Wake(Fiber* fiber) {
  if (!fiber->waiting) return;
  fiber->waiting = false;
  fiber->in_seam = false;
  ready_.push_back(fiber);
}

void Scheduler::Yield() {
  Fiber* self = current_;
  if (self == nullptr) return;
  ++self->parked;
  ready_.push_back(self);
  self->scheduler = std::move(self->scheduler).resume();
}

void Scheduler::At(int64_t time_ns, std::shared_ptr<Timer> timer, uint32_t what) {
  Push({std::max(time_ns, now_ns_), random_->Next64(), 0, nullptr, 0, std::move(timer), what});
}

void Scheduler::Push(Event event) {
  event.order = ++order_;
  events_.push_back(std::move(event));
  std::push_heap(events_.begin(), events_.end(), std::greater<>());
}

bool Scheduler::Run(uint64_t switches_max, const std::function<bool()>& stop) {
  while (!stop()) {
    if (!ready_.empty()) {
      if (switches_ >= switches_max) return false;
      const size_t chosen = ready_.size() == 1 ? 0 : random_->Next64() % ready_.size();
      Fiber* fiber = ready_[chosen];
      ready_[chosen] = ready_.back();
      ready_.pop_back();
      Switch(fiber);
      continue;
    }
    if (events_.empty()) return true;
    std::pop_heap(events_.begin(), events_.end(), std::greater<>());
    const Event event = std::move(events_.back());
    events_.pop_back();
    now_ns_ = std::max(now_ns_, event.time_ns);
    if (event.timer != nullptr) {
      event.timer->Fire(event.what);
    } else if (event.fiber->waiting && event.fiber->parked == event.parked) {
      Wake(event.fiber);
    }
  }
  return true;
}

}  // namespace varve::sim
