// How many requests to have in flight, decided from what the store answered. Pure: times and
// outcomes come in, numbers go out; callers hold their own lock.
#pragma once

#include <cstdint>

namespace varve::plan {

inline constexpr uint32_t kConnectionsMin = 8, kConnectionsMax = 256;

// Connections that fill a link of so many Gbit/s, at about 0.4 Gbit/s for one. 0 and what is no
// number: the least.
uint32_t ConnectionsFor(double target_gbps);

// Of the time that requests take, the part in which nothing moves since the answer is still on its
// way: what more requests beside them could use.
//
// The wait that counts is the shortest of lately: what a busy machine adds to it is no
// reason to ask for more at once. Invariant: 0 <= share() <= kShareMax.
class WaitShare {
 public:
  static constexpr int64_t kWaitNsMin = 2'000'000;  // Below: a neighbour, whose waits cost nothing.
  static constexpr uint32_t kRequests = 32;         // Of one step; the last two steps count.
  // Four times as many at most: a store that is slow since it works looks as if it were far.
  static constexpr double kShareMax = 0.75;

  // `wait_ns`: from the last byte of the request to the first of the answer.
  void Finished(int64_t wait_ns, int64_t whole_ns);
  double share() const { return share_; }

 private:
  struct Step {
    int64_t least_wait_ns = INT64_MAX, whole_ns = 0;
    uint32_t requests = 0;
  };
  Step last_, now_;
  double share_ = 0;
};

// How many requests to have in flight so that `moving` of them move bytes (Little's law).
uint32_t ConnectionsBeside(uint32_t moving, double wait_share);

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
