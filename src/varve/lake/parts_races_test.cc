// Goal: a join is one version or none, whoever else joins, collects or loses answers meanwhile.
// Method: another joiner, whole collections, or a fault at every request of a join in turn.
#include <gtest/gtest.h>

#include <thread>

#include "varve/lake/sample_ranks.h"
#include "varve/lake/sample_stores.h"

namespace varve::lake {
namespace {

using store::Fault;

const RankState kState{.seed = 5};

struct Saved {
  std::shared_ptr<store::MemoryStore> memory = LakeBeforeRanks();
  std::vector<std::string> tokens = SaveRanks(*GcOpen(memory), "a", kState);
};

void ExpectOneVersion(const std::shared_ptr<store::MemoryStore>& memory) {
  EXPECT_EQ(RankVersions(memory), 2U);
  VARVE_EXPECT_OK(RanksLoad(*GcOpen(memory), "a@v2", kState));
  VARVE_EXPECT_OK(GcLoads(*GcOpen(memory), "a@v1", 1, 1));
}

using Memory = std::shared_ptr<store::MemoryStore>;

// Before each request of a join in turn, `strike`.
template <typename Strike, typename Check>
void AtEveryRequestOfAJoin(const Strike& strike, const Check& check) {
  std::vector<std::string> tokens;
  GcAtEveryRequest(
      40,
      [&] {
        const Saved saved;
        tokens = saved.tokens;
        return saved.memory;
      },
      [&](const Memory& memory) { strike(memory, tokens); },
      [&](Lake& lake) { return lake.JoinParts(kGcCtx, "a", tokens); }, check);
}

// How joins that a collection may outrun ended: a version, or a conflict that shows nothing.
struct Ends {
  uint64_t saved = 0, refused = 0;

