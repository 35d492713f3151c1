// Goal: a pack is written again when that frees more than it moves, and never else.
// Method: cases on both sides of each limit, and random lakes against what the rule says of each.
#include "varve/plan/repack.h"

#include <gtest/gtest.h>

#include "varve/base/random.h"

namespace varve::plan {
namespace {

using enum RepackVerdict;

std::vector<RepackVerdict> Choose(const std::vector<RepackPack>& packs,
                                  const std::vector<RepackCommit>& commits,
                                  const RepackRules& rules = {}) {
  return ChooseRepack(packs, commits, rules);
}

TEST(Repack, HalfDeadIsWorthItAndABitLessIsNot) {
  const std::vector<RepackCommit> commits{{10, false}};
  EXPECT_EQ(Choose({{1000, 495, 0, {0}}}, commits).front(), kMove);
  EXPECT_EQ(Choose({{1000, 496, 0, {0}}}, commits).front(), kCommits);
  EXPECT_EQ(Choose({{1000, 501, 0, {0}}}, commits).front(), kMostlyLive);
  EXPECT_EQ(Choose({{1000, 1000, 0, {0}}}, commits, {.dead_percent = 1}).front(), kMostlyLive);
}

TEST(Repack, AnotherThreshold) {
  EXPECT_EQ(Choose({{1000, 200, 0, {}}}, {}, {.dead_percent = 80}).front(), kMove);
  EXPECT_EQ(Choose({{1000, 201, 0, {}}}, {}, {.dead_percent = 80}).front(), kMostlyLive);
}

TEST(Repack, CommitObjectsAreSharedByThePacksThatMoveWithThem) {
  const std::vector<RepackCommit> commits{{800, false}};
  EXPECT_EQ(Choose({{1000, 250, 0, {0}}}, commits).front(), kCommits);
  const auto two = Choose({{1000, 250, 0, {0}}, {1000, 250, 0, {0}}}, commits);
  EXPECT_EQ(two, (std::vector{kMove, kMove}));
  // One that does not move bears nothing.
  const auto one = Choose({{1000, 250, 0, {0}}, {1000, 900, 0, {0}}}, commits);
  EXPECT_EQ(one, (std::vector{kCommits, kMostlyLive}));
}

TEST(Repack, YoungAndFixedPacksStay) {
  const std::vector<RepackCommit> commits{{1, false}, {1, true}};
  EXPECT_EQ(Choose({{1000, 100, 9, {0}}}, commits, {.age_ms_min = 10}).front(), kYoung);
  EXPECT_EQ(Choose({{1000, 100, 10, {0}}}, commits, {.age_ms_min = 10}).front(), kMove);
  EXPECT_EQ(Choose({{1000, 100, 0, {0, 1}}}, commits).front(), kFixed);
}

TEST(Repack, TheBestGoFirstAndOneAlwaysFits) {
  const std::vector<RepackPack> packs{{1000, 300, 0, {}}, {1000, 100, 0, {}}, {1000, 200, 0, {}}};
  EXPECT_EQ(Choose(packs, {}, {.moved_bytes_max = 300}), (std::vector{kLater, kMove, kMove}));
  EXPECT_EQ(Choose(packs, {}, {.moved_bytes_max = 0}), (std::vector{kLater, kMove, kLater}));
}

TEST(Repack, WhatIsChosenFreesAtLeastWhatIsMoved) {
  for (uint64_t seed = 1; seed <= 500; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    SeededRandom random(seed);
    std::vector<RepackCommit> commits(random.Between(1, 6));
    for (RepackCommit& commit : commits) commit.object_bytes = random.Between(1, 500);
    std::vector<RepackPack> packs(random.Between(1, 8));
    for (RepackPack& pack : packs) {
      pack.object_bytes = random.Between(1, 1000);
      pack.live_bytes = random.Between(0, pack.object_bytes + 50);
      for (uint32_t i = 0; i < commits.size(); ++i) {
        if (random.Between(0, 2) == 0) pack.commits.push_back(i);
      }
    }
    const auto percent = static_cast<uint32_t>(random.Between(1, 99));
    const auto verdicts = Choose(packs, commits, {.dead_percent = percent});
    double dead = 0, moved = 0;
    std::vector<bool> written(commits.size());
    for (size_t i = 0; i < packs.size(); ++i) {
      if (verdicts[i] != kMove) continue;
      dead += static_cast<double>(packs[i].object_bytes) - static_cast<double>(packs[i].live_bytes);
      moved += static_cast<double>(packs[i].live_bytes);
      for (const uint32_t commit : packs[i].commits) written[commit] = true;
    }
    for (size_t i = 0; i < commits.size(); ++i) {
      if (written[i]) moved += static_cast<double>(commits[i].object_bytes);
    }
    EXPECT_GE(dead * (100 - percent) + 1e-6, moved * percent);
  }
}

}  // namespace
}  // namespace varve::plan
