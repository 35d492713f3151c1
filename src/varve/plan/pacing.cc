#include "varve/plan/pacing.h"

#include <algorithm>
#include <cmath>

namespace varve::plan {
namespace {
constexpr double kConnectionsPerGbps = 2.5;
constexpr double kCut = 0.7;
}  // namespace

uint32_t ConnectionsFor(double target_gbps) {
  if (!(target_gbps > 0)) return kConnectionsMin;
  const double wanted = std::ceil(target_gbps * kConnectionsPerGbps);
  return static_cast<uint32_t>(
      std::clamp<double>(wanted, double{kConnectionsMin}, double{kConnectionsMax}));
}

InFlightLimit::InFlightLimit(uint32_t limit_max)
    : limit_max_(std::max(1U, limit_max)), limit_(limit_max_) {}

void InFlightLimit::Served() { limit_ = std::min(limit_max_, limit_ + 1.0 / limit_); }

void InFlightLimit::Throttled(uint64_t begun_in_epoch) {
  if (begun_in_epoch != epoch_) return;
  ++epoch_;
  limit_ = std::max(1.0, limit_ * kCut);
}

bool RetryBudget::Spend() {
  if (tokens_ < kRetryCost) return false;
  tokens_ -= kRetryCost;
  return true;
}

void RetryBudget::Succeeded(bool after_retry) {
  tokens_ = std::min(tokens_max_, tokens_ + (after_retry ? kRetryCost : 1));
}

}  // namespace varve::plan
