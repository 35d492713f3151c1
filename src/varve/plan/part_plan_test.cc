// Goal: every plan covers its object exactly once and stays inside the store's limits.
// Method: cases a reader can check by hand, then a property over seeded random inputs.
#include "varve/plan/part_plan.h"

#include <gtest/gtest.h>

#include "varve/base/random.h"

namespace varve::plan {
namespace {

TEST(PartPlan, OneByteOverTheLimitIsAnError) {
  const PartLimits limits{.part_bytes_min = 1, .part_bytes_max = 4, .part_count_max = 3};
  EXPECT_TRUE(PlanParts({.object_bytes = 12, .part_bytes_wanted = 1, .limits = limits}).ok());
  const auto plan = PlanParts({.object_bytes = 13, .part_bytes_wanted = 1, .limits = limits});
  ASSERT_FALSE(plan.ok());
  EXPECT_EQ(plan.error().code(), ErrorCode::kResourceExhausted);
  EXPECT_FALSE(PlanParts({.object_bytes = 1, .limits = {.part_bytes_min = 0}}).ok());
  EXPECT_FALSE(PlanParts({.object_bytes = UINT64_MAX, .limits = {}}).ok());
}

TEST(PartPlan, GrowsToWholeMebibytesForALargeFile) {
  const auto plan = PlanParts({.object_bytes = 2'000'000'000'000, .limits = {}});  // 2 TB
  ASSERT_TRUE(plan.ok());
  EXPECT_EQ(plan->part_bytes, 191 * kMiB);
  EXPECT_LE(plan->count, 10'000U);
  EXPECT_EQ(PlanParts({.object_bytes = 100 * kMiB, .limits = {}})->count, 4U);
  EXPECT_EQ(PlanParts({.object_bytes = 0, .limits = {}})->count, 1U);
}

TEST(PartPlan, CoversEveryObjectExactlyOnce) {
  constexpr uint64_t kSeed = 20'001;
  SeededRandom random(kSeed);
  for (int round = 0; round < 20'000; ++round) {
    SCOPED_TRACE("seed " + std::to_string(kSeed) + " round " + std::to_string(round));
    const PartLimits limits{.part_bytes_min = random.Between(1, 64),
                            .part_bytes_max = random.Between(64, 127),
                            .part_count_max = static_cast<uint32_t>(random.Between(1, 100))};
    const PartPlanInput input{.object_bytes = random.Between(0, 10'000),
                              .part_bytes_wanted = random.Between(0, 200),
                              .limits = limits};
    const auto plan = PlanParts(input);
    ASSERT_EQ(plan.ok(), input.object_bytes <= limits.part_bytes_max * limits.part_count_max);
    if (!plan.ok()) continue;
    uint64_t covered = 0;
    for (uint32_t i = 0; i < plan->count; ++i) {
      ASSERT_EQ(plan->Offset(i), covered);
      ASSERT_LE(plan->PartBytes(i), limits.part_bytes_max);
      ASSERT_TRUE(plan->PartBytes(i) >= limits.part_bytes_min || i + 1 == plan->count);
      covered += plan->PartBytes(i);
    }
    ASSERT_EQ(covered, input.object_bytes);
    ASSERT_LE(plan->count, limits.part_count_max);
  }
}

}  // namespace
}  // namespace varve::plan
