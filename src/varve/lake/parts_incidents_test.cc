// Goal: the incidents of docs/incidents.md that are about several ranks. Method: as incidents_test.
#include <gtest/gtest.h>

#include "varve/lake/sample_ranks.h"

namespace varve::lake {
namespace {

// One of 64 ranks dies at each request of its share: no version appears, the previous one loads,
// and the next attempt is whole.
TEST(Incident10, OneRankOfManyDiesAndNoVersionAppears) {
  constexpr uint32_t kDead = 13;
  const RankState state{.seed = 5, .ranks = 64, .rows = 130};
  const auto memory = LakeBeforeRanks();
  const auto lake = GcOpen(memory);
  std::vector<std::string> tokens;
  for (uint32_t rank = 0; rank < state.ranks; ++rank) {
    if (rank == kDead) continue;
    const auto part = SaveRank(*lake, "a", state, rank);
    ASSERT_TRUE(part.ok()) << part.error().ToString();
    tokens.push_back(part->token);
  }
  uint64_t died = 0;
  std::string last_token;
  for (const store::Fault fault : {store::Fault::kCrashBefore, store::Fault::kCrashAfter}) {
    bool struck = true;
    for (uint64_t at = 1; struck; ++at) {
      SCOPED_TRACE("request " + std::to_string(at));
      ASSERT_LT(at, 30U);
      const auto faulty = std::make_shared<store::FaultStore>(memory);
      const auto dying = GcOpen(faulty);
      faulty->Plan(fault, at);
      const auto part = SaveRank(*dying, "a", state, kDead);
      struck = faulty->requests() >= at;
      ASSERT_NE(part.ok(), struck);
      if (part.ok()) last_token = part->token;
      if (struck) ++died;
      const auto joined = lake->JoinParts(kGcCtx, "a", tokens);
      ASSERT_FALSE(joined.ok());
      EXPECT_EQ(joined.error().code(), ErrorCode::kInvalidArgument);
      EXPECT_NE(joined.error().message().find("ranks=13"), std::string::npos)
          << joined.error().message();
      EXPECT_EQ(RankVersions(memory), 1U);
      VARVE_EXPECT_OK(GcLoads(*GcOpen(memory), "a@latest", 1, 1));
      if (HasFailure()) return;
    }
  }
  EXPECT_GT(died, 8U);
  tokens.push_back(last_token);
  VARVE_EXPECT_OK(lake->JoinParts(kGcCtx, "a", tokens));
  VARVE_EXPECT_OK(RanksLoad(*GcOpen(memory), "a@latest", state));
}

// Eight ranks save one logical name: it is one's bytes, whole, or nothing, never a mix.
TEST(Incident12, EightRanksOfOneNameAreOneOrNothing) {
  const auto save = [](Lake& lake, const std::string& id, bool equal) {
    std::vector<std::string> tokens;
    for (uint32_t rank = 0; rank < 8; ++rank) {
      SaveOptions options;
      options.place = RankPlace{id, rank, 8};
      auto session = lake.BeginSave(kGcCtx, "a", options);
      const Bytes w = RandomBytes(160, equal ? 3 : 3 + rank), m = RandomBytes(80, 3);
      VARVE_EXPECT_OK((*session)->AddTensor(kGcCtx, "w", codec::DType::kF32, {40}, w,
                                            SaveSession::Hold::kCopy));
      VARVE_EXPECT_OK((*session)->AddTensor(kGcCtx, "m", codec::DType::kF32, {20}, m,
                                            SaveSession::Hold::kCopy));
      tokens.push_back((*session)->FinishPart(kGcCtx)->token);
    }
    return tokens;
  };
  const auto memory = LakeBeforeRanks();
  const auto lake = GcOpen(memory);
  const auto joined = lake->JoinParts(kGcCtx, "a", save(*lake, "unequal", false));
  ASSERT_FALSE(joined.ok());
  EXPECT_EQ(joined.error().code(), ErrorCode::kConflict);
  EXPECT_NE(joined.error().message().find("rank 0 and rank 1"), std::string::npos);
  EXPECT_NE(joined.error().message().find("'w'"), std::string::npos);
  EXPECT_EQ(RankVersions(memory), 1U);
  VARVE_EXPECT_OK(GcLoads(*GcOpen(memory), "a", 1, 1));
  // Replicas are one tensor, stored once.
  const auto equal = lake->JoinParts(kGcCtx, "a", save(*lake, "equal", true));
  ASSERT_TRUE(equal.ok()) << equal.error().ToString();
  EXPECT_EQ(equal->logical_bytes, 240U);
  VARVE_EXPECT_OK(GcLoads(*GcOpen(memory), "a@v2", 3, 3));
}

}  // namespace
}  // namespace varve::lake
