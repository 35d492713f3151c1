// Goal: what was added is found, nothing else is, and what nobody met is known, at a bounded cost.
// Method: seeded sets beside std::set, repeats included.
#include "varve/plan/live_set.h"

#include <gtest/gtest.h>

#include <cstring>
#include <set>
#include <vector>

#include "varve/plan/gc_policy.h"

namespace varve::plan {
namespace {

uint64_t Step(uint64_t& state) {
  state = state * 6364136223846793005 + 1442695040888963407;
  return state ^ (state >> 29);
}

TEST(LiveSetTest, HoldsExactlyWhatWasAdded) {
  for (const size_t count : {0UL, 1UL, 63UL, 64UL, 65UL, 5000UL, 200'000UL}) {
    uint64_t state = count;
    LiveSet live;
    std::set<uint64_t> model;
    std::vector<uint64_t> added;
    for (size_t i = 0; i < count; ++i) {
      // One of three is a repeat, as packs are that many commits share.
      const uint64_t value = i % 3 == 2 ? added[Step(state) % added.size()] : Step(state);
      added.push_back(value);
      live.Add(value);
      model.insert(value);
    }
    live.Seal();
    ASSERT_EQ(live.size(), model.size());
    EXPECT_EQ(live.unmet(), model.size());
    for (const uint64_t value : model) ASSERT_TRUE(live.Contains(value));
    for (int i = 0; i < 1000; ++i) {
      const uint64_t value = Step(state);
      EXPECT_EQ(live.Contains(value), model.contains(value));
      EXPECT_EQ(live.Meet(value), model.contains(value));
    }
    size_t left = model.size();
    for (const uint64_t value : model) {
      if (left == 1) break;
      EXPECT_TRUE(live.Meet(value));
      EXPECT_TRUE(live.Meet(value));  // Twice is once.
      --left;
    }
    EXPECT_EQ(live.unmet(), left);
    if (!model.empty()) {
      EXPECT_TRUE(live.IsUnmet(*model.rbegin()));
    }
    if (count == 200'000) {
      EXPECT_LT(live.memory_bytes(), model.size() * 12);
    }
  }
}

TEST(LiveSetTest, FingerprintsDependOnIdKindAndSalt) {
  std::set<uint64_t> prints;
  Bytes id(16);
  for (uint32_t i = 0; i < 1000; ++i) {
    std::memcpy(id.data() + 8, &i, sizeof i);
    for (uint8_t kind = 0; kind < 4; ++kind) {
      for (const uint64_t salt : {1UL, 2UL}) prints.insert(Fingerprint(id, kind, salt));
    }
  }
  EXPECT_EQ(prints.size(), 8000U);
}

TEST(GcPolicyTest, GraceAndShare) {
  EXPECT_TRUE(GraceOver(1000, 900, 100));
  EXPECT_FALSE(GraceOver(1000, 901, 100));
  EXPECT_FALSE(GraceOver(1000, 1001, 100));  // Written after the marker.
  EXPECT_TRUE(GraceOver(0, 1001, 0));
  EXPECT_FALSE(ShareTooLarge(0, 0));
  EXPECT_FALSE(ShareTooLarge(30, 100));
  EXPECT_TRUE(ShareTooLarge(31, 100));
  EXPECT_TRUE(ShareTooLarge(1, 0));
  EXPECT_TRUE(ShareTooLarge(UINT64_MAX, UINT64_MAX));
}

}  // namespace
}  // namespace varve::plan
