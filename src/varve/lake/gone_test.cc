// Goal: what is let go and collected under a reader or a writer is said to be gone, not damaged,
// and is never built upon. Method: another process forgets and collects at every point in between.
#include <gtest/gtest.h>

#include "varve/lake/sample_gc.h"

namespace varve::lake {
namespace {

std::shared_ptr<store::MemoryStore> LakeOfTwo() {
  auto memory = std::make_shared<store::MemoryStore>();
  EXPECT_TRUE(Lake::Init(kGcCtx, *memory).ok());
  const auto lake = GcOpen(memory);
  VARVE_EXPECT_OK(GcSave(*lake, "a", 1, 1));
  VARVE_EXPECT_OK(GcSave(*lake, "a", 2, 2));
  return memory;
}

void ForgetAndCollect(const std::shared_ptr<store::MemoryStore>& memory,
                      const std::string& address) {
  const auto other = GcOpen(memory);
  VARVE_EXPECT_OK(other->Forget(kGcCtx, address, "diverged", kGcAtOnce));
  VARVE_EXPECT_OK(other->CollectGarbage(kGcCtx, kGcNow));
}

void ExpectGone(const Status& status) {
  ASSERT_FALSE(status.ok());
  EXPECT_EQ(status.error().code(), ErrorCode::kGone) << status.error().ToString();
  EXPECT_NE(status.error().message().find("diverged"), std::string::npos);
}

template <typename T>
Status StatusOf(const Result<T>& result) {
  return result.ok() ? OkStatus() : Status(result.error());
}

// Forgets and collects a@v1 before each request of `act`.
void AtEveryRequest(const std::function<Status(Lake&)>& act) {
  int gone = 0;
  GcAtEveryRequest(
      60, LakeOfTwo, [](const auto& memory) { ForgetAndCollect(memory, "a@v1"); }, act,
      [&](const Status& done, Lake&, const auto&, bool) {
        if (done.ok()) return;
        ExpectGone(done);
        ++gone;
      });
  EXPECT_GT(gone, 1);
}

TEST(Gone, ALoadOfAVersionThatIsCollectedUnderIt) {
  AtEveryRequest([](Lake& lake) { return GcLoads(lake, "a@v1", 1, 1); });
}

// Who asks for the latest gets the one before when it is collected under the asking.
TEST(Gone, TheLatestThatIsCollectedUnderItsOpeningIsAnother) {
  std::set<uint64_t> opened_versions;
  GcAtEveryRequest(
      60, LakeOfTwo, [](const auto& memory) { ForgetAndCollect(memory, "a@v2"); },
      [](Lake& lake) { return lake.OpenAt(kGcCtx, "a@latest"); },
      [&](const auto& opened, Lake&, const auto&, bool struck) {
        ASSERT_TRUE(opened.ok()) << opened.error().ToString();
        opened_versions.insert((*opened)->entry().version);
        if (!struck) return;
        EXPECT_EQ((*opened)->entry().version, 1U);
        Bytes w(160), m(80);
        VARVE_EXPECT_OK((*opened)->ReadTensors(kGcCtx, {{0, w}, {1, m}}));
        EXPECT_EQ(w, RandomBytes(160, 1));
      });
  EXPECT_EQ(opened_versions, (std::set<uint64_t>{1, 2}));
}

TEST(Gone, ADiffOfAVersionThatIsCollectedUnderIt) {
  AtEveryRequest([](Lake& lake) { return StatusOf(lake.Diff(kGcCtx, "a@v1", "a@v2")); });
}

TEST(Gone, AVerificationOfAVersionThatIsCollectedUnderIt) {
  AtEveryRequest([](Lake& lake) -> Status {
    VARVE_TRY(const VerifyReport report, lake.Verify(kGcCtx, "a@v1"));
    EXPECT_TRUE(report.damage.empty()) << report.damage.front().what;
    return OkStatus();
  });
}

TEST(Gone, ASaveWithAParentThatIsCollectedUnderIt) {
  AtEveryRequest([](Lake& lake) -> Status {
    SaveOptions options;
    options.parents = {"a@v1"};
    const Bytes weights = RandomBytes(160, 1);
    VARVE_TRY(auto session, lake.BeginSave(kGcCtx, "b", std::move(options)));
    VARVE_CHECK_OK(session->AddTensor(kGcCtx, "w", codec::DType::kF32, {40}, weights,
                                      SaveSession::Hold::kBorrow));
    VARVE_TRY(const SaveReport report, session->Commit(kGcCtx));
    static_cast<void>(report);
    // It was acknowledged: whatever was collected meanwhile, it loads.
    VARVE_TRY(const auto version, lake.OpenAt(kGcCtx, "b@v1"));
    Bytes back(160);
    const Status read = version->ReadTensors(kGcCtx, {{0, back}});
    EXPECT_TRUE(read.ok()) << read.error().ToString();
    EXPECT_EQ(back, weights);
    return OkStatus();
  });
}

TEST(Gone, APackThatIsReallyMissingIsStillDamage) {
  const auto memory = LakeOfTwo();
  const auto lake = GcOpen(memory);
  for (const std::string& key : GcKeys(*memory, "pack/")) {
    const store::Key pack(key);
    ASSERT_TRUE(memory->Delete(kGcCtx, std::span(&pack, 1)).ok());
  }
  EXPECT_EQ(GcLoads(*lake, "a@v1", 1, 1).error().code(), ErrorCode::kCorrupt);
}

// The lake that stays open saw the packs that another process then collects.
TEST(Gone, AnOpenLakeSavesOnAfterACollectionByAnother) {
  const auto memory = LakeOfTwo();
  const auto lake = GcOpen(memory);
  VARVE_EXPECT_OK(GcSave(*lake, "a", 1, 1));  // v3, out of v1's and v2's packs or its own.
  ForgetAndCollect(memory, "a@v3");
  ForgetAndCollect(memory, "a@v2");
  ForgetAndCollect(memory, "a@v1");
  VARVE_EXPECT_OK(GcSave(*lake, "a", 1, 1));
  VARVE_EXPECT_OK(GcLoads(*GcOpen(memory), "a@v4", 1, 1));
  // And when it is collected between two of its requests.
  for (uint64_t at = 1; at < 15; ++at) {
    const auto hooked_memory = LakeOfTwo();
    const auto hooked = std::make_shared<HookStore>(hooked_memory);
    const auto open = GcOpen(hooked);
    VARVE_EXPECT_OK(GcSave(*open, "a", 2, 2));
    const uint64_t seen = hooked->requests();
    hooked->before = [&](uint64_t request) {
      if (request != seen + at) return;
      for (const char* address : {"a@v1", "a@v2", "a@v3"}) ForgetAndCollect(hooked_memory, address);
    };
    const auto saved = GcSave(*open, "a", 2, 2, SaveSession::Hold::kBorrow);
    if (!saved.ok()) {
      EXPECT_EQ(saved.error().code(), ErrorCode::kConflict) << saved.error().ToString();
      continue;
    }
    VARVE_EXPECT_OK(GcLoads(*GcOpen(hooked_memory), "a@v" + std::to_string(saved->version), 2, 2));
  }
}

}  // namespace
}  // namespace varve::lake
