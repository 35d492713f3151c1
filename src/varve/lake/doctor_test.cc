// Goal: a store that breaks one promise is refused for shared writing, and a lake remembers it; a
// good store is safe; nothing of the probe stays and nothing of the lake is touched.
// Method: the memory store behind a wrapper that breaks one promise at a time, as real servers do.
#include "varve/lake/doctor.h"

#include <gtest/gtest.h>

#include <atomic>

#include "varve/format/control.h"
#include "varve/format/gc_state.h"
#include "varve/lake/lake.h"
#include "varve/lake/probe.h"
#include "varve/store/forwarding.h"
#include "varve/store/memory/memory_store.h"

namespace varve::lake {
namespace {

enum class Breaks {
  kNothing,
  kIgnoresCreate,  // As s3rver does.
  kIgnoresSwap,
  kSwapsAbsent,
  kInverted,        // As Ceph did on some deletes: it does what it should refuse.
  kRefusesSwap,     // As Ceph RGW 16 does where versioning is on.
  kChecksUnlocked,  // As VersityGW does on a folder.
  kStaleReads,
  kForgetsListed,
};

class BadStore final : public store::ForwardingStore {
 public:
  explicit BadStore(Breaks breaks)
      : ForwardingStore(std::make_shared<store::MemoryStore>()), breaks_(breaks) {}
  void Break(Breaks breaks) { breaks_ = breaks; }
  store::Features features() const override {
    store::Features features = inner_->features();
    features.needs_probe = true;
    return features;
  }
  Result<store::GetReply> Get(const OpContext& ctx, const store::Key& key,
                              const store::GetOptions& options) override {
    if (breaks_ == Breaks::kStaleReads && key.str().ends_with("head")) {
      const std::lock_guard lock(mutex_);
      if (!stale_.has_value()) {
        VARVE_TRY(stale_, inner_->Get(ctx, key, options));
      }
      return *stale_;
    }
    return inner_->Get(ctx, key, options);
  }
  Result<store::ObjectInfo> Cas(const OpContext& ctx, const store::Key& key, ByteView body,
                                const std::optional<store::Etag>& expected) override {
    const Breaks breaks = breaks_;
    if (breaks == Breaks::kRefusesSwap && expected.has_value())
      return Error(ErrorCode::kConflict, "another version is there");
    const auto there = inner_->Head(ctx, key);
    const bool meant = expected.has_value() ? there.ok() && there->etag == *expected : !there.ok();
    if (breaks == Breaks::kInverted && meant)
      return Error(ErrorCode::kConflict, "another version is there");
    const bool ignores = (breaks == Breaks::kInverted && there.ok()) ||
                         (breaks == Breaks::kIgnoresCreate && !expected.has_value()) ||
                         (breaks == Breaks::kIgnoresSwap && expected.has_value() && there.ok()) ||
                         (breaks == Breaks::kSwapsAbsent && expected.has_value() && !there.ok()) ||
                         (breaks == Breaks::kChecksUnlocked && meant);
    if (!ignores) return inner_->Cas(ctx, key, body, expected);
    // Checked, and written a moment later without a look.
    if (breaks == Breaks::kChecksUnlocked) VARVE_CHECK_OK(ctx.SleepMs(1));
    for (int attempt = 0; attempt < 100; ++attempt) {
      const auto now = inner_->Head(ctx, key);
      if (!now.ok() && now.error().code() != ErrorCode::kNotFound) return now.error();
      std::optional<store::Etag> etag;
      if (now.ok()) etag = now->etag;
      auto moved = inner_->Cas(ctx, key, body, etag);
      if (moved.ok()) return moved;
    }
    return Error(ErrorCode::kInternal, "the wrapper cannot write");
  }
  Result<store::ListPage> List(const OpContext& ctx, std::string_view prefix,
                               const store::ListOptions& options) override {
    VARVE_TRY(store::ListPage page, inner_->List(ctx, prefix, options));
    if (breaks_ == Breaks::kForgetsListed && !page.objects.empty()) page.objects.pop_back();
    return page;
  }

