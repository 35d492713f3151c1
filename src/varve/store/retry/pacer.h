// What all stores of this process share about one endpoint: how much repeating it may still cost,
// and how many requests it bears at once under each prefix.
//
// An outage that every store met with a budget of its own would be multiplied by their number, and
// a store that says SlowDown says it to all. Lanes keep prefixes apart, since large stores limit
// each by itself, and reads from writes.
// Invariant: a lane never has more requests in flight than its limit (plan/pacing.h). Threads: any.
#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "varve/exec/op_context.h"
#include "varve/exec/sync.h"
#include "varve/plan/pacing.h"
#include "varve/result.h"

namespace varve::store {

class Pacer {
 public:
  static constexpr int64_t kTokensMax = 500;
  static constexpr size_t kLanesMax = 64;  // Above, they share the last one.

  explicit Pacer(int64_t tokens_max = kTokensMax) : budget_(tokens_max) {}
  // The one of `endpoint`, for as long as somebody holds it.
  static std::shared_ptr<Pacer> OfEndpoint(const std::string& endpoint);

  // "pack/7f/..." and a write: the lane of packs that are written.
  static std::string LaneOf(std::string_view key, bool writes);

  // A place in a lane; gives it back when it dies, as neither served nor refused.
  class Place {
   public:
    Place(Place&& other) noexcept : pacer_(std::exchange(other.pacer_, nullptr)) {
      lane_ = other.lane_;
      epoch_ = other.epoch_;
    }
    Place& operator=(Place&&) = delete;
    ~Place() { Leave(Outcome::kOther); }
    void Served() { Leave(Outcome::kServed); }
    void Throttled() { Leave(Outcome::kThrottled); }
    void Ended() { Leave(Outcome::kOther); }  // Says nothing about the load.

   private:
    friend class Pacer;
    enum class Outcome { kServed, kThrottled, kOther };
    Place(Pacer* pacer, std::string lane, uint64_t epoch)
        : pacer_(pacer), lane_(std::move(lane)), epoch_(epoch) {}
    void Leave(Outcome outcome);
    Pacer* pacer_;
    std::string lane_;
    uint64_t epoch_ = 0;
  };
  // Waits for a place. Errors: kCancelled, kTimeout. Do not wait for one while holding another.
  Result<Place> Enter(const OpContext& ctx, const std::string& lane);

  // Whether one more repeat is within the budget.
  bool Spend();
  void Succeeded(bool after_retry);

  // Whether the endpoint has answered anything yet, if only with an error.
  bool met() const { return met_; }
  void Meet() { met_ = true; }

  uint32_t limit(const std::string& lane);

 private:
  struct Lane {
    plan::InFlightLimit limit;
    uint32_t in_flight = 0;
  };
  Lane& LaneNamed(const std::string& name);  // Requires mutex_.

  std::atomic<bool> met_{false};
  Mutex mutex_;
  CondVar left_;
  plan::RetryBudget budget_;           // Guarded by mutex_.
  std::map<std::string, Lane> lanes_;  // Guarded by mutex_.
};

}  // namespace varve::store
