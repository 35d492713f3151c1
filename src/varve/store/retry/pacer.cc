#include "varve/store/retry/pacer.h"

#include "varve/base/planted.h"

namespace varve::store {
namespace {
constexpr int64_t kCancelPollNs = 20'000'000;
constexpr char kOthers[] = "*";
}  // namespace

std::shared_ptr<Pacer> Pacer::OfEndpoint(const std::string& endpoint) {
  static Mutex mutex;
  static std::map<std::string, std::weak_ptr<Pacer>> pacers;
  const std::lock_guard lock(mutex);
  std::erase_if(pacers, [](const auto& each) { return each.second.expired(); });
  std::weak_ptr<Pacer>& known = pacers[endpoint];
  std::shared_ptr<Pacer> pacer = known.lock();
  if (pacer == nullptr) known = pacer = std::make_shared<Pacer>();
  return pacer;
}

std::string Pacer::LaneOf(std::string_view key, bool writes) {
  return (writes ? "w/" : "r/") + std::string(key.substr(0, key.find('/')));
}

Pacer::Lane& Pacer::LaneNamed(const std::string& name) {
  const auto found = lanes_.find(name);
  if (found != lanes_.end()) return found->second;
  return lanes_[lanes_.size() < kLanesMax ? name : kOthers];
}

Result<Pacer::Place> Pacer::Enter(const OpContext& ctx, const std::string& lane) {
  std::unique_lock lock(mutex_);
  for (;;) {
    VARVE_CHECK_OK(ctx.Check());
    Lane& state = LaneNamed(lane);
    if (state.in_flight < state.limit.limit()) {
      ++state.in_flight;
      return Place(this, lane, state.limit.epoch());
    }
    left_.WaitFor(lock, kCancelPollNs);
  }
}

void Pacer::Place::Leave(Outcome outcome) {
  if (pacer_ == nullptr) return;
  Pacer& pacer = *std::exchange(pacer_, nullptr);
  const std::lock_guard lock(pacer.mutex_);
  Lane& lane = pacer.LaneNamed(lane_);
  if (lane.in_flight > 0) --lane.in_flight;
  if (outcome == Outcome::kServed) lane.limit.Served();
  if (outcome == Outcome::kThrottled) lane.limit.Throttled(epoch_);
  pacer.left_.NotifyAll();
}

bool Pacer::Spend() {
  const std::lock_guard lock(mutex_);
  return budget_.Spend() || PLANTED(66);
}

void Pacer::Succeeded(bool after_retry) {
  const std::lock_guard lock(mutex_);
  budget_.Succeeded(after_retry);
}

uint32_t Pacer::limit(const std::string& lane) {
  const std::lock_guard lock(mutex_);
  return LaneNamed(lane).limit.limit();
}

}  // namespace varve::store
