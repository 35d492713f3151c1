// How many requests to have in flight, decided from what the store answered. Pure: times and
// outcomes come in, numbers go out; callers hold their own lock.
#pragma once

#include <cstdint>

namespace varve::plan {

inline constexpr uint32_t kConnectionsMin = 8, kConnectionsMax = 256;

// Connections that fill a link of so many Gbit/s, at about 0.4 Gbit/s for one. 0 and what is no
// number: the least.
uint32_t ConnectionsFor(double target_gbps);

// Additive increase, multiplicative decrease: what a store that says SlowDown leaves in flight.
//
// A burst of refusals is one sign, not many: those that began before the last cut change nothing.
// Invariant: 1 <= limit() <= limit_max.
class InFlightLimit {
 public:
  explicit InFlightLimit(uint32_t limit_max = kConnectionsMax);

  uint32_t limit() const { return static_cast<uint32_t>(limit_); }
  uint64_t epoch() const { return epoch_; }  // A request notes it when it begins.
  void Served();
  void Throttled(uint64_t begun_in_epoch);

 private:
  double limit_max_;
  double limit_;
  uint64_t epoch_ = 0;
};

// What repeating may cost. A retry spends kRetryCost and a request that succeeds gives back what
// its last try cost, or 1 if that was its first: a store that refuses up to 30 % at random can be
// borne for ever, and an outage adds at most tokens_max / kRetryCost requests.
class RetryBudget {
 public:
  static constexpr int64_t kRetryCost = 5;
  explicit RetryBudget(int64_t tokens_max) : tokens_max_(tokens_max), tokens_(tokens_max) {}
  bool Spend();  // False: nothing was spent.
  void Succeeded(bool after_retry);
  int64_t tokens() const { return tokens_; }

 private:
  int64_t tokens_max_;
  int64_t tokens_;
};

}  // namespace varve::plan
