// Goal: a store is called safe only when everything a commit stands on was seen to hold.
// Method: the full set of good observations, then each of them spoiled, left out or unknown; races
// and counters with every kind of wrong result.
#include "varve/plan/store_verdict.h"

#include <gtest/gtest.h>

namespace varve::plan {
namespace {

std::vector<Observation> AllGood() {
  std::vector<Observation> seen;
  for (const std::string_view check : kEssentialChecks)
    seen.push_back({std::string(check), "ok", "e"});
  return seen;
}

TEST(StoreVerdict, SafeNeedsEveryEssentialCheck) {
  EXPECT_TRUE(JudgeStore(AllGood()).safe);
  EXPECT_FALSE(JudgeStore({}).safe);
  for (size_t i = 0; i < kEssentialChecks.size(); ++i) {
    auto seen = AllGood();
    seen.erase(seen.begin() + static_cast<std::ptrdiff_t>(i));
    const StoreVerdict verdict = JudgeStore(seen);
    EXPECT_FALSE(verdict.safe) << kEssentialChecks[i];
    EXPECT_NE(verdict.reason.find(kEssentialChecks[i]), std::string::npos) << verdict.reason;
  }
}

TEST(StoreVerdict, EachBrokenConditionRefusesAndSaysWhy) {
  struct Case {
    const char *check, *outcome;
  };
  for (const Case& each : {Case{"create.present", "ignored"}, Case{"swap.stale", "ignored"},
                           Case{"swap.missing", "ignored"}, Case{"swap.current", "broken"},
                           Case{"create.absent", "broken"}, Case{"race.create", "several winners"},
                           Case{"race.swap", "lost write"}, Case{"race.counter", "lost write"},
                           Case{"read.own_write", "stale"}, Case{"lifecycle", "expires"}}) {
    auto seen = AllGood();
    std::erase_if(seen, [&](const Observation& it) { return it.check == each.check; });
    seen.push_back({each.check, each.outcome, "what was seen"});
    const StoreVerdict verdict = JudgeStore(seen);
    EXPECT_FALSE(verdict.safe) << each.check;
    EXPECT_NE(verdict.reason.find("what was seen"), std::string::npos);
    EXPECT_FALSE(verdict.checks.back().advice.empty());
    EXPECT_EQ(verdict.checks.back().verdict, Verdict::kFail);
  }
}

TEST(StoreVerdict, WarningsAndUnknownWordsRefuseNothing) {
  auto seen = AllGood();
  seen.push_back({"public.read", "open", ""});
  seen.push_back({"never.heard", "of", ""});
  seen.push_back({"versioning", "purple", ""});
  const StoreVerdict verdict = JudgeStore(seen);
  EXPECT_TRUE(verdict.safe);
  EXPECT_EQ(verdict.checks[verdict.checks.size() - 3].verdict, Verdict::kWarn);
  EXPECT_EQ(verdict.checks.back().verdict, Verdict::kNote);
}

TEST(StoreVerdict, Races) {
  const RaceRound good{
      .acknowledged = 1, .unknown = 0, .content_of_a_racer = true, .content_of_the_winner = true};
  RaceRound two = good, lost = good, silent = good, none;
  two.acknowledged = 2;
  lost.content_of_the_winner = false;
  silent = {
      .acknowledged = 0, .unknown = 16, .content_of_a_racer = true, .content_of_the_winner = true};
  none = {
      .acknowledged = 0, .unknown = 0, .content_of_a_racer = false, .content_of_the_winner = true};
  EXPECT_EQ(JudgeRaces("r", {good, good}).outcome, "ok");
  EXPECT_EQ(JudgeRaces("r", {good, two, good}).outcome, "several winners");
  EXPECT_EQ(JudgeRaces("r", {lost, good}).outcome, "lost write");
  EXPECT_EQ(JudgeRaces("r", {silent, good}).outcome, "ok") << "a winner may not hear of it";
  EXPECT_EQ(JudgeRaces("r", {none, none}).outcome, "nobody");
  EXPECT_EQ(JudgeRaces("r", {none, good}).outcome, "ok");
}

TEST(StoreVerdict, CounterAndClock) {
  EXPECT_EQ(JudgeCounter("c", 100, 0, 100).outcome, "ok");
  EXPECT_EQ(JudgeCounter("c", 100, 0, 99).outcome, "lost write");
  EXPECT_EQ(JudgeCounter("c", 100, 5, 104).outcome, "ok");
  EXPECT_EQ(JudgeCounter("c", 100, 5, 99).outcome, "lost write");
  EXPECT_EQ(JudgeCounter("c", 100, 5, 106).outcome, "lost write") << "one was counted twice";
  EXPECT_EQ(JudgeClock(900, 0).outcome, "ok");
  EXPECT_EQ(JudgeClock(-70'000, 100).outcome, "off");
  EXPECT_EQ(JudgeClock(70'000, 20'000).outcome, "ok") << "the answer travelled for long";
  EXPECT_EQ(JudgeClock(14 * 60'000, 100).outcome, "refused soon");
}

}  // namespace
}  // namespace varve::plan