 private:
  std::atomic<Breaks> breaks_;
  std::mutex mutex_;
  std::optional<store::GetReply> stale_;  // Guarded by mutex_.
};

const OpContext kCtx;
constexpr DoctorOptions kBrief{.essential_only = false, .race_rounds = 3, .counter_steps = 5};

std::vector<std::string> NamesIn(store::ObjectStore& store) {
  std::vector<std::string> names;
  const auto listed = store::ListAll(kCtx, store, "");
  for (const auto& object : *listed) names.push_back(object.key.str());
  return names;
}

TEST(Doctor, AGoodStoreIsSafeAndNothingStays) {
  BadStore store(Breaks::kNothing);
  const auto report = Examine(kCtx, store, kBrief);
  ASSERT_TRUE(report.ok()) << report.error().ToString();
  EXPECT_TRUE(report->verdict.safe) << report->verdict.reason;
  EXPECT_FALSE(report->lake_found);
  EXPECT_GE(report->verdict.checks.size(), 25u);
  EXPECT_TRUE(NamesIn(store).empty());
}

TEST(Case20, EachBrokenPromiseIsFoundAndRefusesInit) {
  struct Case {
    Breaks breaks;
    const char* check;
  };
  for (const Case& each :
       {Case{Breaks::kIgnoresCreate, "create.present"}, Case{Breaks::kIgnoresSwap, "swap.stale"},
        Case{Breaks::kSwapsAbsent, "swap.missing"}, Case{Breaks::kInverted, "create.absent"},
        Case{Breaks::kRefusesSwap, "swap.current"}, Case{Breaks::kChecksUnlocked, "race."},
        Case{Breaks::kStaleReads, "create.absent"}}) {
    BadStore store(each.breaks);
    const auto report = Examine(kCtx, store, kBrief);
    ASSERT_TRUE(report.ok()) << report.error().ToString();
    EXPECT_FALSE(report->verdict.safe) << each.check;
    const bool said =
        report->verdict.reason.starts_with(each.check) || each.breaks == Breaks::kStaleReads;
    EXPECT_TRUE(said) << report->verdict.reason;
    EXPECT_TRUE(NamesIn(store).empty());
    const Status init = Lake::Init(kCtx, store);
    ASSERT_FALSE(init.ok());
    EXPECT_EQ(init.error().code(), ErrorCode::kUnsupported) << init.error().ToString();
    EXPECT_TRUE(NamesIn(store).empty()) << "a refused init leaves nothing";
  }
}

TEST(Doctor, AnUnreliableListingWarnsOnly) {
  BadStore store(Breaks::kForgetsListed);
  const auto report = Examine(kCtx, store, kBrief);
  ASSERT_TRUE(report.ok());
  EXPECT_TRUE(report->verdict.safe);
  bool warned = false;
  for (const auto& check : report->verdict.checks)
    warned |= check.seen.check == "list.own_write" && check.verdict == plan::Verdict::kWarn;
  EXPECT_TRUE(warned);
}

Result<SaveReport> SaveOne(std::shared_ptr<store::ObjectStore> store, bool single_writer) {
  LakeOptions options{.cpu_threads = 1, .transfers = 1, .memory_bytes = 128 * kMiB};
  options.single_writer = single_writer;
  VARVE_TRY(auto lake, Lake::Open(kCtx, std::move(store), options));
  VARVE_TRY(auto session, lake->BeginSave(kCtx, "a", {}));
  const Bytes values(64);
  VARVE_CHECK_OK(
      session->AddTensor(kCtx, "w", codec::DType::kF32, {16}, values, SaveSession::Hold::kCopy));
  return session->Commit(kCtx);
}

// A bucket on which versioning is switched on, a gateway that is replaced: the doctor finds it, and
// from then on every writer is refused until one says that it is alone, or all is well again.
TEST(Doctor, TheLakeRemembersAVerdictAndWritersObeyIt) {
  const auto store = std::make_shared<BadStore>(Breaks::kNothing);
  ASSERT_TRUE(Lake::Init(kCtx, *store).ok());
  ASSERT_TRUE(SaveOne(store, false).ok());
  const std::vector<std::string> before = NamesIn(*store);
  store->Break(Breaks::kIgnoresCreate);
  const auto report = Examine(kCtx, *store, kBrief);
  ASSERT_TRUE(report.ok());
  EXPECT_TRUE(report->lake_found && report->stored);
  EXPECT_EQ(NamesIn(*store), before) << "beside the lake, without touching its names";
  store->Break(Breaks::kNothing);
  const auto refused = SaveOne(store, false);
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().code(), ErrorCode::kUnsupported);
  EXPECT_NE(refused.error().message().find("create.present"), std::string::npos);
  EXPECT_TRUE(SaveOne(store, true).ok());
  ASSERT_TRUE(Examine(kCtx, *store, kBrief).ok());
  EXPECT_TRUE(SaveOne(store, false).ok()) << "a new verdict replaces the old one";
}

TEST(Doctor, ABadStoreTakesALakeOfOneWriter) {
  const auto store = std::make_shared<BadStore>(Breaks::kIgnoresSwap);
  ASSERT_TRUE(Lake::Init(kCtx, *store, true).ok());
  EXPECT_EQ(SaveOne(store, false).error().code(), ErrorCode::kUnsupported);
  EXPECT_TRUE(SaveOne(store, true).ok());
}

TEST(Doctor, WhatADeadProbeLeftHindersNoInit) {
  const auto store = std::make_shared<BadStore>(Breaks::kNothing);
  for (int i = 0; i < 20; ++i) {
    const store::Key key("probe/0123456789abcdef/race-" + std::to_string(i));
    ASSERT_TRUE(store->PutNew(kCtx, key, AsBytes("left")).ok());
  }
  ASSERT_TRUE(Lake::Init(kCtx, *store).ok());
  EXPECT_TRUE(SaveOne(store, false).ok());
}

TEST(Doctor, ALakeThatWasCopiedIsProbedAnew) {
  format::Descriptor descriptor;
  descriptor.probe =
      format::ProbeRecord{.shared_writing = true, .reason = "", .time_ms = 1'000'000};
  store::ObjectInfo info;
  info.modified_ms = 1'000'000 + 60'000;
  EXPECT_FALSE(CopiedSinceProbe(descriptor, info));
  info.modified_ms += 48 * 3'600'000;
  EXPECT_TRUE(CopiedSinceProbe(descriptor, info));
  info.modified_ms = 0;
  EXPECT_FALSE(CopiedSinceProbe(descriptor, info)) << "a store that does not say";
}

TEST(Doctor, ADescriptorWithoutAProbeRefusesWritersWhereOneIsNeeded) {
  const auto store = std::make_shared<BadStore>(Breaks::kNothing);
  format::Descriptor descriptor;
  descriptor.lake_id = std::string(32, 'a');
  const std::string json = format::EncodeDescriptor(descriptor).value();
  ASSERT_TRUE(store->Cas(kCtx, store::Key("lake.json"), AsBytes(json), std::nullopt).ok());
  const std::string state = format::EncodeGcState({}).value();
  ASSERT_TRUE(store->Cas(kCtx, store::Key("gc/state"), AsBytes(state), std::nullopt).ok());
  const auto refused = SaveOne(store, false);
  ASSERT_FALSE(refused.ok());
  EXPECT_NE(refused.error().message().find("varve doctor"), std::string::npos);
  ASSERT_TRUE(Examine(kCtx, *store, kBrief).ok());
  EXPECT_TRUE(SaveOne(store, false).ok());
}

TEST(Doctor, ACancelLeavesNothing) {
  BadStore store(Breaks::kChecksUnlocked);
  CancelToken cancel;
  const OpContext ctx(SystemClock(), OsRandom(), cancel);
  ThreadPool other({.name = "cancel", .threads = 1, .queue_max = 1, .background = false});
  ASSERT_TRUE(other
                  .Submit([&] {
                    while (NamesIn(store).size() < 3) static_cast<void>(kCtx.SleepMs(1));
                    cancel.Cancel();
                  })
                  .ok());
  const auto report = Examine(
      ctx, store, {.essential_only = false, .race_rounds = 10'000, .counter_steps = 10'000});
  ASSERT_FALSE(report.ok());
  EXPECT_EQ(report.error().code(), ErrorCode::kCancelled);
  other.Stop();
  EXPECT_TRUE(NamesIn(store).empty());
}

}  // namespace
}  // namespace varve::lake
