// Goal: a repack moves what lives out of packs that are mostly dead, changes no commit id and no
// byte, loses nothing however it is cut off and whoever else is at work, and then has nothing left
// to do. Method: a small lake with every kind of layout; a fault in each of its requests; another
// process at work before each of them.
#include "varve/lake/repack.h"

#include "varve/format/head.h"
#include "varve/format/names.h"
#include "varve/lake/sample_gc.h"

namespace varve::lake {
namespace {

using plan::RepackVerdict;
using store::Fault;
using store::FaultStore;
using store::MemoryStore;

// Commit objects outweigh the packs of a test, so that nearly nothing must be dead.
const RepackOptions kRepackNow{.apply = true, .dead_percent = 1, .prices = {}};
constexpr int64_t kHourMs = 3'600'000;

Status SaveParts(Lake& lake, const std::string& name, uint64_t w, uint64_t m) {
  const Bytes weights = RandomBytes(160, w), moments = RandomBytes(80, m);
  VARVE_TRY(auto session, lake.BeginSave(kGcCtx, name, {}));
  const auto hold = SaveSession::Hold::kCopy;
  VARVE_CHECK_OK(session->AddTensor(kGcCtx, "model/w", codec::DType::kF32, {40}, weights, hold));
  VARVE_CHECK_OK(
      session->AddTensor(kGcCtx, "optimizer/m", codec::DType::kF32, {20}, moments, hold));
  VARVE_TRY(const SaveReport report, session->Commit(kGcCtx));
  static_cast<void>(report);
  return OkStatus();
}

Status SaveParts(Lake& lake, uint64_t seed) { return SaveParts(lake, "c", 20 + seed, 100 + seed); }

Status LoadPart(Lake& lake, const std::string& address, size_t index, const Bytes& expected) {
  VARVE_TRY(auto version, lake.OpenAt(kGcCtx, address));
  Bytes back(expected.size());
  VARVE_CHECK_OK(version->ReadTensors(kGcCtx, {{index, back}}));
  return back == expected ? OkStatus() : Status(Error(ErrorCode::kInternal, "another value"));
}

Status Thin(Lake& lake, int64_t grace_ms, const std::string& name = "c") {
  auto policies = plan::ParsePolicies("last 1; all of weights; limit 100%");
  if (!policies.ok()) return policies.error();
  policies->policies[0].grace_ms = grace_ms;
  RetentionOptions options;
  options.measure = false;
  options.artifacts = {name};
  VARVE_TRY(const auto report, lake.Retain(kGcCtx, *policies, options, "test"));
  return report.thinned > 0 ? OkStatus() : Status(Error(ErrorCode::kInternal, "nothing thinned"));
}

// "a": v1 is gone, v2 and v3 share its weights, v3 may come back; "b" shares them too. "c": the
// moments of v1 are gone, those of v2 may come back. "d": v1 is gone, v2 and v3 share its weights,
// and the moments of v2 may come back.
std::shared_ptr<MemoryStore> HalfDead() {
  auto memory = std::make_shared<MemoryStore>();
  EXPECT_TRUE(Lake::Init(kGcCtx, *memory).ok());
  const auto lake = GcOpen(memory);
  for (uint64_t i = 1; i <= 3; ++i) VARVE_EXPECT_OK(GcSave(*lake, "a", 1, i));
  {
    SaveOptions options;
    options.parents = {"a@v1"};
    const Bytes weights = RandomBytes(160, 1), moments = RandomBytes(80, 9);
    auto session = lake->BeginSave(kGcCtx, "b", std::move(options));
    EXPECT_TRUE(session.ok());
    const auto hold = SaveSession::Hold::kCopy;
    VARVE_EXPECT_OK((*session)->AddTensor(kGcCtx, "w", codec::DType::kF32, {40}, weights, hold));
    VARVE_EXPECT_OK((*session)->AddTensor(kGcCtx, "m", codec::DType::kF32, {20}, moments, hold));
    VARVE_EXPECT_OK((*session)->Commit(kGcCtx));
  }
  VARVE_EXPECT_OK(lake->Forget(kGcCtx, "a@v1", "old", kGcAtOnce));
  VARVE_EXPECT_OK(
      lake->Forget(kGcCtx, "a@v3", "perhaps", {.by = "", .policy = "", .grace_ms = kHourMs}));
  for (uint64_t seed = 1; seed <= 2; ++seed) VARVE_EXPECT_OK(SaveParts(*lake, seed));
  VARVE_EXPECT_OK(Thin(*lake, 0));
  VARVE_EXPECT_OK(SaveParts(*lake, 3));
  VARVE_EXPECT_OK(Thin(*lake, kHourMs));
  for (uint64_t i = 1; i <= 3; ++i) VARVE_EXPECT_OK(SaveParts(*lake, "d", 40, 140 + i));
  VARVE_EXPECT_OK(lake->Forget(kGcCtx, "d@v1", "old", kGcAtOnce));
  VARVE_EXPECT_OK(Thin(*lake, kHourMs, "d"));
  EXPECT_TRUE(kGcCtx.SleepMs(2).ok());  // What ends now has ended.
  return memory;
}

void ExpectWhole(const std::shared_ptr<MemoryStore>& memory, bool newest_whole = true) {
  const auto lake = GcOpen(memory);
  VARVE_EXPECT_OK(GcLoads(*lake, "a@v2", 1, 2));
  VARVE_EXPECT_OK(GcLoads(*lake, "b@v1", 1, 9));
  for (uint64_t seed = 1; seed <= 3; ++seed) {
    VARVE_EXPECT_OK(LoadPart(*lake, "c@v" + std::to_string(seed), 0, RandomBytes(160, 20 + seed)));
  }
  for (const char* address : {"d@v2", "d@v3"}) {
    VARVE_EXPECT_OK(LoadPart(*lake, address, 0, RandomBytes(160, 40)));
  }
  VARVE_EXPECT_OK(LoadPart(*lake, "d@v3", 1, RandomBytes(80, 143)));
  if (newest_whole) VARVE_EXPECT_OK(LoadPart(*lake, "c@v3", 1, RandomBytes(80, 103)));
  EXPECT_EQ(LoadPart(*lake, "c@v1", 1, RandomBytes(80, 101)).error().code(), ErrorCode::kGone);
}

// What may come back does.
void ExpectReturns(const std::shared_ptr<MemoryStore>& from) {
  const auto memory = GcCopy(*from);
  const auto lake = GcOpen(memory);
  VARVE_EXPECT_OK(lake->Undelete(kGcCtx, "a@v3"));
  VARVE_EXPECT_OK(GcLoads(*lake, "a@v3", 1, 3));
  VARVE_EXPECT_OK(lake->Undelete(kGcCtx, "c@v2"));
  VARVE_EXPECT_OK(LoadPart(*lake, "c@v2", 1, RandomBytes(80, 102)));
  VARVE_EXPECT_OK(lake->Undelete(kGcCtx, "d@v2"));
  VARVE_EXPECT_OK(LoadPart(*lake, "d@v2", 1, RandomBytes(80, 142)));
}

std::map<std::string, std::string> CommitIds(const std::shared_ptr<MemoryStore>& memory) {
  std::map<std::string, std::string> ids;
  const auto lake = GcOpen(memory);
  for (const char* name : {"a", "b", "c", "d"}) {
    const auto history = lake->History(kGcCtx, name, 100);
    EXPECT_TRUE(history.ok());
    for (const VersionInfo& each : *history) {
      ids[std::string(name) + std::to_string(each.entry.version)] = each.entry.commit_id.Hex();
    }
  }
  return ids;
}

void ExpectNothingDamaged(const std::shared_ptr<MemoryStore>& memory) {
  FsckOptions options;
  options.deep = true;
  const auto report = GcOpen(memory)->Fsck(kGcCtx, options);
  ASSERT_TRUE(report.ok()) << report.error().ToString();
  for (const FsckFinding& finding : report->findings) {
    if (plan::RuleOf(finding.kind).harm == plan::Harm::kNote) continue;
    ADD_FAILURE() << finding.object << " " << finding.detail;
  }
}

void CollectTwice(const std::shared_ptr<MemoryStore>& memory) {
  for (int i = 0; i < 2; ++i) GcCollect(memory);
}

// By another process.
void RepackAndCollect(const std::shared_ptr<MemoryStore>& memory) {
  VARVE_EXPECT_OK(GcOpen(memory)->Repack(kGcCtx, kRepackNow));
  CollectTwice(memory);
}

// From whatever is there now: one repack more, and all is as it should be.
void ExpectGoesOn(const std::shared_ptr<MemoryStore>& memory,
                  const std::map<std::string, std::string>& ids, bool as_it_was = true) {
  ExpectWhole(memory, as_it_was);
  const auto report = GcOpen(memory)->Repack(kGcCtx, kRepackNow);
  ASSERT_TRUE(report.ok()) << report.error().ToString();
  EXPECT_TRUE(report->damaged.empty());
  ExpectWhole(memory, as_it_was);
  CollectTwice(memory);
  ExpectWhole(memory, as_it_was);
  if (as_it_was) ExpectReturns(memory);
  EXPECT_EQ(CommitIds(memory), ids);
  ExpectNothingDamaged(memory);
  const auto again = GcOpen(memory)->Repack(kGcCtx, kRepackNow);
  ASSERT_TRUE(again.ok()) << again.error().ToString();
  EXPECT_EQ(again->versions, 0U);
  EXPECT_EQ(again->written_bytes, 0U);
}

TEST(RepackLake, MovesWhatLivesAndChangesNoCommitId) {
  const auto memory = HalfDead();
  const auto ids = CommitIds(memory);
  const auto packs = GcKeys(*memory, "pack/"), metas = GcKeys(*memory, "meta/");
  const auto lake = GcOpen(memory);
  const auto look = lake->Repack(kGcCtx, {.apply = false, .dead_percent = 1, .prices = {}});
  ASSERT_TRUE(look.ok()) << look.error().ToString();
  EXPECT_EQ(GcKeys(*memory, "pack/"), packs);
  EXPECT_EQ(GcKeys(*memory, "meta/"), metas);
  // The packs of a@v1, c@v1 and d@v1, of which the weights live.
  const auto& move = look->groups[static_cast<size_t>(RepackVerdict::kMove)];
  EXPECT_EQ(move.packs, 3U);
  EXPECT_EQ(look->rows.size(), 3U);
  EXPECT_EQ(look->versions, 6U);  // a@v2, a@v3, b@v1, c@v1, d@v2, d@v3.
  EXPECT_EQ(look->artifacts, 4U);
  EXPECT_FALSE(look->quote.has_value());
  const auto report = lake->Repack(kGcCtx, kRepackNow);
  ASSERT_TRUE(report.ok()) << report.error().ToString();
  EXPECT_EQ(report->moved, 7U);  // And what d@v2 may get back.
  // What a commit object takes when it is written is known then.
  EXPECT_NEAR(static_cast<double>(report->written_bytes), static_cast<double>(look->written_bytes),
              100);
  EXPECT_EQ(report->written_objects, look->written_objects);
  EXPECT_EQ(report->freed_bytes, look->freed_bytes);
  // Nothing was deleted, and what the weights of one version and what several share lie apart.
  EXPECT_EQ(GcKeys(*memory, "pack/").size(), packs.size() + 2);
  for (const std::string& key : packs) EXPECT_TRUE(GcKeys(*memory, "pack/").contains(key));
  const auto gc = GcOpen(memory)->CollectGarbage(
      kGcCtx, {.apply = false, .force = false, .grace_ms = 0, .holder = ""});
  ASSERT_TRUE(gc.ok());
  uint64_t replaced = 0;
  for (const auto& reason : gc->reasons) replaced += reason.replaced;
  EXPECT_GE(replaced, 3U);
  ExpectGoesOn(memory, ids);
  for (const auto& row : look->rows) EXPECT_FALSE(GcKeys(*memory, "pack/").contains(row.key));
}

TEST(RepackLake, WhatIsNotWorthItStays) {
  const auto memory = HalfDead();
  const auto before = GcKeys(*memory, "");
  const auto report = GcOpen(memory)->Repack(kGcCtx, {.apply = true, .prices = {}});
  ASSERT_TRUE(report.ok());
  EXPECT_EQ(report->versions, 0U);
  EXPECT_EQ(report->written_bytes, 0U);
  EXPECT_EQ(GcKeys(*memory, ""), before);
  EXPECT_EQ(GcOpen(memory)->Repack(kGcCtx, {.dead_percent = 100, .prices = {}}).error().code(),
            ErrorCode::kInvalidArgument);
}

TEST(RepackLake, AFaultAtEveryRequest) {
  for (const Fault fault : {Fault::kCrashBefore, Fault::kCrashAfter, Fault::kCrashZombie,
                            Fault::kLoseAnswer, Fault::kRefuse, Fault::kFull}) {
    bool struck = true;
    for (uint64_t at = 1; struck; ++at) {
      ASSERT_LT(at, 200U);
      SCOPED_TRACE("fault " + std::to_string(static_cast<int>(fault)) + " at request " +
                   std::to_string(at));
      const auto memory = HalfDead();
      const auto ids = CommitIds(memory);
      const auto faulty = std::make_shared<FaultStore>(memory);
      {
        const auto lake = GcOpen(faulty);
        faulty->Plan(fault, at);
        const auto report = lake->Repack(kGcCtx, kRepackNow);
        struck = faulty->requests() >= at;
        EXPECT_TRUE(struck || report.ok());
      }
      if (at % 2 == 0) faulty->Settle();
      ExpectGoesOn(memory, ids);
      if (at % 2 == 1) faulty->Settle();  // What arrives much later changes nothing.
      ExpectWhole(memory);
    }
  }
}

// Before each request of a repack, `act` is done by another process.
void AtEveryRequest(const std::function<void(const std::shared_ptr<MemoryStore>&)>& act,
                    const std::function<void(const std::shared_ptr<MemoryStore>&)>& after = {},
                    bool as_it_was = true) {
  std::map<std::string, std::string> ids;
  const auto make = [&] {
    const auto memory = HalfDead();
    ids = CommitIds(memory);
    return memory;
  };
  GcAtEveryRequest(
      300, make, act, [](Lake& lake) { return lake.Repack(kGcCtx, kRepackNow); },
      [&](const auto& report, Lake&, const auto& memory, bool struck) {
        // Others were faster four times; else it is done.
        if (!report.ok()) {
          EXPECT_EQ(report.error().code(), ErrorCode::kConflict) << report.error().ToString();
        }
        for (const auto& [version, id] : CommitIds(memory)) {
          const auto [known, fresh] = ids.emplace(version, id);
          EXPECT_EQ(known->second, id);
        }
        if (after && struck) after(memory);
        ExpectGoesOn(memory, ids, as_it_was);
      });
}

TEST(RepackLake, ACollectionBeforeEveryRequest) { AtEveryRequest(CollectTwice); }

TEST(RepackLake, AnotherRepackBeforeEveryRequest) { AtEveryRequest(RepackAndCollect); }

TEST(RepackLake, ASaveThatReusesBeforeEveryRequest) {
  AtEveryRequest([](const auto& memory) { VARVE_EXPECT_OK(GcSave(*GcOpen(memory), "a", 1, 44)); },
                 [](const auto& memory) {
                   VARVE_EXPECT_OK(GcLoads(*GcOpen(memory), "a@v4", 1, 44));
                   CollectTwice(memory);
                   VARVE_EXPECT_OK(GcLoads(*GcOpen(memory), "a@v4", 1, 44));
                 });
}

// A save learned of the old pack before a repack and a collection took it.
TEST(RepackLake, ASaveAroundARepackAndACollection) {
  for (const auto hold : {SaveSession::Hold::kCopy, SaveSession::Hold::kBorrow}) {
    GcAtEveryRequest(
        60, HalfDead, RepackAndCollect, [&](Lake& lake) { return GcSave(lake, "a", 1, 44, hold); },
        [&](const auto& saved, Lake&, const auto& memory, bool) {
          if (saved.ok()) {
            VARVE_EXPECT_OK(GcLoads(*GcOpen(memory), "a@v4", 1, 44));
          } else {
            EXPECT_EQ(hold, SaveSession::Hold::kCopy);  // Its own packs were younger than no grace.
            EXPECT_EQ(saved.error().code(), ErrorCode::kConflict) << saved.error().ToString();
          }
          CollectTwice(memory);
          if (saved.ok()) VARVE_EXPECT_OK(GcLoads(*GcOpen(memory), "a@v4", 1, 44));
          ExpectWhole(memory);
        });
  }
}

// One that shares all it has wrote no pack that a collection could take: it finds the chunks where
// the repack put them.
TEST(RepackLake, ASaveThatOnlySharesFollowsARepackAndACollection) {
  GcAtEveryRequest(
      60, HalfDead, RepackAndCollect,
      [&](Lake& lake) { return GcSave(lake, "a", 1, 2, SaveSession::Hold::kCopy); },
      [&](const auto& saved, Lake&, const auto& memory, bool) {
        VARVE_EXPECT_OK(saved);
        CollectTwice(memory);
        VARVE_EXPECT_OK(GcLoads(*GcOpen(memory), "a@v4", 1, 2));
        ExpectWhole(memory);
      });
}

TEST(RepackLake, AnUndeleteBeforeEveryRequest) {
  AtEveryRequest(
      [](const auto& memory) {
        VARVE_EXPECT_OK(GcOpen(memory)->Undelete(kGcCtx, "a@v3"));
        VARVE_EXPECT_OK(GcOpen(memory)->Undelete(kGcCtx, "c@v2"));
        VARVE_EXPECT_OK(GcOpen(memory)->Undelete(kGcCtx, "d@v2"));
      },
      [](const auto& memory) {
        VARVE_EXPECT_OK(GcLoads(*GcOpen(memory), "a@v3", 1, 3));
        VARVE_EXPECT_OK(LoadPart(*GcOpen(memory), "c@v2", 1, RandomBytes(80, 102)));
        VARVE_EXPECT_OK(LoadPart(*GcOpen(memory), "d@v2", 1, RandomBytes(80, 142)));
      },
      false);
}

// And the other way round: a repack before each request of an undelete.
TEST(RepackLake, BeforeEveryRequestOfAnUndelete) {
  for (const char* address : {"a@v3", "c@v2", "d@v2"}) {
    SCOPED_TRACE(address);
    GcAtEveryRequest(
        60, HalfDead, RepackAndCollect, [&](Lake& lake) { return lake.Undelete(kGcCtx, address); },
        [&](const Status& back, Lake& lake, const auto& memory, bool) {
          if (!back.ok()) VARVE_EXPECT_OK(lake.Undelete(kGcCtx, address));
          CollectTwice(memory);
          ExpectWhole(memory);
          if (address[0] == 'a')
            VARVE_EXPECT_OK(GcLoads(*GcOpen(memory), address, 1, 3));
          else
            VARVE_EXPECT_OK(LoadPart(*GcOpen(memory), address, 1,
                                     RandomBytes(80, address[0] == 'c' ? 102 : 142)));
        });
  }
}

TEST(RepackLake, ForgettingAndThinningBeforeEveryRequest) {
  AtEveryRequest(
      [](const auto& memory) {
        const auto lake = GcOpen(memory);
        VARVE_EXPECT_OK(GcSave(*lake, "a", 5, 5));
        VARVE_EXPECT_OK(SaveParts(*lake, 4));
        VARVE_EXPECT_OK(Thin(*lake, 0));
        CollectTwice(memory);
      },
      {}, false);
}

// A retention that was planned and read before a repack moved what it read.
TEST(RepackLake, BeforeEveryRequestOfAThinning) {
  const auto make = [] {
    const auto memory = HalfDead();
    VARVE_EXPECT_OK(SaveParts(*GcOpen(memory), 4));
    return memory;
  };
  GcAtEveryRequest(
      100, make, RepackAndCollect, [](Lake& lake) { return Thin(lake, kHourMs); },
      [](const Status& thinned, Lake& lake, const auto& memory, bool) {
        if (!thinned.ok()) VARVE_EXPECT_OK(Thin(lake, kHourMs));
        CollectTwice(memory);
        VARVE_EXPECT_OK(lake.Undelete(kGcCtx, "c@v3"));
        VARVE_EXPECT_OK(LoadPart(*GcOpen(memory), "c@v3", 1, RandomBytes(80, 103)));
        ExpectWhole(memory);
      });
}

// The lake was opened before a newer release shut this one out: nothing is copied in vain.
TEST(RepackLake, AFeatureThatCameSinceItWasOpenedStopsIt) {
  const auto memory = HalfDead();
  const auto lake = GcOpen(memory);
  GcAddFeature(*memory, &format::Descriptor::features_write);
  const std::set<std::string> before = GcKeys(*memory, "");
  EXPECT_EQ(lake->Repack(kGcCtx, kRepackNow).error().code(), ErrorCode::kUnsupported);
  EXPECT_EQ(GcKeys(*memory, ""), before);
}

// Who opened a version before, and who is in the middle of something, finds the chunks.
TEST(RepackLake, ReadersFollow) {
  const auto acts = std::vector<std::function<Status(Lake&)>>{
      [](Lake& lake) { return GcLoads(lake, "a@v2", 1, 2); },
      [](Lake& lake) -> Status {
        VARVE_TRY(const auto diff, lake.Diff(kGcCtx, "a@v2", "b@v1"));
        return diff.bytes_shared == 160 ? OkStatus() : Status(Error(ErrorCode::kInternal, "diff"));
      },
      [](Lake& lake) -> Status {
        VARVE_TRY(const VerifyReport report, lake.Verify(kGcCtx, "a@v2"));
        return report.damage.empty() ? OkStatus()
                                     : Status(Error(ErrorCode::kInternal, report.damage[0].what));
      },
      [](Lake& lake) -> Status {
        const auto copy = std::make_shared<MemoryStore>();
        VARVE_CHECK_OK(Lake::Init(kGcCtx, *copy));
        const auto other = GcOpen(copy);
        VARVE_TRY(const auto report, other->CopyFrom(kGcCtx, lake, "a@v2"));
        static_cast<void>(report);
        return GcLoads(*other, "a@v1", 1, 2);
      },
  };
  for (size_t act = 0; act < acts.size(); ++act) {
    SCOPED_TRACE("act " + std::to_string(act));
    GcAtEveryRequest(60, HalfDead, RepackAndCollect, acts[act],
                     [](const Status& done, Lake&, const auto&, bool) { VARVE_EXPECT_OK(done); });
  }
}

TEST(RepackLake, AnOpenVersionOutlivesItsPacks) {
  const auto memory = HalfDead();
  const auto lake = GcOpen(memory);
  auto version = lake->OpenAt(kGcCtx, "a@v2");
  ASSERT_TRUE(version.ok());
  VARVE_EXPECT_OK(GcOpen(memory)->Repack(kGcCtx, kRepackNow));
  CollectTwice(memory);
  Bytes weights(160), moments(80);
  VARVE_EXPECT_OK((*version)->ReadTensors(kGcCtx, {{0, weights}, {1, moments}}));
  EXPECT_EQ(weights, RandomBytes(160, 1));
  EXPECT_EQ(moments, RandomBytes(80, 2));
}

// A pack that does not read back is left as it is, and everything that names it.
TEST(RepackLake, ADamagedChunkIsNotCopied) {
  const auto memory = HalfDead();
  const auto look =
      GcOpen(memory)->Repack(kGcCtx, {.apply = false, .dead_percent = 1, .prices = {}});
  ASSERT_TRUE(look.ok());
  ASSERT_EQ(look->rows.size(), 3U);
  for (const bool missing : {false, true}) {
    const auto hurt = GcCopy(*memory);
    std::string damaged;
    for (const auto& row : look->rows) {
      if (row.versions == 3) damaged = row.key;  // That of a@v1: others name theirs less.
    }
    const store::Key key(damaged);
    auto object = hurt->Get(kGcCtx, key, {});
    ASSERT_TRUE(object.ok());
    VARVE_EXPECT_OK(hurt->Delete(kGcCtx, std::span(&key, 1)));
    for (std::byte& each : object->body) each ^= std::byte{1};
    if (!missing) VARVE_EXPECT_OK(hurt->PutNew(kGcCtx, key, object->body));
    const auto report = GcOpen(hurt)->Repack(kGcCtx, kRepackNow);
    ASSERT_TRUE(report.ok()) << report.error().ToString();
    EXPECT_EQ(report->damaged, std::vector{damaged});
    EXPECT_EQ(report->moved, 4U);  // Of c and d.
    EXPECT_EQ(GcLoads(*GcOpen(hurt), "a@v2", 1, 2).error().code(), ErrorCode::kCorrupt);
    VARVE_EXPECT_OK(LoadPart(*GcOpen(hurt), "c@v1", 0, RandomBytes(160, 21)));
  }
}

// The same chunk in two packs is read in the first; the second does not suffer for that.
TEST(RepackLake, AChunkThatIsDamagedInOneOfTwoPacks) {
  const auto memory = HalfDead();
  for (uint64_t i = 1; i <= 2; ++i) VARVE_EXPECT_OK(GcSave(*GcOpen(memory), "e", 1, 50 + i));
  VARVE_EXPECT_OK(GcOpen(memory)->Forget(kGcCtx, "e@v1", "old", kGcAtOnce));
  for (const char* hurt_by : {"a@v2", "e@v2"}) {
    const auto hurt = GcCopy(*memory);
    const auto version = GcOpen(hurt)->OpenAt(kGcCtx, hurt_by);
    ASSERT_TRUE(version.ok());
    const format::Commit& commit = (*version)->commit();
    const uint32_t chunk = commit.tensors[0].chunks[0];
    const std::string damaged = format::PackKey(commit.packs[commit.chunks[chunk].pack].id);
    const store::Key key(damaged);
    auto object = hurt->Get(kGcCtx, key, {});
    ASSERT_TRUE(object.ok());
    VARVE_EXPECT_OK(hurt->Delete(kGcCtx, std::span(&key, 1)));
    for (std::byte& each : object->body) each ^= std::byte{1};
    VARVE_EXPECT_OK(hurt->PutNew(kGcCtx, key, object->body));
    const auto report = GcOpen(hurt)->Repack(kGcCtx, kRepackNow);
    ASSERT_TRUE(report.ok()) << report.error().ToString();
    const bool read_first = hurt_by[0] == 'a';
    EXPECT_EQ(report->damaged, read_first ? std::vector{damaged} : std::vector<std::string>{});
    EXPECT_EQ(report->moved, read_first ? 5U : 8U);
    VARVE_EXPECT_OK(GcLoads(*GcOpen(hurt), "e@v2", 1, 52));
    EXPECT_EQ(GcLoads(*GcOpen(hurt), "a@v2", 1, 2).ok(), !read_first);
  }
}

// A sealed head takes no version, but its chunks move as any others.
TEST(RepackLake, ASealedHeadAndVersionsInHistory) {
  const auto memory = std::make_shared<MemoryStore>();
  ASSERT_TRUE(Lake::Init(kGcCtx, *memory).ok());
  {
    const auto lake = GcOpen(memory);
    const Bytes weights = RandomBytes(160, 1), much = RandomBytes(100'000, 2);
    auto session = lake->BeginSave(kGcCtx, "a", {});
    ASSERT_TRUE(session.ok());
    const auto hold = SaveSession::Hold::kCopy;
    VARVE_EXPECT_OK((*session)->AddTensor(kGcCtx, "w", codec::DType::kF32, {40}, weights, hold));
    VARVE_EXPECT_OK(
        (*session)->AddTensor(kGcCtx, "much", codec::DType::kF32, {25'000}, much, hold));
    VARVE_EXPECT_OK((*session)->Commit(kGcCtx));
    for (uint64_t i = 2; i <= format::kInlineVersionsMax + 2; ++i) {
      VARVE_EXPECT_OK(GcSave(*lake, "a", 1, i));
    }
    VARVE_EXPECT_OK(lake->Forget(kGcCtx, "a@v1", "old", kGcAtOnce));
  }
  const store::Key key(format::HeadKey("a"));
  auto stored = memory->Get(kGcCtx, key, {});
  ASSERT_TRUE(stored.ok());
  auto head = format::DecodeHead(AsText(stored->body));
  ASSERT_TRUE(head.ok());
  ASSERT_FALSE(head->history.empty());
  head->state = format::HeadState::kSealed;
  const auto json = format::EncodeHead(*head);
  ASSERT_TRUE(json.ok());
  VARVE_EXPECT_OK(memory->Cas(kGcCtx, key, AsBytes(*json), stored->info.etag));
  const auto report = GcOpen(memory)->Repack(kGcCtx, kRepackNow);
  ASSERT_TRUE(report.ok()) << report.error().ToString();
  EXPECT_EQ(report->moved, uint64_t{format::kInlineVersionsMax} + 1);
  CollectTwice(memory);
  const auto lake = GcOpen(memory);
  for (const uint64_t version : {uint64_t{2}, uint64_t{64}, uint64_t{130}}) {
    VARVE_EXPECT_OK(GcLoads(*lake, "a@v" + std::to_string(version), 1, version));
  }
  EXPECT_EQ(GcSave(*lake, "a", 1, 1).error().code(), ErrorCode::kUnsupported);
}

}  // namespace
}  // namespace varve::lake