  void Count(const Memory& memory, const Result<SaveReport>& joined) {
    if (joined.ok()) {
      ++saved;
      ExpectOneVersion(memory);
      return;
    }
    ++refused;
    EXPECT_EQ(joined.error().code(), ErrorCode::kConflict) << joined.error().ToString();
    EXPECT_EQ(RankVersions(memory), 1U);
    VARVE_EXPECT_OK(GcLoads(*GcOpen(memory), "a", 1, 1));
  }
  void ExpectBoth() const {
    EXPECT_GT(saved, 0U);
    EXPECT_GT(refused, 2U);
  }
};

// A collection that decides and then may delete nothing.
void Condemn(const Memory& memory) {
  const auto hooked = std::make_shared<HookStore>(memory);
  hooked->deleting = [](const store::Key&) -> Status {
    return Error(ErrorCode::kPermissionDenied, "locked");
  };
  VARVE_EXPECT_OK(GcOpen(hooked)->CollectGarbage(kGcCtx, kGcNow));
}

TEST(PartsRaces, AnotherJoinBeforeEveryRequest) {
  AtEveryRequestOfAJoin(
      [](const auto& memory, const auto& tokens) {
        VARVE_EXPECT_OK(GcOpen(memory)->JoinParts(kGcCtx, "a", tokens));
      },
      [&](const Result<SaveReport>& joined, Lake&, const auto& memory, bool) {
        ASSERT_TRUE(joined.ok()) << joined.error().ToString();
        EXPECT_EQ(joined->version, 2U);
        ExpectOneVersion(memory);
      });
}

TEST(PartsRaces, EveryRankAtOnce) {
  const auto memory = LakeBeforeRanks();
  RankState state = kState;
  state.ranks = 6;
  const auto tokens = SaveRanks(*GcOpen(memory), "a", state);
  std::vector<std::thread> ranks;
  for (uint32_t rank = 0; rank < state.ranks; ++rank) {
    ranks.emplace_back([&] {
      const auto joined = GcOpen(memory)->JoinParts(kGcCtx, "a", tokens);
      ASSERT_TRUE(joined.ok()) << joined.error().ToString();
      EXPECT_EQ(joined->version, 2U);
    });
  }
  for (std::thread& rank : ranks) rank.join();
  EXPECT_EQ(RankVersions(memory), 2U);
  VARVE_EXPECT_OK(RanksLoad(*GcOpen(memory), "a@v2", state));
}

// Another save lands first: the join is the version after it.
TEST(PartsRaces, ASaveByAnotherBeforeEveryRequest) {
  AtEveryRequestOfAJoin(
      [](const auto& memory, const auto&) { VARVE_EXPECT_OK(GcSave(*GcOpen(memory), "a", 9, 9)); },
      [&](const Result<SaveReport>& joined, Lake& lake, const auto& memory, bool struck) {
        ASSERT_TRUE(joined.ok()) << joined.error().ToString();
        EXPECT_EQ(RankVersions(memory), struck ? 3U : 2U);
        VARVE_EXPECT_OK(RanksLoad(lake, "a@v" + std::to_string(joined->version), kState));
      });
}

// The answer of any request, or the request, is lost, late, or doubled; the next join settles it.
TEST(PartsRaces, AFaultAtEveryRequestIsOneVersionInTheEnd) {
  for (const Fault fault :
       {Fault::kLoseAnswer, Fault::kLoseRequest, Fault::kZombie, Fault::kRefuse, Fault::kThrottle,
        Fault::kCrashBefore, Fault::kCrashAfter, Fault::kCrashZombie}) {
    bool struck = true;
    for (uint64_t at = 1; struck; ++at) {
      SCOPED_TRACE("fault " + std::to_string(static_cast<int>(fault)) + " at request " +
                   std::to_string(at));
      ASSERT_LT(at, 40U);
      const Saved saved;
      const auto faulty = std::make_shared<store::FaultStore>(saved.memory);
      const auto lake = GcOpen(faulty);
      faulty->Plan(fault, at);
      const auto joined = lake->JoinParts(kGcCtx, "a", saved.tokens);
      struck = faulty->requests() >= at;
      if (joined.ok()) {
        EXPECT_EQ(joined->version, 2U);
        ExpectOneVersion(saved.memory);
      } else {
        VARVE_EXPECT_OK(GcLoads(*GcOpen(saved.memory), "a@v1", 1, 1));
      }
      const auto again = GcOpen(saved.memory)->JoinParts(kGcCtx, "a", saved.tokens);
      ASSERT_TRUE(again.ok()) << again.error().ToString();
      EXPECT_EQ(again->version, 2U);
      faulty->Settle();
      ExpectOneVersion(saved.memory);
      if (HasFailure()) return;
    }
  }
}

// A late request of a joiner that died arrives before any request of the next one.
TEST(PartsRaces, AJoinThatGaveUpAndArrivesLateIsNotMadeTwice) {
  uint64_t requests = 1;
  for (uint64_t gave_up = 1; gave_up < 14; ++gave_up) {
    for (uint64_t at = 1; at <= requests; ++at) {
      SCOPED_TRACE("request " + std::to_string(gave_up) + " arrives before request " +
                   std::to_string(at));
      const Saved saved;
      const auto faulty = std::make_shared<store::FaultStore>(saved.memory);
      const auto dying = GcOpen(faulty);
      faulty->Plan(Fault::kCrashZombie, gave_up);
      static_cast<void>(dying->JoinParts(kGcCtx, "a", saved.tokens).ok());
      const auto hooked = std::make_shared<HookStore>(saved.memory);
      const auto lake = GcOpen(hooked);
      const uint64_t begun = hooked->requests();
      hooked->before = [&](uint64_t request) {
        if (request == begun + at) faulty->Settle();
      };
      VARVE_EXPECT_OK(lake->JoinParts(kGcCtx, "a", saved.tokens));
      requests = std::max(requests, hooked->requests() - begun);
      hooked->before = nullptr;
      faulty->Settle();
      ExpectOneVersion(saved.memory);
      if (HasFailure()) return;
    }
  }
}

// A collection without a grace took the parts: the join says so, and shows nothing.
TEST(PartsRaces, ACollectionBeforeTheJoinTakesThePartsAndSaysSo) {
  const Saved saved;
  GcCollect(saved.memory);
  const auto joined = GcOpen(saved.memory)->JoinParts(kGcCtx, "a", saved.tokens);
  ASSERT_FALSE(joined.ok());
  EXPECT_EQ(joined.error().code(), ErrorCode::kConflict) << joined.error().ToString();
  EXPECT_NE(joined.error().message().find("save again"), std::string::npos);
  EXPECT_EQ(RankVersions(saved.memory), 1U);
  VARVE_EXPECT_OK(GcLoads(*GcOpen(saved.memory), "a", 1, 1));
}

// Condemned and not yet deleted: the chunks move to packs that nobody condemned. The joiner reads
// the collector's state long after; only the ranks' own epochs tell it what to heed.
TEST(PartsRaces, CondemnedPacksAreWrittenAgain) {
  for (const bool twice : {false, true}) {
    const Saved saved;
    const std::set<std::string> old = GcKeys(*saved.memory, "pack/");
    Condemn(saved.memory);
    ASSERT_EQ(GcKeys(*saved.memory, "pack/"), old);
    const auto lake = GcOpen(saved.memory);
    const auto joined = lake->JoinParts(kGcCtx, "a", saved.tokens);
    ASSERT_TRUE(joined.ok()) << joined.error().ToString();
    const format::Commit commit = GcCommit(saved.memory, "a@v2").commit;
    for (const format::PackRow& pack : commit.packs) {
      EXPECT_FALSE(old.contains(format::PackKey(pack.id))) << "it was decided dead";
    }
    if (twice) VARVE_EXPECT_OK(lake->JoinParts(kGcCtx, "a", saved.tokens));
    GcCollect(saved.memory);
    ExpectOneVersion(saved.memory);
  }
}

// A collection before every request of a join, then another.
TEST(PartsRaces, ACollectionBeforeEveryRequest) {
  Ends ends;
  AtEveryRequestOfAJoin([](const auto& memory, const auto&) { GcCollect(memory); },
                        [&](const Result<SaveReport>& joined, Lake&, const auto& memory, bool) {
                          GcCollect(memory);
                          ends.Count(memory, joined);
                        });
  ends.ExpectBoth();
}

// A collection before every request of a rank's save; the join comes last.
TEST(PartsRaces, ACollectionBeforeEveryRequestOfARank) {
  std::string first;
  Ends ends;
  GcAtEveryRequest(
      40,
      [&] {
        const auto memory = LakeBeforeRanks();
        first = SaveRank(*GcOpen(memory), "a", kState, 0)->token;
        return memory;
      },
      [&](const auto& memory) { GcCollect(memory); },
      [&](Lake& lake) { return SaveRank(lake, "a", kState, 1); },
      [&](const Result<PartReport>& part, Lake& lake, const auto& memory, bool) {
        ASSERT_TRUE(part.ok()) << part.error().ToString();
        const auto joined = lake.JoinParts(kGcCtx, "a", {first, part->token});
        GcCollect(memory);
        ends.Count(memory, joined);
      });
  ends.ExpectBoth();
}

// The ranks reuse chunks of the version before them, which is let go and condemned meanwhile.
TEST(PartsRaces, WhatRanksReuseIsAskedAbout) {
  const auto memory = LakeBeforeRanks();
  const auto lake = GcOpen(memory);
  RankState again = kState;
  VARVE_EXPECT_OK(lake->JoinParts(kGcCtx, "a", SaveRanks(*lake, "a", again)));
  again.save_id = "step 2";
  const uint64_t packs = GcKeys(*memory, "pack/").size();
  const auto tokens = SaveRanks(*lake, "a", again);
  ASSERT_EQ(GcKeys(*memory, "pack/").size(), packs) << "all of it is shared";
  VARVE_EXPECT_OK(lake->Forget(kGcCtx, "a@v2", "old", kGcAtOnce));
  Condemn(memory);
  const auto joined = GcOpen(memory)->JoinParts(kGcCtx, "a", tokens);
  ASSERT_TRUE(joined.ok()) << joined.error().ToString();
  GcCollect(memory);
  VARVE_EXPECT_OK(RanksLoad(*GcOpen(memory), "a@v3", again));
}

}  // namespace
}  // namespace varve::lake
