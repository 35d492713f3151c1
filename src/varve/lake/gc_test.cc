// Goal: a collection deletes exactly what nothing names, whatever fails or runs beside it.
// Method: small lakes over the memory store; every request of a collection failed in every way, or
// stopped for a whole collection, a half one, or a save; then everything alive is loaded.
#include "varve/lake/gc.h"

#include <gtest/gtest.h>

#include <set>

#include "varve/format/control.h"
#include "varve/lake/sample_gc.h"
#include "varve/lake/sample_stores.h"

namespace varve::lake {
namespace {

using store::Fault;
using store::FaultStore;
using store::MemoryStore;

TEST(Gc, ADryRunSaysWhatAndWhyAndChangesNothing) {
  const auto memory = GcLittered();
  const std::set<std::string> before = GcKeys(*memory, "");
  const auto report = GcOpen(memory)->CollectGarbage(
      kGcCtx, {.apply = false, .force = false, .grace_ms = 0, .holder = ""});
  ASSERT_TRUE(report.ok()) << report.error().ToString();
  EXPECT_EQ(GcKeys(*memory, ""), before);
  EXPECT_FALSE(report->applied);
  EXPECT_EQ(report->refs, 2U);
  EXPECT_EQ(report->versions, 3U);
  EXPECT_GT(report->Garbage().bytes, 0U);
  ASSERT_EQ(report->reasons.size(), 2U);
  for (const GcReport::Reason& reason : report->reasons) {
    EXPECT_EQ(reason.versions, reason.artifact == "a" ? 2U : 0U) << reason.artifact;
    EXPECT_GT(reason.garbage.bytes, 0U);
  }
}

TEST(Gc, CollectsExactlyWhatNothingNames) {
  const auto memory = GcLittered();
  const auto lake = GcOpen(memory);
  const auto report = lake->CollectGarbage(kGcCtx, kGcNow);
  ASSERT_TRUE(report.ok()) << report.error().ToString();
  EXPECT_EQ(report->deleted, report->Garbage().objects);
  EXPECT_EQ(report->freed.objects, report->deleted);
  EXPECT_EQ(report->skipped_total, 0U);
  GcExpectLive(memory);
  GcExpectClean(memory);
  EXPECT_EQ(lake->OpenAt(kGcCtx, "a@v1").error().code(), ErrorCode::kGone);
  EXPECT_EQ(GcKeys(*memory, "gc/mark/").size(), 0U);
  // Another one finds nothing and writes no head.
  const auto again = lake->CollectGarbage(kGcCtx, kGcNow);
  ASSERT_TRUE(again.ok());
  EXPECT_EQ(again->deleted, 0U);
  // The same process goes on saving.
  VARVE_EXPECT_OK(GcSave(*lake, "a", 2, 9));
  VARVE_EXPECT_OK(GcLoads(*lake, "a", 2, 9));
}

TEST(Gc, YoungObjectsAreNotTouched) {
  const auto memory = GcLittered();
  const std::set<std::string> packs = GcKeys(*memory, "pack/");
  const auto report = GcOpen(memory)->CollectGarbage(
      kGcCtx, {.apply = true, .force = false, .grace_ms = 3'600'000, .holder = ""});
  ASSERT_TRUE(report.ok()) << report.error().ToString();
  EXPECT_EQ(report->Garbage().objects, 0U);
  EXPECT_GT(report->young.bytes, 0U);
  EXPECT_EQ(GcKeys(*memory, "pack/"), packs);
}

TEST(Gc, MoreThanAThirdIsRefusedUntilForced) {
  const auto memory = std::make_shared<MemoryStore>();
  ASSERT_TRUE(Lake::Init(kGcCtx, *memory).ok());
  const auto lake = GcOpen(memory);
  for (uint64_t i = 1; i <= 4; ++i) VARVE_EXPECT_OK(GcSave(*lake, "a", i, i));
  for (uint64_t i = 1; i <= 3; ++i) {
    VARVE_EXPECT_OK(lake->Forget(kGcCtx, "a@v" + std::to_string(i), "old", kGcAtOnce));
  }
  GcOptions options = kGcNow;
  options.force = false;
  const std::set<std::string> packs = GcKeys(*memory, "pack/");
  const auto refused = lake->CollectGarbage(kGcCtx, options);
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().code(), ErrorCode::kInvalidArgument);
  EXPECT_NE(refused.error().message().find("--force"), std::string::npos);
  EXPECT_EQ(GcKeys(*memory, "pack/"), packs);
  VARVE_EXPECT_OK(lake->CollectGarbage(kGcCtx, kGcNow));
  EXPECT_EQ(GcKeys(*memory, "pack/").size(), 1U);
  VARVE_EXPECT_OK(GcLoads(*lake, "a", 4, 4));
}

// Case 6: a collection dies, or is lied to, at any request.
TEST(Case06, AFaultAtEveryRequestOfACollection) {
  for (const Fault fault : {Fault::kCrashBefore, Fault::kCrashAfter, Fault::kLoseAnswer,
                            Fault::kRefuse, Fault::kFull}) {
    bool struck = true;
    for (uint64_t at = 1; struck; ++at) {
      ASSERT_LT(at, 200U);
      SCOPED_TRACE("fault " + std::to_string(static_cast<int>(fault)) + " at request " +
                   std::to_string(at));
      const auto memory = GcLittered();
      const auto faulty = std::make_shared<FaultStore>(memory);
      {
        const auto lake = GcOpen(faulty);
        faulty->Plan(fault, at);
        const auto report = lake->CollectGarbage(kGcCtx, kGcNow);
        struck = faulty->requests() >= at;
        EXPECT_TRUE(struck || report.ok());
      }
      GcExpectLive(memory);
      const auto lake = GcOpen(memory);
      // The next save reuses nothing that was deleted, the next collection finishes.
      VARVE_EXPECT_OK(GcSave(*lake, "b", 70, 80));
      VARVE_EXPECT_OK(GcLoads(*lake, "b@v2", 70, 80));
      VARVE_EXPECT_OK(lake->Forget(kGcCtx, "b@v2", "test", kGcAtOnce));
      VARVE_EXPECT_OK(lake->CollectGarbage(kGcCtx, kGcNow));
      GcExpectLive(memory);
      GcExpectClean(memory);
    }
  }
}

// At every request of one collection another one runs whole, or dies at a request of its own.
TEST(Case17, TwoCollectorsInterleavedAtEveryRequest) {
  uint64_t outer_requests = 1;
  for (uint64_t outer = 1; outer <= outer_requests; ++outer) {
    uint64_t inner_requests = 1;
    for (uint64_t inner = 1; inner <= inner_requests; inner += outer % 4 == 1 ? 1U : 5U) {
      SCOPED_TRACE("outer " + std::to_string(outer) + " inner " + std::to_string(inner));
      const auto memory = GcLittered();
      const auto faulty = std::make_shared<FaultStore>(memory);
      const auto second = GcOpen(faulty);
      const auto hooked = std::make_shared<HookStore>(memory);
      const auto first = GcOpen(hooked);
      const uint64_t begun = hooked->requests();
      hooked->before = [&](uint64_t request) {
        if (request != begun + outer) return;
        faulty->Plan(Fault::kCrashAfter, inner);
        const auto ignored = second->CollectGarbage(kGcCtx, kGcNow);
        static_cast<void>(ignored);
        inner_requests = std::max(inner_requests, faulty->requests() >= inner ? inner + 1 : inner);
        GcExpectLive(memory);
      };
      const auto report = first->CollectGarbage(kGcCtx, kGcNow);
      EXPECT_TRUE(report.ok()) << report.error().ToString();
      outer_requests = std::max(outer_requests, hooked->requests() - begun);
      GcExpectLive(memory);
      hooked->before = nullptr;
      VARVE_EXPECT_OK(GcOpen(memory)->CollectGarbage(kGcCtx, kGcNow));
      GcExpectLive(memory);
      GcExpectClean(memory);
      if (HasFailure()) return;
    }
  }
  EXPECT_GT(outer_requests, 20U);
}

// Case 3: a writer sleeps at any of its requests while three collections pass, each after something
// that it may have meant to reuse was forgotten. Cases 9, 15, 18 and 19 of the incidents.
TEST(Case03, AWriterSuspendedAtEveryRequestWhileCollectionsPass) {
  for (const SaveSession::Hold hold : {SaveSession::Hold::kBorrow, SaveSession::Hold::kCopy}) {
    uint64_t requests = 1, saved = 0, refused = 0;
    for (uint64_t at = 1; at <= requests; ++at) {
      SCOPED_TRACE("suspended at request " + std::to_string(at));
      const auto memory = GcLittered();
      const auto other = GcOpen(memory);
      const auto hooked = std::make_shared<HookStore>(memory);
      const auto lake = GcOpen(hooked);
      const uint64_t begun = hooked->requests();
      hooked->before = [&](uint64_t request) {
        if (request != begun + at) return;
        VARVE_EXPECT_OK(other->Forget(kGcCtx, "a@v4", "gone under the writer", kGcAtOnce));
        VARVE_EXPECT_OK(other->CollectGarbage(kGcCtx, kGcNow));
        VARVE_EXPECT_OK(GcSave(*other, "c", 50, at));
        VARVE_EXPECT_OK(other->Forget(kGcCtx, "c@v1", "litter", kGcAtOnce));
        VARVE_EXPECT_OK(other->CollectGarbage(kGcCtx, kGcNow));
        VARVE_EXPECT_OK(GcSave(*other, "c", 51, at));
        VARVE_EXPECT_OK(other->Forget(kGcCtx, "c@v2", "litter", kGcAtOnce));
        VARVE_EXPECT_OK(other->CollectGarbage(kGcCtx, kGcNow));
      };
      const Bytes weights = RandomBytes(160, 2), moments = RandomBytes(80, 99);  // w is that of v4.
      const auto save = [&]() -> Result<SaveReport> {
        VARVE_TRY(auto session, lake->BeginSave(kGcCtx, "a", {}));
        VARVE_CHECK_OK(session->AddTensor(kGcCtx, "w", codec::DType::kF32, {40}, weights, hold));
        VARVE_CHECK_OK(session->AddTensor(kGcCtx, "m", codec::DType::kF32, {20}, moments, hold));
        return session->Commit(kGcCtx);
      };
      const auto report = save();
      requests = std::max(requests, hooked->requests() - begun);
      hooked->before = nullptr;
      if (report.ok()) {
        ++saved;
        VARVE_EXPECT_OK(GcLoads(*GcOpen(memory), "a@v" + std::to_string(report->version), 2, 99));
      } else {
        // What the writer no longer held was swept: it is told so, and nothing was published.
        ++refused;
        EXPECT_EQ(report.error().code(), ErrorCode::kConflict) << report.error().ToString();
        EXPECT_EQ(hold, SaveSession::Hold::kCopy);
        EXPECT_EQ(GcOpen(memory)->Describe(kGcCtx, "a@v5").error().code(), ErrorCode::kNotFound);
      }
      const auto after = GcOpen(memory);
      VARVE_EXPECT_OK(GcLoads(*after, "a@v2", 1, 2));
      VARVE_EXPECT_OK(GcLoads(*after, "b@v1", 7, 8));
      if (HasFailure()) return;
    }
    EXPECT_GT(saved, 5U);
    if (hold == SaveSession::Hold::kBorrow) {
      EXPECT_EQ(refused, 0U);
    }
  }
}

// Case 7: the writer slept through more epochs than lists are kept.
TEST(Case07, AWriterOlderThanTheOldestListWritesEverythingAgain) {
  const auto memory = GcLittered();
  const auto other = GcOpen(memory);
  const auto hooked = std::make_shared<HookStore>(memory);
  const auto lake = GcOpen(hooked);
  const Bytes weights = RandomBytes(160, 2), moments = RandomBytes(80, 99);
  auto session = lake->BeginSave(kGcCtx, "a", {});
  ASSERT_TRUE(session.ok());
  for (const auto& [name, bytes] : {std::pair{"w", &weights}, std::pair{"m", &moments}}) {
    VARVE_EXPECT_OK((*session)->AddTensor(kGcCtx, name, codec::DType::kF32, {bytes->size() / 4},
                                          *bytes, SaveSession::Hold::kBorrow));
  }
  for (uint64_t i = 1; i <= format::kGcListEpochs + 2; ++i) {
    VARVE_EXPECT_OK(GcSave(*other, "c", 500 + i, i));
    VARVE_EXPECT_OK(other->Forget(kGcCtx, "c@v" + std::to_string(i), "litter", kGcAtOnce));
    VARVE_EXPECT_OK(other->CollectGarbage(kGcCtx, kGcNow));
  }
  EXPECT_LE(GcKeys(*memory, "gc/list/").size(), 4U * format::kGcListEpochs);
  const auto report = (*session)->Commit(kGcCtx);
  ASSERT_TRUE(report.ok()) << report.error().ToString();
  VARVE_EXPECT_OK(GcLoads(*GcOpen(memory), "a", 2, 99));
  VARVE_EXPECT_OK(other->CollectGarbage(kGcCtx, kGcNow));
  VARVE_EXPECT_OK(GcLoads(*GcOpen(memory), "a", 2, 99));
}

// Case 2: a refused commit cleans up nothing; only a collection does.
TEST(Case02, ARefusedCommitLeavesItsObjectsToTheCollector) {
  const auto memory = GcLittered();
  const auto lake = GcOpen(memory);
  VARVE_EXPECT_OK(lake->SetTag(kGcCtx, "a", "paper", "a@v2"));
  const size_t packs = GcKeys(*memory, "pack/").size();
  SaveOptions options;
  options.aliases = {"paper"};
  auto session = lake->BeginSave(kGcCtx, "a", options);
  const Bytes values = RandomBytes(80, 77);
  VARVE_EXPECT_OK((*session)->AddTensor(kGcCtx, "x", codec::DType::kF32, {20}, values,
                                        SaveSession::Hold::kCopy));
  EXPECT_EQ((*session)->Commit(kGcCtx).error().code(), ErrorCode::kAlreadyExists);
  EXPECT_EQ(GcKeys(*memory, "pack/").size(), packs + 1);
  VARVE_EXPECT_OK(lake->CollectGarbage(kGcCtx, kGcNow));
  GcExpectLive(memory);
  GcExpectClean(memory);
}

// Case 4: of two saves of one artifact at once, one finishes before a sweep and one after.
TEST(Case04, TwoSavesOfOneArtifactAroundASweep) {
  const auto memory = GcLittered();
  const auto lake = GcOpen(memory);
  const Bytes weights = RandomBytes(160, 60), moments = RandomBytes(80, 61);
  auto slow = lake->BeginSave(kGcCtx, "a", {});
  VARVE_EXPECT_OK((*slow)->AddTensor(kGcCtx, "w", codec::DType::kF32, {40}, weights,
                                     SaveSession::Hold::kBorrow));
  VARVE_EXPECT_OK((*slow)->AddTensor(kGcCtx, "m", codec::DType::kF32, {20}, moments,
                                     SaveSession::Hold::kBorrow));
  VARVE_EXPECT_OK(GcSave(*GcOpen(memory), "a", 60, 62));
  VARVE_EXPECT_OK(GcOpen(memory)->CollectGarbage(kGcCtx, kGcNow));
  const auto report = (*slow)->Commit(kGcCtx);
  ASSERT_TRUE(report.ok()) << report.error().ToString();
  VARVE_EXPECT_OK(GcLoads(*GcOpen(memory), "a@v5", 60, 62));
  VARVE_EXPECT_OK(GcLoads(*GcOpen(memory), "a@v6", 60, 61));
}

// Case 5: content that dies, is written again and dies again has other names each time, so
// that a sweep of one round cannot touch the next, and a save beside a sweep keeps its own.
TEST(Case05, ContentThatDiesTwiceBesideOldSweeps) {
  const auto memory = GcLittered();
  const auto hooked = std::make_shared<HookStore>(memory);
  const auto sweeper = GcOpen(hooked);
  const auto other = GcOpen(memory);
  bool done = false;
  hooked->deleting = [&](const store::Key&) -> Status {
    if (std::exchange(done, true)) return OkStatus();
    // The first sweep stops before its first delete; the dead content comes back meanwhile.
    VARVE_CHECK_OK(GcOpen(memory)->CollectGarbage(kGcCtx, kGcNow).ok()
                       ? OkStatus()
                       : Status(Error(ErrorCode::kInternal, "the other sweep failed")));
    VARVE_EXPECT_OK(GcSave(*other, "b", 70, 80));
    VARVE_EXPECT_OK(GcSave(*other, "a", 2, 3));
    return OkStatus();
  };
  VARVE_EXPECT_OK(sweeper->CollectGarbage(kGcCtx, kGcNow));
  EXPECT_TRUE(done);
  VARVE_EXPECT_OK(GcLoads(*GcOpen(memory), "b@v2", 70, 80));
  VARVE_EXPECT_OK(GcLoads(*GcOpen(memory), "a@v5", 2, 3));
  VARVE_EXPECT_OK(other->Forget(kGcCtx, "b@v2", "again", kGcAtOnce));
  VARVE_EXPECT_OK(other->CollectGarbage(kGcCtx, kGcNow));
  GcExpectLive(memory);
}

// Case 10: a listing that fails, comes back empty, or leaves any one key out.
TEST(Case10, AListingThatFailsOrLeavesSomethingOutDeletesNothingAlive) {
  const auto littered = GcLittered();
  const auto attempt = [&](const std::function<Status(store::ListPage&, std::string_view)>& lie) {
    const auto memory = GcCopy(*littered);
    const auto hooked = std::make_shared<HookStore>(memory);
    hooked->listed = lie;
    const auto report = GcOpen(hooked)->CollectGarbage(kGcCtx, kGcNow);
    GcExpectLive(memory);
    EXPECT_EQ(GcOpen(memory)->ListArtifacts(kGcCtx)->size(), 2U);
    return report;
  };
  int page_number = 0;
  EXPECT_FALSE(attempt([&](store::ListPage&, std::string_view) -> Status {
                 if (++page_number == 2) return Error(ErrorCode::kUnavailable, "page 2 failed");
                 return OkStatus();
               }).ok());
  EXPECT_FALSE(attempt([](store::ListPage& page, std::string_view prefix) -> Status {
                 if (prefix.empty()) page.objects.clear();
                 return OkStatus();
               }).ok());
  size_t refused = 0;
  for (const std::string& key : GcKeys(*littered, "")) {
    const auto report = attempt([&](store::ListPage& page, std::string_view prefix) -> Status {
      if (prefix.empty()) {
        std::erase_if(page.objects, [&](const auto& each) { return each.key.str() == key; });
      }
      return OkStatus();
    });
    if (!report.ok()) {
      ++refused;
      EXPECT_EQ(report.error().code(), ErrorCode::kCorrupt);
      EXPECT_NE(report.error().message().find("left out"), std::string::npos)
          << report.error().ToString();
    }
  }
  EXPECT_GE(refused, 6U);  // Three commit objects, their packs.
}

// The same for the heads, which are counted: left out while it marks, it stops; while it fences, it
// does not decide, and looks again.
TEST(Case10, AHeadThatTheListingLeavesOutIsMissed) {
  for (const int left_out : {1, 2, 0}) {  // In which listing; 0: in all.
    const auto memory = GcLittered();
    // One collection with honest listings has counted the heads.
    VARVE_EXPECT_OK(GcOpen(memory)->CollectGarbage(kGcCtx, kGcNow));
    VARVE_EXPECT_OK(GcSave(*GcOpen(memory), "a", 33, 34));
    VARVE_EXPECT_OK(GcOpen(memory)->Forget(kGcCtx, "a@v5", "litter", kGcAtOnce));
    const auto hooked = std::make_shared<HookStore>(memory);
    int listings = 0;
    hooked->listed = [&](store::ListPage& page, std::string_view prefix) -> Status {
      if (prefix != "ref/") return OkStatus();
      if (++listings == left_out || left_out == 0) {
        std::erase_if(page.objects, [](const auto& each) { return each.key.str() == "ref/b/b"; });
      }
      return OkStatus();
    };
    const auto report = GcOpen(hooked)->CollectGarbage(kGcCtx, kGcNow);
    EXPECT_EQ(report.ok(), left_out == 2);
    if (!report.ok()) {
      EXPECT_EQ(report.error().code(), ErrorCode::kCorrupt) << report.error().ToString();
    }
    GcExpectLive(memory);
    VARVE_EXPECT_OK(GcOpen(memory)->CollectGarbage(kGcCtx, kGcNow));
    GcExpectLive(memory);
    GcExpectClean(memory);
  }
}

// Case 11: foreign objects, other spellings, prefixes of ids: named, not touched.
TEST(Case11, AForeignObjectStopsACollectionByName) {
  const std::string pack = *GcKeys(*GcLittered(), "pack/").begin();
  for (const std::string& foreign :
       {std::string("other/file"), std::string("pack/") + pack.substr(8), pack + "0",
        pack.substr(0, pack.size() - 1), std::string("ref/x/newer"), std::string("ref/b/%61"),
        std::string("pack/zz/notes.txt"), std::string("index.html")}) {
    const auto memory = GcLittered();
    const Bytes body(3);
    ASSERT_TRUE(memory->PutNew(kGcCtx, store::Key(foreign), body).ok());
    const std::set<std::string> packs = GcKeys(*memory, "pack/");
    const auto report = GcOpen(memory)->CollectGarbage(kGcCtx, kGcNow);
    ASSERT_FALSE(report.ok()) << foreign;
    EXPECT_EQ(report.error().code(), ErrorCode::kUnsupported);
    EXPECT_NE(report.error().message().find(foreign), std::string::npos)
        << report.error().ToString();
    EXPECT_EQ(GcKeys(*memory, "pack/"), packs);
  }
}

// Case 12: the host's clock is days off in either direction, or jumps; only the store's counts.
TEST(Case12, TheHostsClockDecidesNothing) {
  constexpr int64_t kDayMs = 24LL * 3600 * 1000;
  for (const auto& [off_ms, jumps] :
       {std::pair{-3 * kDayMs, false}, {3 * kDayMs, false}, {3 * kDayMs, true}}) {
    Off clock(off_ms, jumps);
    const OpContext ctx(clock, OsRandom());
    const auto memory = GcLittered();
    const auto lake = GcOpen(std::make_shared<Stamped>(memory));
    const auto young = lake->CollectGarbage(
        ctx, {.apply = true, .force = true, .grace_ms = 3'600'000, .holder = ""});
    ASSERT_TRUE(young.ok()) << young.error().ToString();
    EXPECT_EQ(young->deleted, 0U);
    GcExpectLive(memory);
    VARVE_EXPECT_OK(lake->CollectGarbage(ctx, kGcNow));
    GcExpectLive(memory);
    GcExpectClean(memory);
  }
}

// Case 14: versions and history nodes older than any cutoff stay as long as a head names them.
TEST(Case14, OldHistoryStaysAsLongAsItIsNamed) {
  const auto memory = std::make_shared<MemoryStore>();
  ASSERT_TRUE(Lake::Init(kGcCtx, *memory).ok());
  const auto lake = GcOpen(memory);
  for (uint64_t i = 1; i <= 200; ++i) VARVE_EXPECT_OK(GcSave(*lake, "a", 1, i));
  for (uint64_t i = 1; i <= 200; i += 2) {
    VARVE_EXPECT_OK(lake->Forget(kGcCtx, "a@v" + std::to_string(i), "odd", kGcAtOnce));
  }
  VARVE_EXPECT_OK(lake->CollectGarbage(kGcCtx, kGcNow));
  for (uint64_t i = 2; i <= 200; i += 2) {
    VARVE_EXPECT_OK(GcLoads(*lake, "a@v" + std::to_string(i), 1, i));
  }
  EXPECT_EQ(lake->OpenAt(kGcCtx, "a@v1").error().code(), ErrorCode::kGone);
  EXPECT_EQ(GcKeys(*memory, "meta/").size(), 100U);
  EXPECT_EQ(GcKeys(*memory, "hist/").size(), 2U);
}

// Case 16: a feature, a head or an object that this build cannot judge.
TEST(Case16, WhatItDoesNotUnderstandStopsIt) {
  const auto memory = GcLittered();
  GcAddFeature(*memory, &format::Descriptor::features_gc);
  const std::set<std::string> packs = GcKeys(*memory, "pack/");
  const auto lake = GcOpen(memory);
  const auto report = lake->CollectGarbage(kGcCtx, kGcNow);
  ASSERT_FALSE(report.ok());
  EXPECT_EQ(report.error().code(), ErrorCode::kUnsupported);
  EXPECT_NE(report.error().message().find("lineage"), std::string::npos);
  EXPECT_EQ(GcKeys(*memory, "pack/"), packs);
  VARVE_EXPECT_OK(GcSave(*lake, "b", 5, 6));  // Commits go on.

  // A head that does not parse, a commit object with a flipped bit, a missing one.
  for (const std::string prefix : {"ref/b/", "meta/", "gc/state"}) {
    const auto damaged = GcLittered();
    VARVE_EXPECT_OK(GcOpen(damaged)->CollectGarbage(kGcCtx, kGcNow));
    VARVE_EXPECT_OK(GcSave(*GcOpen(damaged), "a", 33, 34));
    VARVE_EXPECT_OK(GcOpen(damaged)->Forget(kGcCtx, "a@v5", "litter", kGcAtOnce));
    const std::set<std::string> before = GcKeys(*damaged, "pack/");
    const std::string key = *GcKeys(*damaged, prefix).begin();
    const auto bytes = damaged->Head(kGcCtx, store::Key(key))->bytes;
    ASSERT_TRUE(damaged->Damage(key, prefix == "meta/" ? bytes - 30 : 0));
    const auto stopped = GcOpen(damaged)->CollectGarbage(kGcCtx, kGcNow);
    if (stopped.ok()) {  // It was that of the forgotten version, which need not be sound.
      EXPECT_EQ(prefix, "meta/");
      EXPECT_FALSE(GcKeys(*damaged, "meta/").contains(key));
    } else {
      EXPECT_EQ(GcKeys(*damaged, "pack/"), before) << prefix;
      ASSERT_TRUE(damaged->Damage(key, prefix == "meta/" ? bytes - 30 : 0));
    }
    GcExpectLive(damaged);
  }
}

// Case 18: nothing is deleted but ids of a list that gc/state calls dead, by exact key.
TEST(Case18, OnlyIdsOfADecidedListAreDeleted) {
  const auto memory = GcLittered();
  const auto hooked = std::make_shared<HookStore>(memory);
  std::set<std::string> deleted;
  hooked->deleting = [&](const store::Key& key) -> Status {
    const format::ObjectKey parsed = format::ParseKey(key.str());
    if (parsed.kind == format::KeyKind::kGcList || parsed.kind == format::KeyKind::kGcMark) {
      return OkStatus();
    }
    const auto reply = memory->Get(kGcCtx, store::Key("gc/state"), {});
    const auto state = format::DecodeGcState(AsText(reply->body));
    EXPECT_EQ(state->phase, format::GcPhase::kSweeping);
    bool listed = false;
    for (const format::GcListPart& part : state->lists.at(state->epoch)) {
      const auto list = memory->Get(kGcCtx, store::Key(part.key), {});
      const auto ids = format::DecodeGcList(list->body);
      for (const format::ObjectId& id : *ids) {
        listed = listed || format::KeyOf(part.kind, id) == key.str();
      }
    }
    EXPECT_TRUE(listed) << key.str();
    deleted.insert(key.str());
    return OkStatus();
  };
  const auto report = GcOpen(hooked)->CollectGarbage(kGcCtx, kGcNow);
  ASSERT_TRUE(report.ok());
  EXPECT_EQ(deleted.size(), report->deleted);
}

// Case 19 and fault F34: a locked object is skipped and reported; the next collection tries again.
TEST(Case19, ALockedObjectIsSkippedAndReported) {
  const auto memory = GcLittered();
  const auto hooked = std::make_shared<HookStore>(memory);
  hooked->deleting = [](const store::Key& key) -> Status {
    if (!key.str().starts_with("pack/")) return OkStatus();
    return Error(ErrorCode::kPermissionDenied, "object is locked until 2027-01-01");
  };
  const auto lake = GcOpen(hooked);
  const auto report = lake->CollectGarbage(kGcCtx, kGcNow);
  ASSERT_TRUE(report.ok()) << report.error().ToString();
  EXPECT_EQ(report->skipped_total, report->garbage[0].objects);
  ASSERT_FALSE(report->skipped.empty());
  EXPECT_NE(report->skipped[0].reason.find("locked"), std::string::npos);
  EXPECT_GT(report->deleted, 0U);
  GcExpectLive(memory);
  VARVE_EXPECT_OK(GcSave(*lake, "a", 2, 44));  // Saving needs no delete.
  hooked->deleting = nullptr;
  VARVE_EXPECT_OK(lake->CollectGarbage(kGcCtx, kGcNow));
  GcExpectLive(memory);
  EXPECT_EQ(GcKeys(*memory, "meta/").size(), 4U);
}

// Case 28: a tag keeps its version and no other, however old.
TEST(Case28, ATagKeepsItsVersionAndNoOther) {
  const auto memory = GcLittered();
  const auto lake = GcOpen(memory);
  VARVE_EXPECT_OK(lake->SetTag(kGcCtx, "a", "paper", "a@v2"));
  EXPECT_EQ(lake->Forget(kGcCtx, "a@v2", "test", kGcAtOnce).error().code(), ErrorCode::kConflict);
  VARVE_EXPECT_OK(lake->Forget(kGcCtx, "a@v4", "test", kGcAtOnce));
  VARVE_EXPECT_OK(lake->CollectGarbage(kGcCtx, kGcNow));
  VARVE_EXPECT_OK(GcLoads(*lake, "a@paper", 1, 2));
  EXPECT_EQ(GcKeys(*memory, "meta/").size(), 2U);
}

// Case 30, and 26 beside it: ids minted in one order are committed in another, on a base that is
// let go and collected between; both come out whole.
TEST(Case30, AnAppenderOnABaseThatIsRemoved) {
  const auto memory = GcLittered();
  const auto lake = GcOpen(memory);
  const Bytes weights = RandomBytes(160, 2), moments = RandomBytes(80, 91),
              others = RandomBytes(80, 92);
  const auto begin = [&](const Bytes& m) {
    auto session = lake->BeginSave(kGcCtx, "a", {});
    VARVE_EXPECT_OK((*session)->AddTensor(kGcCtx, "w", codec::DType::kF32, {40}, weights,
                                          SaveSession::Hold::kBorrow));
    VARVE_EXPECT_OK((*session)->AddTensor(kGcCtx, "m", codec::DType::kF32, {20}, m,
                                          SaveSession::Hold::kBorrow));
    return session;
  };
  auto first = begin(moments), second = begin(others);
  const auto later = (*second)->Commit(kGcCtx);
  ASSERT_TRUE(later.ok());
  VARVE_EXPECT_OK(lake->Forget(kGcCtx, "a@v4", "base", kGcAtOnce));
  VARVE_EXPECT_OK(lake->Forget(kGcCtx, "a@v5", "sibling", kGcAtOnce));
  VARVE_EXPECT_OK(GcOpen(memory)->CollectGarbage(kGcCtx, kGcNow));
  const auto saved = (*first)->Commit(kGcCtx);
  ASSERT_TRUE(saved.ok()) << saved.error().ToString();
  VARVE_EXPECT_OK(GcLoads(*GcOpen(memory), "a", 2, 91));
}

}  // namespace
}  // namespace varve::lake
