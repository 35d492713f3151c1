// Goal: what is late is asked again, and a store that is slow throughout never has its load
// doubled. Method: sequences of answers by hand, each threshold from both sides.
#include "varve/plan/latency.h"

#include <gtest/gtest.h>

namespace varve::plan {
namespace {

FirstByteLimit Learnt(int64_t first_byte_ms, uint32_t connections = 10) {
  FirstByteLimit limit(connections);
  for (uint32_t i = 0; i < connections; ++i) limit.Answered(first_byte_ms);
  return limit;
}

TEST(FirstByteLimit, StartsOnceEnoughIsKnown) {
  FirstByteLimit limit(25);
  for (int i = 0; i < 24; ++i) limit.Answered(200);
  EXPECT_EQ(limit.limit_ms(), 0);
  limit.Answered(200);
  EXPECT_EQ(limit.limit_ms(), 1000) << "never below a second";
  EXPECT_EQ(Learnt(3000).limit_ms(), 3000) << "the P90 where that is longer";
}

TEST(FirstByteLimit, OneSlowAnswerInTenIsNotTheMeasure) {
  FirstByteLimit limit(20);
  for (int i = 0; i < 19; ++i) limit.Answered(100);
  limit.Answered(5000);
  EXPECT_EQ(limit.limit_ms(), 1000);
}

TEST(FirstByteLimit, DriftsTowardsTheMean) {
  FirstByteLimit limit = Learnt(3000);
  for (int i = 0; i < 2000; ++i) limit.Answered(200);
  EXPECT_NEAR(static_cast<double>(limit.limit_ms()), 1000, 10);
  for (int i = 0; i < 2000; ++i) limit.Answered(2000);
  EXPECT_NEAR(static_cast<double>(limit.limit_ms()), 2700, 10);
}

TEST(FirstByteLimit, GrowsWhenTooMuchIsCut) {
  FirstByteLimit limit = Learnt(200);
  for (int i = 0; i < 1500; ++i) limit.Answered(200);
  limit.CutOff(limit.limit_ms());
  EXPECT_EQ(limit.limit_ms(), 1000) << "one in 1,500 is what it is for";
  limit.CutOff(limit.limit_ms());
  EXPECT_EQ(limit.limit_ms(), 1100) << "more than one in a thousand";
  for (int i = 0; i < 14; ++i) limit.CutOff(limit.limit_ms());
  EXPECT_GE(limit.limit_ms(), 2000) << "more than one in a hundred";
}

TEST(FirstByteLimit, AStaleCutSaysNothing) {
  FirstByteLimit limit = Learnt(200);
  limit.CutOff(1000);
  const int64_t grown_ms = limit.limit_ms();
  EXPECT_EQ(grown_ms, 2000);
  for (int i = 0; i < 20; ++i) limit.CutOff(1000);
  EXPECT_EQ(limit.limit_ms(), grown_ms);
}

TEST(FirstByteLimit, GivesUpOnASlowStoreAndLearnsAnew) {
  EXPECT_EQ(Learnt(6000).limit_ms(), 0) << "slow from the start";
  FirstByteLimit limit = Learnt(200);
  for (int i = 0; i < 5; ++i) limit.CutOff(limit.limit_ms());
  EXPECT_EQ(limit.limit_ms(), 0) << "slow of late";
  for (uint64_t i = 0; i < FirstByteLimit::kRelearnAnswers + 9; ++i) limit.Answered(200);
  EXPECT_EQ(limit.limit_ms(), 0);
  limit.Answered(200);
  EXPECT_EQ(limit.limit_ms(), 1000);
}

TEST(HedgeTimer, NeverBelowTwoSeconds) {
  HedgeTimer timer;
  EXPECT_EQ(timer.first_byte_ms(), 2000);
  EXPECT_EQ(timer.whole_ms(1000), 0) << "nothing is known of such reads";
  for (int i = 0; i < 100; ++i) timer.Finished(1000, 10, 20);
  EXPECT_EQ(timer.first_byte_ms(), 2000);
  EXPECT_EQ(timer.whole_ms(1000), 2000);
  EXPECT_EQ(timer.whole_ms(10'000'000), 0) << "of large ones still nothing";
}

TEST(HedgeTimer, OnlyTheSlowestInAHundred) {
  HedgeTimer timer;
  for (int i = 0; i < 256; ++i) timer.Finished(8'000'000, 4000, i == 100 ? 90'000 : 5000 + i);
  EXPECT_EQ(timer.first_byte_ms(), 4000) << "a store that is slow throughout";
  EXPECT_GE(timer.whole_ms(8'000'000), 5250);
  EXPECT_LE(timer.whole_ms(8'000'000), 5255);
  for (int i = 0; i < 256; ++i) timer.Finished(8'000'000, 10, 30);
  EXPECT_EQ(timer.whole_ms(8'000'000), 2000) << "what was long ago is forgotten";
}

TEST(HedgeTimer, AtMostOneReadInTwenty) {
  HedgeTimer timer;
  EXPECT_TRUE(timer.Spend());
  EXPECT_TRUE(timer.Spend());
  EXPECT_FALSE(timer.Spend());
  for (int i = 0; i < 19; ++i) timer.Finished(1, 1, 1);
  EXPECT_FALSE(timer.Spend());
  timer.Finished(1, 1, 1);
  EXPECT_TRUE(timer.Spend());
  for (int i = 0; i < 10'000; ++i) timer.Finished(1, 1, 1);
  int hedges = 0;
  while (timer.Spend()) ++hedges;
  EXPECT_EQ(hedges, 10) << "no hoard for a bad hour";
}

}  // namespace
}  // namespace varve::plan
