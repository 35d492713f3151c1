// Goal: stores of one endpoint share what it bears, and a storm of refusals neither multiplies the
// load nor stops the work.
// Method: a store that refuses a share of all requests by seed, under a clock that never waits.
#include "varve/store/retry/pacer.h"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "varve/store/memory/memory_store.h"
#include "varve/store/retry/retry_store.h"

namespace varve::store {
namespace {

class NoWaitClock final : public Clock {
 public:
  int64_t WallMs() const override { return 1'700'000'000'000; }
  int64_t SteadyNs() const override { return now_ns_.load(); }
  void SleepUntil(int64_t steady_ns) override { now_ns_ = std::max(now_ns_.load(), steady_ns); }

 private:
  std::atomic<int64_t> now_ns_{1};
};

// Answers kThrottled, or whatever it is told, to `percent` of all puts.
class Refusing final : public ForwardingStore {
 public:
  Refusing(uint64_t percent, ErrorCode code, std::string endpoint)
      : ForwardingStore(std::make_shared<MemoryStore>()),
        percent_(percent),
        code_(code),
        endpoint_(std::move(endpoint)) {}
  std::string Endpoint() const override { return endpoint_; }
  Result<ObjectInfo> PutNew(const OpContext& ctx, const Key& key, ByteView body) override {
    ++attempts_;
    if (random_.Between(0, 99) < percent_) return Error(code_, "refused");
    return ForwardingStore::PutNew(ctx, key, body);
  }
  uint64_t attempts() const { return attempts_; }

 private:
  const uint64_t percent_;
  const ErrorCode code_;
  const std::string endpoint_;
  SeededRandom random_{7};
  uint64_t attempts_ = 0;
};

Key Name(int number) { return Key("pack/" + std::to_string(number)); }

TEST(Pacer, AStormOfAThirdIsFinishedWithAtMostHalfAsManyRepeats) {
  NoWaitClock clock;
  SeededRandom random(3);
  const OpContext ctx(clock, random);
  const auto inner = std::make_shared<Refusing>(30, ErrorCode::kThrottled, "storm");
  RetryStore store(inner);
  constexpr int kPuts = 3000;
  for (int i = 0; i < kPuts; ++i) ASSERT_TRUE(store.PutNew(ctx, Name(i), {}).ok()) << i;
  EXPECT_LE(inner->attempts(), kPuts * 3 / 2U);
  const auto pacer = Pacer::OfEndpoint("storm");
  EXPECT_LT(pacer->limit("w/pack"), plan::kConnectionsMax / 4) << "the lane gave way";
  EXPECT_EQ(pacer->limit("r/pack"), plan::kConnectionsMax) << "reads did not";
  EXPECT_EQ(pacer->limit("w/meta"), plan::kConnectionsMax) << "nor another prefix";
}

TEST(Pacer, AnOutageCostsAllStoresOfAnEndpointOneBudget) {
  NoWaitClock clock;
  SeededRandom random(3);
  const OpContext ctx(clock, random);
  const auto first = std::make_shared<Refusing>(100, ErrorCode::kUnavailable, "down");
  const auto second = std::make_shared<Refusing>(100, ErrorCode::kUnavailable, "down");
  const auto elsewhere = std::make_shared<Refusing>(100, ErrorCode::kUnavailable, "elsewhere");
  RetryStore one(first), two(second), other(elsewhere);
  // They have answered before, if only that nothing is there.
  for (RetryStore* each : {&one, &other}) EXPECT_FALSE(each->Head(ctx, Name(0)).ok());
  for (int i = 0; i < 100; ++i) ASSERT_FALSE(one.PutNew(ctx, Name(i), {}).ok());
  EXPECT_EQ(first->attempts(), 100 + Pacer::kTokensMax / plan::RetryBudget::kRetryCost);
  for (int i = 0; i < 10; ++i) ASSERT_FALSE(two.PutNew(ctx, Name(i), {}).ok());
  EXPECT_EQ(second->attempts(), 10U) << "a budget of its own";
  ASSERT_FALSE(other.PutNew(ctx, Name(0), {}).ok());
  EXPECT_EQ(elsewhere->attempts(), static_cast<unsigned>(RetryOptions().tries_max));
}

TEST(Pacer, AnEndpointThatNeverAnsweredIsGivenUpSoon) {
  NoWaitClock clock;
  SeededRandom random(3);
  const OpContext ctx(clock, random);
  const auto inner = std::make_shared<Refusing>(100, ErrorCode::kUnavailable, "nowhere");
  RetryStore store(inner);
  const int64_t begun_ns = clock.SteadyNs();
  ASSERT_FALSE(store.PutNew(ctx, Name(0), {}).ok());
  EXPECT_LE(clock.SteadyNs() - begun_ns, 1'000'000'000);
  EXPECT_GT(inner->attempts(), 1U);
  EXPECT_LT(inner->attempts(), 8U);
}

TEST(Pacer, ALaneHasNoMoreInFlightThanItsLimit) {
  Pacer pacer;
  const OpContext ctx;
  for (int i = 0; i < 100; ++i) {
    auto place = pacer.Enter(ctx, "w/pack");
    ASSERT_TRUE(place.ok());
    std::move(place).value().Throttled();
  }
  ASSERT_EQ(pacer.limit("w/pack"), 1U);
  auto held = pacer.Enter(ctx, "w/pack");
  ASSERT_TRUE(held.ok());
  EXPECT_TRUE(pacer.Enter(ctx, "r/pack").ok());
  CancelToken cancel;
  std::thread stopper([&] { cancel.Cancel(); });
  const auto refused = pacer.Enter(OpContext(SystemClock(), OsRandom(), cancel), "w/pack");
  stopper.join();
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().code(), ErrorCode::kCancelled);
  std::atomic<bool> entered{false};
  std::thread waiter([&] {
    const auto place = pacer.Enter(ctx, "w/pack");
    entered = place.ok();
  });
  EXPECT_FALSE(entered);
  held->Served();
  waiter.join();
  EXPECT_TRUE(entered);
}

TEST(Pacer, ManyPrefixesDoNotGrowWithoutEnd) {
  Pacer pacer;
  const OpContext ctx;
  for (int i = 0; i < 1000; ++i)
    EXPECT_TRUE(pacer.Enter(ctx, Pacer::LaneOf(std::to_string(i) + "/x", true)).ok());
  EXPECT_EQ(pacer.limit("w/999"), plan::kConnectionsMax);
  EXPECT_EQ(Pacer::LaneOf("pack/7f/0a", false), "r/pack");
  EXPECT_EQ(Pacer::LaneOf("lake", true), "w/lake");
}

}  // namespace
}  // namespace varve::store
