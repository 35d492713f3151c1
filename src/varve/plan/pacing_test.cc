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

}  // namespace
}  // namespace varve::plan
