// Goal: the incidents of docs/incidents.md, each as a test by its number: what a save, a loader and
// a collector do where others lost data. Method: real lakes over the memory store; a fault, another
// process or a whole collection at every request in turn. Those about what is kept are in
// retention_incidents_test.cc, those on the wire in testing/liar.
#include <gtest/gtest.h>

#include <algorithm>
#include <thread>

#include "varve/base/random.h"
#include "varve/lake/sample_stores.h"

namespace varve::lake {
namespace {

using store::Fault;
using store::FaultStore;
using store::MemoryStore;
using MemoryPtr = std::shared_ptr<MemoryStore>;

// One artifact with one version.
MemoryPtr LakeOfOne() {
  auto memory = std::make_shared<MemoryStore>();
  EXPECT_TRUE(Lake::Init(kGcCtx, *memory).ok());
  VARVE_EXPECT_OK(GcSave(*GcOpen(memory), "a", 1, 1));
  return memory;
}

// The saver is killed at each of its requests; who resumes asks for the newest.
TEST(Incident01, ASaverKilledAtAnyRequestLeavesTheLatestWhole) {
  for (const Fault fault : {Fault::kCrashBefore, Fault::kCrashAfter, Fault::kCrashZombie}) {
    bool struck = true;
    uint64_t old_latest = 0, new_latest = 0;
    for (uint64_t at = 1; struck; ++at) {
      SCOPED_TRACE("killed at request " + std::to_string(at));
      const auto memory = LakeOfOne();
      const auto faulty = std::make_shared<FaultStore>(memory);
      const auto saver = GcOpen(faulty);
      faulty->Plan(fault, at);
      const bool acknowledged = GcSave(*saver, "a", 2, 2).ok();
      struck = faulty->requests() >= at;
      for (int look = 0; look < 2; ++look) {
        const auto reader = GcOpen(memory);
        const uint64_t version = reader->Describe(kGcCtx, "a@latest")->entry.version;
        VARVE_EXPECT_OK(GcLoads(*reader, "a@latest", version, version));
        EXPECT_TRUE(version == 2 || !acknowledged);
        (version == 2 ? new_latest : old_latest) += 1;
        faulty->Settle();
      }
      if (HasFailure()) return;
    }
    EXPECT_GT(old_latest, 5U);
    EXPECT_GT(new_latest, 0U);
  }
}

// Whatever makes a version moves the head when all of it is durable, and then changes nothing more.
void ExpectHeadMovesLast(const TraceStore& traced, const std::string& head) {
  std::vector<std::string> writes;
  for (const std::string& each : traced.trace()) {
    if (!each.starts_with("get ")) writes.push_back(each);
  }
  ASSERT_GT(writes.size(), 2U);
  EXPECT_EQ(writes.back(), "cas " + head);
  EXPECT_EQ(std::count(writes.begin(), writes.end(), "cas " + head), 1);
  EXPECT_EQ(traced.Count("delete") + traced.Count("abort"), 0U);
}

TEST(Incident02, TheHeadMovesLastAndRetentionDoesNotCountWhatIsNotCommitted) {
  const auto memory = LakeOfOne();
  const auto traced = std::make_shared<TraceStore>(memory);
  const auto lake = GcOpen(traced);
  VARVE_EXPECT_OK(GcSave(*lake, "a", 2, 2));
  ExpectHeadMovesLast(*traced, "ref/b/a");
  traced->Clear();
  const std::string file = testing::TempDir() + "varve-incident02";
  std::FILE* const written = std::fopen(file.c_str(), "wb");
  std::fputs("weights", written);
  std::fclose(written);
  VARVE_EXPECT_OK(lake->PutPath(kGcCtx, "files", file, {}));
  std::remove(file.c_str());
  ExpectHeadMovesLast(*traced, "ref/b/files");
  // At every request of a save, somebody keeps the last version only.
  const plan::PolicySet policies = *plan::ParsePolicies("policy p { keep last 1 }");
  uint64_t requests = 1;
  for (uint64_t at = 1; at <= requests; ++at) {
    SCOPED_TRACE("retention at request " + std::to_string(at));
    const auto fresh = LakeOfOne();
    const auto hooked = std::make_shared<HookStore>(fresh);
    const auto saver = GcOpen(hooked), keeper = GcOpen(fresh);
    const uint64_t begun = hooked->requests();
    hooked->before = [&](uint64_t request) {
      if (request != begun + at) return;
      VARVE_EXPECT_OK(keeper->Retain(kGcCtx, policies, {}, "keeper"));
      GcCollect(fresh);
      const auto seen = keeper->Describe(kGcCtx, "a@latest");
      ASSERT_TRUE(seen.ok()) << seen.error().ToString();
      const uint64_t version = seen->entry.version;
      VARVE_EXPECT_OK(GcLoads(*keeper, "a@latest", version, version));
    };
    VARVE_EXPECT_OK(GcSave(*saver, "a", 2, 2, SaveSession::Hold::kBorrow));
    requests = std::max(requests, hooked->requests() - begun);
    hooked->before = nullptr;
    VARVE_EXPECT_OK(GcLoads(*keeper, "a@v2", 2, 2));
    if (HasFailure()) return;
  }
  EXPECT_GT(requests, 5U);
}

// A saver that also keeps house: what it lets go, it lets go after its commit, and deletes nothing.
TEST(Incident05, NothingIsDeletedBeforeTheNewVersionIsThere) {
  const auto memory = LakeOfOne();
  const auto traced = std::make_shared<TraceStore>(memory);
  const auto lake = GcOpen(traced);
  const plan::PolicySet policies = *plan::ParsePolicies("policy p { keep last 1 grace 1d }");
  Off later(30LL * 24 * 3600 * 1000);  // The store's clock when the grace has passed.
  const OpContext late(later, OsRandom());
  for (uint64_t version = 2; version <= 4; ++version) {
    VARVE_EXPECT_OK(GcSave(*lake, "a", version, version));
    VARVE_EXPECT_OK(lake->Retain(kGcCtx, policies, {}, "saver"));
  }
  EXPECT_GT(traced->Count("cas ref/b/a"), 5U);
  EXPECT_EQ(traced->Count("delete") + traced->Count("abort"), 0U);
  VARVE_EXPECT_OK(lake->CollectGarbage(late, kGcNow));
  EXPECT_GT(traced->Count("delete "), 0U) << "only the collector deletes";
  EXPECT_EQ(GcKeys(*memory, "meta/").size(), 1U);
  VARVE_EXPECT_OK(GcLoads(*lake, "a@v4", 4, 4));
  // And when the saver dies anywhere, the old one is still there.
  bool struck = true;
  for (uint64_t at = 1; struck; ++at) {
    const auto fresh = LakeOfOne();
    const auto faulty = std::make_shared<FaultStore>(fresh);
    const auto saver = GcOpen(faulty);
    faulty->Plan(Fault::kCrashAfter, at);
    const auto saved = GcSave(*saver, "a", 2, 2);
    if (saved.ok()) static_cast<void>(saver->Retain(kGcCtx, policies, {}, "saver").ok());
    struck = faulty->requests() >= at;
    VARVE_EXPECT_OK(GcOpen(fresh)->CollectGarbage(late, kGcNow));
    const auto reader = GcOpen(fresh);
    const auto latest = reader->Describe(kGcCtx, "a@latest");
    ASSERT_TRUE(latest.ok()) << "request " << at << ": " << latest.error().ToString();
    VARVE_EXPECT_OK(GcLoads(*reader, "a@latest", latest->entry.version, latest->entry.version));
  }
}

TEST(Incident11, ThirtySixFlippedBytesInOneChunk) {
  const auto memory = LakeOfOne();
  const GcPlace place = GcPlaceOf(memory, "a@v1", 0);
  const format::Commit commit = GcCommit(memory, "a@v1").commit;
  const std::string digest = commit.chunks[commit.tensors[0].chunks[0]].digest.Hex();
  for (uint64_t i = 0; i < 36; ++i) {
    ASSERT_TRUE(memory->Damage(place.pack, place.offset + i * place.payload_bytes / 36));
  }
  const auto reader = GcOpen(memory);
  const auto version = reader->OpenAt(kGcCtx, "a@latest");
  ASSERT_TRUE(version.ok());
  Bytes w(160), m(80);
  const Status damaged = (*version)->ReadTensors(kGcCtx, {{0, w}});
  ASSERT_FALSE(damaged.ok());
  EXPECT_EQ(damaged.error().code(), ErrorCode::kCorrupt);
  EXPECT_NE(damaged.error().message().find("'w'"), std::string::npos) << damaged.error().message();
  EXPECT_NE(damaged.error().ToString().find(digest.substr(0, 12)), std::string::npos)
      << damaged.error().ToString();
  VARVE_EXPECT_OK((*version)->ReadTensors(kGcCtx, {{1, m}}));
  EXPECT_EQ(m, RandomBytes(80, 1));
}

// Each version is one saver's, whole: `w` and `m` are of one number.
TEST(Incident12, EightSaversOfOneNameNeverMix) {
  const auto memory = LakeOfOne();
  std::vector<std::thread> savers;
  for (uint64_t who = 2; who <= 9; ++who) {
    savers.emplace_back([&memory, who] {
      const auto lake = GcOpen(memory);
      for (int round = 0; round < 4; ++round) VARVE_EXPECT_OK(GcSave(*lake, "a", who, who));
    });
  }
  for (std::thread& saver : savers) saver.join();
  const auto lake = GcOpen(memory);
  const auto history = lake->History(kGcCtx, "a", 1000);
  ASSERT_EQ(history->size(), 33U);
  std::map<uint64_t, int> versions;
  for (uint64_t version = 1; version <= 33; ++version) {
    const auto opened = lake->OpenAt(kGcCtx, "a@v" + std::to_string(version));
    ASSERT_TRUE(opened.ok());
    Bytes w(160), m(80);
    VARVE_EXPECT_OK((*opened)->ReadTensors(kGcCtx, {{0, w}, {1, m}}));
    for (uint64_t who = 1; who <= 9; ++who) {
      if (w == RandomBytes(160, who) && m == RandomBytes(80, who)) ++versions[who];
    }
  }
  for (uint64_t who = 1; who <= 9; ++who) EXPECT_EQ(versions[who], who == 1 ? 1 : 4) << who;
}

// The saver dies; its request lands after retention and two collections.
TEST(Incident15, ARequestThatWakesAfterRetentionAndCollections) {
  bool struck = true;
  uint64_t landed = 0;
  for (uint64_t at = 1; struck; ++at) {
    SCOPED_TRACE("request " + std::to_string(at));
    const auto memory = GcLittered();
    const auto faulty = std::make_shared<FaultStore>(memory);
    const auto saver = GcOpen(faulty);
    faulty->Plan(Fault::kCrashZombie, at);
    EXPECT_FALSE(GcSave(*saver, "a", 2, 99).ok() && faulty->requests() >= at);
    struck = faulty->requests() >= at;
    const auto other = GcOpen(memory);
    if (struck) {
      VARVE_EXPECT_OK(other->Forget(kGcCtx, "a@v4", "its base", kGcAtOnce));
      GcCollect(memory);
      VARVE_EXPECT_OK(GcSave(*other, "c", 50, 51));
      VARVE_EXPECT_OK(other->Forget(kGcCtx, "c@v1", "litter", kGcAtOnce));
      GcCollect(memory);
      faulty->Settle();
    }
    // What a head names now is there and whole.
    const auto reader = GcOpen(memory);
    const auto history = reader->History(kGcCtx, "a", 100);
    for (const VersionInfo& info : *history) {
      if (info.forgotten.has_value() || info.entry.version != 5) continue;
      ++landed;
      VARVE_EXPECT_OK(GcLoads(*reader, "a@v5", 2, 99));
    }
    VARVE_EXPECT_OK(GcLoads(*reader, "a@v2", 1, 2));
    GcCollect(memory);
    VARVE_EXPECT_OK(GcLoads(*reader, "a@v2", 1, 2));
    if (HasFailure()) return;
  }
  EXPECT_EQ(landed, 1U) << "only the save that nothing struck";
}

// The saver's clock is two days off; the age of what it wrote is the store's.
TEST(Incident16, YoungIsWhatTheStoreSaysWhateverTheSaversClock) {
  constexpr int64_t kTwoDaysMs = 48LL * 3600 * 1000;
  for (const int64_t off_ms : {-kTwoDaysMs, kTwoDaysMs}) {
    Off clock(off_ms);
    const OpContext ctx(clock, OsRandom());
    const auto memory = GcLittered();
    const auto stamped = std::make_shared<Stamped>(memory);
    const auto saver = GcOpen(stamped);
    const Bytes weights = RandomBytes(160, 31), moments = RandomBytes(80, 32);
    auto first = saver->BeginSave(ctx, "a", {}), second = saver->BeginSave(ctx, "a", {});
    for (SaveSession* session : {first->get(), second->get()}) {
      VARVE_EXPECT_OK(session->AddTensor(ctx, "w", codec::DType::kF32, {40}, weights,
                                         SaveSession::Hold::kBorrow));
      VARVE_EXPECT_OK(session->AddTensor(ctx, "m", codec::DType::kF32, {20}, moments,
                                         SaveSession::Hold::kBorrow));
    }
    VARVE_EXPECT_OK((*second)->Commit(ctx));  // Minted later, published first.
    const std::set<std::string> before = GcKeys(*memory, "pack/");
    for (const OpContext& collector_ctx : {ctx, kGcCtx}) {
      const auto report = GcOpen(stamped)->CollectGarbage(
          collector_ctx, {.apply = true, .force = true, .grace_ms = 3'600'000, .holder = "test"});
      ASSERT_TRUE(report.ok()) << report.error().ToString();
      EXPECT_EQ(report->deleted, 0U);
      EXPECT_GT(report->young.objects, 0U);
      EXPECT_EQ(GcKeys(*memory, "pack/"), before);
    }
    VARVE_EXPECT_OK((*first)->Commit(ctx));
    for (const char* version : {"a@v5", "a@v6"})
      VARVE_EXPECT_OK(GcLoads(*GcOpen(memory), version, 31, 32));
  }
}

// A writer sleeps at each of its requests, longer than any lease, while another commits.
TEST(Incident17, AWriterThatSleepsLosesNoRaceTwice) {
  uint64_t requests = 1;
  for (uint64_t at = 1; at <= requests; ++at) {
    SCOPED_TRACE("asleep at request " + std::to_string(at));
    const auto memory = LakeOfOne();
    const auto hooked = std::make_shared<HookStore>(memory);
    const auto sleeper = GcOpen(hooked), other = GcOpen(memory);
    const uint64_t begun = hooked->requests();
    hooked->before = [&](uint64_t request) {
      if (request != begun + at) return;
      for (uint64_t i = 0; i < 3; ++i) VARVE_EXPECT_OK(GcSave(*other, "a", 50, 50 + i));
    };
    const auto saved = GcSave(*sleeper, "a", 2, 2);
    requests = std::max(requests, hooked->requests() - begun);
    hooked->before = nullptr;
    ASSERT_TRUE(saved.ok()) << saved.error().ToString();
    const auto history = other->History(kGcCtx, "a", 100);
    if (history->size() == 2) continue;  // It made fewer requests.
    ASSERT_EQ(history->size(), 5U);
    std::set<std::string> commits;
    for (size_t i = 0; i < 5; ++i) {
      const format::VersionEntry& entry = (*history)[i].entry;
      EXPECT_EQ(entry.version, 5 - i);
      commits.insert(entry.commit_id.Hex());
      EXPECT_EQ(entry.version == saved->version, entry.commit_id == saved->commit_id);
    }
    EXPECT_EQ(commits.size(), 5U) << "one commit per number";
    VARVE_EXPECT_OK(GcLoads(*other, "a@v" + std::to_string(saved->version), 2, 2));
  }
  EXPECT_GT(requests, 5U);
}

// A save that takes longer than the grace: two whole collections without any pass at each request.
TEST(Incident18, ASaveLongerThanTheGraceIsWholeOrNotThere) {
  for (const SaveSession::Hold hold : {SaveSession::Hold::kBorrow, SaveSession::Hold::kCopy}) {
    uint64_t requests = 1, whole = 0;
    for (uint64_t at = 1; at <= requests; ++at) {
      SCOPED_TRACE("collected at request " + std::to_string(at));
      const auto memory = GcLittered();
      const auto hooked = std::make_shared<HookStore>(memory);
      const auto lake = GcOpen(hooked);
      const uint64_t begun = hooked->requests();
      hooked->before = [&](uint64_t request) {
        if (request != begun + at) return;
        GcCollect(memory);
        VARVE_EXPECT_OK(GcSave(*GcOpen(memory), "c", 50, at));
        VARVE_EXPECT_OK(GcOpen(memory)->Forget(kGcCtx, "c@v1", "litter", kGcAtOnce));
        GcCollect(memory);
      };
      const auto saved = GcSave(*lake, "a", 77, 78, hold);
      requests = std::max(requests, hooked->requests() - begun);
      hooked->before = nullptr;
      GcCollect(memory);
      const auto reader = GcOpen(memory);
      if (saved.ok()) {
        ++whole;
        VARVE_EXPECT_OK(GcLoads(*reader, "a@v5", 77, 78));
      } else {
        EXPECT_EQ(hold, SaveSession::Hold::kCopy) << saved.error().ToString();
        EXPECT_EQ(saved.error().code(), ErrorCode::kConflict) << saved.error().ToString();
        EXPECT_EQ(reader->Describe(kGcCtx, "a@v5").error().code(), ErrorCode::kNotFound);
      }
      GcExpectLive(memory);
      if (HasFailure()) return;
    }
    EXPECT_GT(whole, 5U);
  }
}

// A save holds a chunk that is there already; at each request of a collection that condemns it,
// the save commits.
TEST(Incident19, ASharedChunkIsCondemnedUnderTheSave) {
  for (const SaveSession::Hold hold : {SaveSession::Hold::kBorrow, SaveSession::Hold::kCopy}) {
    uint64_t requests = 1, whole = 0;
    for (uint64_t at = 1; at <= requests; ++at) {
      SCOPED_TRACE("committed at request " + std::to_string(at));
      const auto memory = GcLittered();
      const auto saver = GcOpen(memory);
      const Bytes weights = RandomBytes(160, 2), moments = RandomBytes(80, 99);
      auto session = saver->BeginSave(kGcCtx, "a", {});  // On v4, whose `w` it shares.
      VARVE_EXPECT_OK((*session)->AddTensor(kGcCtx, "w", codec::DType::kF32, {40}, weights, hold));
      VARVE_EXPECT_OK((*session)->AddTensor(kGcCtx, "m", codec::DType::kF32, {20}, moments, hold));
      VARVE_EXPECT_OK(GcOpen(memory)->Forget(kGcCtx, "a@v4", "its base", kGcAtOnce));
      const auto hooked = std::make_shared<HookStore>(memory);
      const auto collector = GcOpen(hooked);
      std::optional<Result<SaveReport>> saved;
      const uint64_t begun = hooked->requests();
      hooked->before = [&](uint64_t request) {
        if (request == begun + at) saved.emplace((*session)->Commit(kGcCtx));
      };
      VARVE_EXPECT_OK(collector->CollectGarbage(kGcCtx, kGcNow));
      requests = std::max(requests, hooked->requests() - begun);
      hooked->before = nullptr;
      if (!saved.has_value()) break;  // It made fewer requests.
      GcCollect(memory);
      const auto reader = GcOpen(memory);
      if (saved->ok()) {
        ++whole;
        VARVE_EXPECT_OK(GcLoads(*reader, "a@v5", 2, 99));
      } else {
        EXPECT_EQ(hold, SaveSession::Hold::kCopy) << saved->error().ToString();
        EXPECT_EQ(saved->error().code(), ErrorCode::kConflict) << saved->error().ToString();
        VARVE_EXPECT_OK(GcSave(*saver, "a", 2, 99, hold));  // "Save again" works.
        VARVE_EXPECT_OK(GcLoads(*reader, "a@v5", 2, 99));
      }
      if (HasFailure()) return;
    }
    EXPECT_GT(whole, 10U);
  }
}

// One team collects; the heads of all teams are its roots, and one that it cannot read stops it.
TEST(Incident21, TheRootsAreEveryHeadOfTheLake) {
  const auto memory = GcLittered();
  const auto lake = GcOpen(memory);
  for (const char* name : {"team-b/x", "team-b/y", "zz"}) {
    VARVE_EXPECT_OK(GcSave(*lake, name, 200, 201));
    VARVE_EXPECT_OK(GcSave(*lake, name, 202, 203));
  }
  const auto live = [&] {
    GcExpectLive(memory);
    for (const char* name : {"team-b/x", "team-b/y", "zz"}) {
      VARVE_EXPECT_OK(GcLoads(*GcOpen(memory), std::string(name) + "@v1", 200, 201));
      VARVE_EXPECT_OK(GcLoads(*GcOpen(memory), std::string(name) + "@v2", 202, 203));
    }
  };
  class Denied final : public store::ForwardingStore {
   public:
    Denied(std::shared_ptr<ObjectStore> inner, std::string key)
        : ForwardingStore(std::move(inner)), key_(std::move(key)) {}
    Result<store::GetReply> Get(const OpContext& ctx, const store::Key& key,
                                const store::GetOptions& options) override {
      if (key.str() == key_) return Error(ErrorCode::kPermissionDenied, "not your team's");
      return inner_->Get(ctx, key, options);
    }

   private:
    const std::string key_;
  };
  const std::set<std::string> before = GcKeys(*memory, "pack/");
  for (const std::string& head : GcKeys(*memory, "ref/")) {
    const auto denied = std::make_shared<Denied>(memory, head);
    const auto stopped = GcOpen(denied)->CollectGarbage(kGcCtx, kGcNow);
    ASSERT_FALSE(stopped.ok()) << head;
    EXPECT_EQ(stopped.error().code(), ErrorCode::kPermissionDenied);
    ASSERT_TRUE(memory->Damage(head, 40));
    EXPECT_EQ(GcOpen(memory)->CollectGarbage(kGcCtx, kGcNow).error().code(), ErrorCode::kCorrupt);
    ASSERT_TRUE(memory->Damage(head, 40));  // Heals it.
    EXPECT_EQ(GcKeys(*memory, "pack/"), before) << head;
  }
  GcCollect(memory);
  EXPECT_LT(GcKeys(*memory, "pack/").size(), before.size());
  live();
}

// One key in a hundred is missing from every listing, by seed.
TEST(Incident22, AListingThatDropsOneKeyInAHundred) {
  const auto memory = GcLittered();
  {
    const auto lake = GcOpen(memory);
    for (uint64_t i = 0; i < 60; ++i) VARVE_EXPECT_OK(GcSave(*lake, "many", 1000 + i, 2000 + i));
    for (uint64_t i = 1; i < 60; i += 2) {
      VARVE_EXPECT_OK(lake->Forget(kGcCtx, "many@v" + std::to_string(i + 1), "odd", kGcAtOnce));
    }
  }
  int stopped = 0;
  for (uint64_t seed = 1; seed <= 30; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    const auto copy = GcCopy(*memory);
    const std::set<std::string> before = GcKeys(*copy, "");
    const auto hooked = std::make_shared<HookStore>(copy);
    SeededRandom random(seed);
    hooked->listed = [&](store::ListPage& page, std::string_view) -> Status {
      std::erase_if(page.objects, [&](const auto&) { return random.Between(0, 99) == 0; });
      return OkStatus();
    };
    const auto lake = GcOpen(hooked);
    const auto checked = lake->Fsck(kGcCtx, {});
    if (checked.ok()) {
      for (const FsckFinding& finding : checked->findings) {
        EXPECT_NE(plan::RuleOf(finding.kind).harm, plan::Harm::kLoss)
            << finding.object << " was not listed, and is there";
      }
    }
    EXPECT_EQ(GcKeys(*copy, ""), before);
    const auto collected = lake->CollectGarbage(kGcCtx, kGcNow);
    if (!collected.ok()) {
      ++stopped;
      const std::set<std::string> after = GcKeys(*copy, "");
      EXPECT_TRUE(std::includes(after.begin(), after.end(), before.begin(), before.end()));
    }
    GcExpectLive(copy);
    const auto reader = GcOpen(copy);
    for (uint64_t i = 0; i < 60; i += 2) {
      VARVE_EXPECT_OK(GcLoads(*reader, "many@v" + std::to_string(i + 1), 1000 + i, 2000 + i));
    }
    if (HasFailure()) return;
  }
  EXPECT_GT(stopped, 2) << "a hundred keys matter, of two hundred";
}

// A collector is killed at each request: the lake checks clean, and the next one ends the work.
TEST(Incident23, AKilledCollectionLeavesACleanLake) {
  for (const Fault fault : {Fault::kCrashBefore, Fault::kCrashAfter, Fault::kCrashZombie}) {
    bool struck = true;
    for (uint64_t at = 1; struck; ++at) {
      SCOPED_TRACE("killed at request " + std::to_string(at));
      const auto memory = GcLittered();
      const auto faulty = std::make_shared<FaultStore>(memory);
      const auto dying = GcOpen(faulty);
      faulty->Plan(fault, at);
      static_cast<void>(dying->CollectGarbage(kGcCtx, kGcNow).ok());
      struck = faulty->requests() >= at;
      FsckOptions deep;
      deep.deep = true;
      for (int look = 0; look < 2; ++look) {
        const auto report = GcOpen(memory)->Fsck(kGcCtx, deep);
        ASSERT_TRUE(report.ok()) << report.error().ToString();
        for (const FsckFinding& finding : report->findings) {
          ADD_FAILURE() << plan::RuleOf(finding.kind).name << " " << finding.object << ": "
                        << finding.detail;
        }
        if (look == 0) GcCollect(memory);
      }
      faulty->Settle();
      GcCollect(memory);
      GcExpectLive(memory);
      GcExpectClean(memory);
      if (HasFailure()) return;
    }
  }
}

// What a caller stops in between, or is refused a part of, is no version; nor is it one when the
// caller goes on as if nothing had happened.
TEST(Incident25, ASaveThatFailsInBetweenIsNoVersion) {
  constexpr uint64_t kBytes = 40 * kMiB;  // Five chunks.
  for (const bool goes_on : {false, true}) {
    bool failed = true;
    for (int fails_at = 1; failed; ++fails_at) {
      SCOPED_TRACE("fails at piece " + std::to_string(fails_at));
      const auto memory = LakeOfOne();
      const auto lake = GcOpen(memory);
      {
        auto session = lake->BeginSave(kGcCtx, "a", {});
        const Bytes small = RandomBytes(80, 5);
        VARVE_EXPECT_OK((*session)->AddTensor(kGcCtx, "first", codec::DType::kF32, {20}, small,
                                              SaveSession::Hold::kCopy));
        int pieces = 0;
        const Status added =
            (*session)->AddTensorFrom(kGcCtx, "w", codec::DType::kU8, {kBytes}, kBytes,
                                      [&](uint64_t, MutableByteView into) -> Status {
                                        if (++pieces == fails_at)
                                          return Error(ErrorCode::kIo, "the reader failed");
                                        std::fill(into.begin(), into.end(), std::byte{7});
                                        return OkStatus();
                                      });
        failed = !added.ok();
        if (goes_on || !failed) {
          VARVE_EXPECT_OK((*session)->AddTensor(kGcCtx, "last", codec::DType::kF32, {20}, small,
                                                SaveSession::Hold::kCopy));
          const auto saved = (*session)->Commit(kGcCtx);
          EXPECT_EQ(saved.ok(), !failed);
          if (!saved.ok()) {
            EXPECT_NE(saved.error().message().find("the reader failed"), std::string::npos);
          }
        }
      }
      const auto reader = GcOpen(memory);
      EXPECT_EQ(reader->History(kGcCtx, "a", 10)->size(), failed ? 1U : 2U);
      VARVE_EXPECT_OK(GcLoads(*reader, "a@v1", 1, 1));
      if (HasFailure()) return;
    }
  }
  // Refused for what it is, or by the disk.
  for (const int what : {0, 1, 2}) {
    const auto memory = LakeOfOne();
    const auto lake = GcOpen(memory);
    auto session = lake->BeginSave(kGcCtx, "a", {});
    const Bytes small = RandomBytes(80, 5);
    VARVE_EXPECT_OK((*session)->AddTensor(kGcCtx, "t", codec::DType::kF32, {20}, small,
                                          SaveSession::Hold::kCopy));
    const Status refused =
        what == 0   ? (*session)->AddTensor(kGcCtx, "../t", codec::DType::kF32, {20}, small,
                                            SaveSession::Hold::kCopy)
        : what == 1 ? (*session)->AddTensorAlias("second", "nothing")
                    : (*session)->AddFile(kGcCtx, "f", testing::TempDir() + "varve-no-such-file");
    EXPECT_FALSE(refused.ok());
    EXPECT_EQ((*session)->Commit(kGcCtx).error().code(), ErrorCode::kInvalidArgument);
    EXPECT_EQ(GcOpen(memory)->History(kGcCtx, "a", 10)->size(), 1U);
  }
}

}  // namespace
}  // namespace varve::lake
