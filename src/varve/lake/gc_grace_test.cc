// Goal: what was let go comes back until its date.
// Method: a real lake over the memory store, with more collections in between than keep their
// lists.
#include "varve/lake/sample_gc.h"

namespace varve::lake {
namespace {

TEST(Gc, BringsBackWithinTheGraceHoweverManyCollectionsWereSince) {
  const auto memory = std::make_shared<store::MemoryStore>();
  VARVE_EXPECT_OK(Lake::Init(kGcCtx, *memory));
  const auto lake = GcOpen(memory);
  for (uint64_t i = 1; i <= 2; ++i) VARVE_EXPECT_OK(GcSave(*lake, "a", i, i));
  VARVE_EXPECT_OK(
      lake->Forget(kGcCtx, "a@v1", "old", {.by = "", .policy = "", .grace_ms = 3'600'000}));
  GcOptions options = kGcNow;
  options.list_epochs = 1;
  for (uint64_t i = 1; i <= 3; ++i) {
    for (uint64_t j = 1; j <= 2; ++j) VARVE_EXPECT_OK(GcSave(*lake, "b", 10 * i + j, j));
    VARVE_EXPECT_OK(lake->Forget(kGcCtx, "b@v" + std::to_string(2 * i - 1), "old", kGcAtOnce));
    const auto report = lake->CollectGarbage(kGcCtx, options);
    ASSERT_TRUE(report.ok()) << report.error().ToString();
    EXPECT_EQ(report->epoch, i);
  }
  VARVE_EXPECT_OK(lake->Undelete(kGcCtx, "a@v1"));
  VARVE_EXPECT_OK(GcLoads(*lake, "a@v1", 1, 1));
}

// Collections end, and drop the lists that it was going to ask, before any of its requests.
TEST(Gc, BringsBackWhileCollectionsEnd) {
  uint64_t requests = 1;
  for (uint64_t at = 1; at <= requests; ++at) {
    SCOPED_TRACE("before request " + std::to_string(at));
    const auto memory = std::make_shared<store::MemoryStore>();
    VARVE_EXPECT_OK(Lake::Init(kGcCtx, *memory));
    const auto other = GcOpen(memory);
    for (uint64_t i = 1; i <= 2; ++i) VARVE_EXPECT_OK(GcSave(*other, "a", i, i));
    VARVE_EXPECT_OK(
        other->Forget(kGcCtx, "a@v1", "old", {.by = "", .policy = "", .grace_ms = 3'600'000}));
    const auto hooked = std::make_shared<HookStore>(memory);
    const auto lake = GcOpen(hooked);
    const uint64_t begun = hooked->requests();
    hooked->before = [&](uint64_t request) {
      if (request != begun + at) return;
      GcOptions options = kGcNow;
      options.list_epochs = 1;
      for (uint64_t i = 1; i <= 3; ++i) {
        VARVE_EXPECT_OK(GcSave(*other, "b", i, i));
        VARVE_EXPECT_OK(GcSave(*other, "b", 10 + i, 10 + i));
        VARVE_EXPECT_OK(other->Forget(kGcCtx, "b@v" + std::to_string(2 * i - 1), "", kGcAtOnce));
        VARVE_EXPECT_OK(other->CollectGarbage(kGcCtx, options));
      }
    };
    VARVE_EXPECT_OK(lake->Undelete(kGcCtx, "a@v1"));
    requests = std::max(requests, hooked->requests() - begun);
    hooked->before = nullptr;
    VARVE_EXPECT_OK(other->CollectGarbage(kGcCtx, kGcNow));
    VARVE_EXPECT_OK(GcLoads(*GcOpen(memory), "a@v1", 1, 1));
    VARVE_EXPECT_OK(GcLoads(*GcOpen(memory), "a@v2", 2, 2));
  }
  EXPECT_GT(requests, 5U);
}

}  // namespace
}  // namespace varve::lake
