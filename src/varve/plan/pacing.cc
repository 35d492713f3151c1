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

void WaitShare::Finished(int64_t wait_ns, int64_t whole_ns) {
  now_.least_wait_ns = std::min(now_.least_wait_ns, std::max<int64_t>(0, wait_ns));
  now_.whole_ns += std::max<int64_t>(0, whole_ns);
  if (++now_.requests < kRequests) return;
  const int64_t least_ns = std::min(last_.least_wait_ns, now_.least_wait_ns);
  const double waited_ns = static_cast<double>(least_ns) * (last_.requests + now_.requests);
  const auto whole = static_cast<double>(last_.whole_ns + now_.whole_ns);
  share_ = least_ns < kWaitNsMin || whole <= 0 ? 0 : std::min(kShareMax, waited_ns / whole);
  last_ = now_;
  now_ = {};
}

uint32_t ConnectionsBeside(uint32_t moving, double wait_share) {
  const double share = std::clamp(wait_share, 0.0, WaitShare::kShareMax);
  return static_cast<uint32_t>(
      std::min<double>(std::round(moving / (1 - share)), std::max(moving, kConnectionsMax)));
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
