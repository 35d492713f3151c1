// Goal: requests in flight follow what the store bears, and repeats never multiply an outage.
// Method: cases by hand, then small models of stores that refuse at random (seeded).
#include "varve/plan/pacing.h"

#include <gtest/gtest.h>

#include <cmath>

#include "varve/base/random.h"

namespace varve::plan {
namespace {

TEST(ConnectionsFor, FollowsTheBandwidthWithinBounds) {
  EXPECT_EQ(ConnectionsFor(0), 8U);
  EXPECT_EQ(ConnectionsFor(10), 25U);
  EXPECT_EQ(ConnectionsFor(100), 250U);
  EXPECT_EQ(ConnectionsFor(400), 256U);
  EXPECT_EQ(ConnectionsFor(-5), 8U);
  EXPECT_EQ(ConnectionsFor(std::nan("")), 8U);
  EXPECT_EQ(ConnectionsFor(INFINITY), 256U);
}

TEST(InFlightLimit, ABurstOfRefusalsIsOneCut) {
  InFlightLimit limit(100);
  const uint64_t epoch = limit.epoch();
  for (int i = 0; i < 50; ++i) limit.Throttled(epoch);
  EXPECT_EQ(limit.limit(), 70U);
  limit.Throttled(limit.epoch());
  EXPECT_EQ(limit.limit(), 49U);
  for (int i = 0; i < 60; ++i) limit.Served();  // Somewhat more than one round of requests.
  EXPECT_EQ(limit.limit(), 50U);
  for (int i = 0; i < 100; ++i) limit.Throttled(limit.epoch());
  EXPECT_EQ(limit.limit(), 1U);
  for (int i = 0; i < 100'000; ++i) limit.Served();
  EXPECT_EQ(limit.limit(), 100U);
  EXPECT_EQ(InFlightLimit(0).limit(), 1U);
}

// A store that serves `capacity` requests of a round and refuses the rest.
TEST(InFlightLimit, SettlesBelowWhatAStoreBears) {
  InFlightLimit limit(256);
  uint64_t served = 0, refused = 0;
  constexpr uint32_t kCapacity = 40;
  for (int round = 0; round < 2000; ++round) {
    const uint64_t epoch = limit.epoch();
    const uint32_t sent = limit.limit();
    for (uint32_t i = 0; i < sent; ++i) {
      if (i < kCapacity) {
        limit.Served();
        ++served;
      } else {
        limit.Throttled(epoch);
        ++refused;
      }
    }
  }
  EXPECT_GT(served, 2000U * kCapacity * 7 / 10) << "capacity is left unused";
  EXPECT_LT(refused * 10, served) << "the store is asked too much";
}

TEST(RetryBudget, AnOutageCostsAFixedNumberOfRequests) {
  RetryBudget budget(500);
  int retries = 0;
  while (budget.Spend()) ++retries;
  EXPECT_EQ(retries, 100);
  for (int i = 0; i < 4; ++i) budget.Succeeded(false);
  EXPECT_FALSE(budget.Spend());
  budget.Succeeded(false);
  EXPECT_TRUE(budget.Spend());
  for (int i = 0; i < 1000; ++i) budget.Succeeded(true);
  EXPECT_EQ(budget.tokens(), 500);
}

TEST(RetryBudget, AStormOfAQuarterIsBorneForEver) {
  constexpr uint64_t kSeed = 11;
  SeededRandom random(kSeed);
  RetryBudget budget(500);
  uint64_t attempts = 0, refused = 0;
  constexpr uint64_t kRequests = 50'000;
  for (uint64_t i = 0; i < kRequests; ++i) {
    int tries = 1;
    for (; random.Between(0, 99) < 25; ++tries) {
      if (!budget.Spend()) ++refused;
    }
    attempts += static_cast<uint64_t>(tries);
    budget.Succeeded(tries > 1);
  }
  EXPECT_EQ(refused, 0U) << "seed " << kSeed;
  EXPECT_LT(attempts, kRequests * 3 / 2);
}

TEST(WaitShare, OnlyTheWaitThatNobodyCausesCounts) {
  constexpr int64_t kMs = 1'000'000;
  WaitShare near;  // A busy machine: waits of up to 40 ms, and none for the store's sake.
  for (int64_t i = 0; i < 200; ++i) near.Finished(i % 20 * 2 * kMs, 100 * kMs);
  EXPECT_EQ(near.share(), 0);
  WaitShare far;
  EXPECT_EQ(far.share(), 0) << "nothing is known yet";
  for (int64_t i = 0; i < 200; ++i) far.Finished((20 + i % 20) * kMs, 80 * kMs);
  EXPECT_NEAR(far.share(), 0.25, 0.001);
  for (int64_t i = 0; i < 64; ++i) far.Finished(0, 80 * kMs);
  EXPECT_EQ(far.share(), 0) << "it came nearer";
  WaitShare small;
  for (int64_t i = 0; i < 200; ++i) small.Finished(20 * kMs, 20 * kMs);
  EXPECT_EQ(small.share(), WaitShare::kShareMax);
  WaitShare odd;
  for (int64_t i = 0; i < 200; ++i) odd.Finished(20 * kMs, 0);
  EXPECT_EQ(odd.share(), 0);
}

TEST(ConnectionsBeside, AsManyAsLetTheWantedOnesMove) {
  EXPECT_EQ(ConnectionsBeside(8, 0), 8U);
  EXPECT_EQ(ConnectionsBeside(8, 0.25), 11U);
  EXPECT_EQ(ConnectionsBeside(8, 0.5), 16U);
  EXPECT_EQ(ConnectionsBeside(8, 1), 32U);
  EXPECT_EQ(ConnectionsBeside(100, 1), kConnectionsMax);
  EXPECT_EQ(ConnectionsBeside(kConnectionsMax, 0.9), kConnectionsMax);
}

}  // namespace
}  // namespace varve::plan
