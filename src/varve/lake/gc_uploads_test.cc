// Goal: an upload in parts that a dead saver left is aborted, a live one never is.
// Method: a real lake over the memory store, with a clock that the test moves.
#include <atomic>

#include "varve/lake/sample_gc.h"

namespace varve::lake {
namespace {

constexpr int64_t kHourMs = 3'600'000;

class MovedClock final : public Clock {
 public:
  int64_t WallMs() const override { return now_ms; }
  int64_t SteadyNs() const override { return SystemClock().SteadyNs(); }
  void SleepUntil(int64_t) override {}
  std::atomic<int64_t> now_ms{1'790'000'000'000};
};

// Refuses what the test says.
class UploadStore final : public store::ForwardingStore {
 public:
  using ForwardingStore::ForwardingStore;
  std::optional<Error> list_error, abort_error;
  Result<store::UploadPage> ListUploads(const OpContext& ctx, std::string_view prefix,
                                        const std::string& token) override {
    if (list_error.has_value()) return *list_error;
    return inner_->ListUploads(ctx, prefix, token);
  }
  Status AbortMultipart(const OpContext& ctx, const store::Key& key,
                        const std::string& upload_id) override {
    if (abort_error.has_value()) return *abort_error;
    return inner_->AbortMultipart(ctx, key, upload_id);
  }
};

struct Yard {
  MovedClock clock;
  OpContext ctx{clock, OsRandom()};
  std::shared_ptr<store::MemoryStore> memory = std::make_shared<store::MemoryStore>();
  std::shared_ptr<UploadStore> refusing = std::make_shared<UploadStore>(memory);
  const Bytes body = RandomBytes(800, 1);

  // Of three sessions: 77 is dead, 78 wrote an hour ago, 79 began an hour ago. And one that is not
  // the lake's.
  Yard() {
    EXPECT_TRUE(Lake::Init(ctx, *memory).ok());
    Begin(Pack(77));
    Begin(Pack(78));
    Begin(store::Key("notes/x"));
    clock.now_ms += 24 * kHourMs;
    EXPECT_TRUE(
        memory->PutNew(ctx, store::Key(format::PackKey(format::ObjectId::Make(78, 2))), body).ok());
    Begin(Pack(79));
    clock.now_ms += kHourMs;
  }
  static store::Key Pack(uint64_t session) {
    return store::Key(format::PackKey(format::ObjectId::Make(session, 1)));
  }
  void Begin(const store::Key& key) {
    const auto id = memory->CreateMultipart(ctx, key);
    ASSERT_TRUE(id.ok());
    ASSERT_TRUE(memory->PutPart(ctx, key, *id, 1, body).ok());
  }
  std::set<std::string> Pending() {
    std::set<std::string> keys;
    const auto page = memory->ListUploads(ctx, "", "");
    EXPECT_TRUE(page.ok());
    for (const auto& upload : page->uploads) keys.insert(upload.key.str());
    return keys;
  }
  Result<GcReport> Collect(const std::shared_ptr<store::ObjectStore>& store, bool apply,
                           int64_t grace_ms = 0) {
    VARVE_TRY(const auto lake, Lake::Open(ctx, store, kGcLake));
    GcOptions options = kGcNow;
    options.apply = apply;
    options.grace_ms = grace_ms;
    return lake->CollectGarbage(ctx, options);
  }
  std::set<std::string> Alive() const { return {"notes/x", Pack(78).str(), Pack(79).str()}; }
};

TEST(GcUploads, ADeadOneIsAbortedAndALiveOneNever) {
  Yard yard;
  auto report = yard.Collect(yard.memory, false);
  ASSERT_TRUE(report.ok()) << report.error().ToString();
  EXPECT_EQ(report->uploads.objects, 1U);
  EXPECT_EQ(report->uploads.bytes, yard.body.size());
  EXPECT_EQ(yard.Pending().size(), 4U);
  report = yard.Collect(yard.memory, true, 48 * kHourMs);
  ASSERT_TRUE(report.ok());
  EXPECT_EQ(report->aborted_uploads, 0U) << "all are within this grace";
  report = yard.Collect(yard.memory, true);
  ASSERT_TRUE(report.ok()) << report.error().ToString();
  EXPECT_EQ(report->aborted_uploads, 1U);
  EXPECT_EQ(yard.Pending(), yard.Alive());
  // A live one ends as if nothing had been.
  const auto page = yard.memory->ListUploads(yard.ctx, Yard::Pack(78).str(), "");
  const std::string id = page->uploads.at(0).upload_id;
  const auto parts = yard.memory->ListParts(yard.ctx, Yard::Pack(78), id, 0);
  VARVE_EXPECT_OK(yard.memory->CompleteMultipart(yard.ctx, Yard::Pack(78), id, parts->parts));
}

TEST(GcUploads, WhatTheStoreRefusesIsReportedOrStopsIt) {
  Yard yard;
  yard.refusing->abort_error = Error(ErrorCode::kPermissionDenied, "no abort");
  auto report = yard.Collect(yard.refusing, true);
  ASSERT_TRUE(report.ok()) << report.error().ToString();
  EXPECT_EQ(report->aborted_uploads, 0U);
  ASSERT_EQ(report->skipped.size(), 1U);
  EXPECT_EQ(report->skipped[0].key, Yard::Pack(77).str());
  yard.refusing->list_error = Error(ErrorCode::kPermissionDenied, "no list");
  report = yard.Collect(yard.refusing, true);
  ASSERT_TRUE(report.ok());
  EXPECT_EQ(report->skipped.size(), 1U);
  yard.refusing->list_error = Error(ErrorCode::kUnavailable, "down");
  EXPECT_EQ(yard.Collect(yard.refusing, true).error().code(), ErrorCode::kUnavailable);
  EXPECT_EQ(yard.Pending().size(), 4U);
}

TEST(GcUploads, ACrashAtAnyRequestLeavesLiveOnesAlone) {
  for (uint64_t at = 1;; ++at) {
    ASSERT_LT(at, 200U);
    Yard yard;
    const auto faulty = std::make_shared<store::FaultStore>(yard.memory);
    faulty->Plan(store::Fault::kCrashBefore, at);
    const auto report = yard.Collect(faulty, true, 24 * kHourMs);
    for (const std::string& key : yard.Alive()) EXPECT_TRUE(yard.Pending().contains(key));
    VARVE_EXPECT_OK(yard.Collect(yard.memory, true, 24 * kHourMs));
    EXPECT_EQ(yard.Pending(), yard.Alive());
    if (report.ok() && report->skipped.empty()) break;
  }
}

}  // namespace
}  // namespace varve::lake
