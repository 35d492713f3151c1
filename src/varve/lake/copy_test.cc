// Goal: a version that is copied twice at once is there once. Method: another copier, or the late
// arrival of a copy that gave up on its answer, before any request of a copy.
#include <gtest/gtest.h>

#include "varve/lake/sample_gc.h"

namespace varve::lake {
namespace {

struct Lakes {
  std::shared_ptr<store::MemoryStore> source = std::make_shared<store::MemoryStore>(),
                                      there = std::make_shared<store::MemoryStore>();
  Lakes() {
    EXPECT_TRUE(Lake::Init(kGcCtx, *source).ok());
    EXPECT_TRUE(Lake::Init(kGcCtx, *there).ok());
    const auto lake = GcOpen(source);
    for (uint64_t i = 1; i <= 3; ++i) VARVE_EXPECT_OK(GcSave(*lake, "a", i, i));
  }
  void Expect(uint64_t versions) const {
    const auto lake = GcOpen(there);
    ASSERT_EQ(lake->History(kGcCtx, "a", 100)->size(), versions);
    for (uint64_t i = 1; i <= versions; ++i)
      VARVE_EXPECT_OK(GcLoads(*lake, "a@v" + std::to_string(i), i, i));
  }
};

TEST(Copy, TwoCopiersAtOnceMakeEachVersionOnce) {
  bool struck = true;
  uint64_t at = 1;
  for (; struck; ++at) {
    ASSERT_LT(at, 100U);
    SCOPED_TRACE("before request " + std::to_string(at));
    const Lakes lakes;
    const auto hooked = std::make_shared<HookStore>(lakes.there);
    const auto copier = GcOpen(hooked), source = GcOpen(lakes.source);
    const uint64_t begun = hooked->requests();
    hooked->before = [&](uint64_t request) {
      if (request == begun + at) {
        VARVE_EXPECT_OK(GcOpen(lakes.there)->CopyFrom(kGcCtx, *source, "a"));
      }
    };
    VARVE_EXPECT_OK(copier->CopyFrom(kGcCtx, *source, "a"));
    struck = hooked->requests() >= begun + at;
    lakes.Expect(3);
    if (HasFailure()) return;
  }
  EXPECT_GT(at, 10U);
}

TEST(Copy, OneThatGaveUpAndArrivesLateIsNotMadeTwice) {
  uint64_t requests = 1;
  for (uint64_t gave_up = 1; gave_up < 40; ++gave_up) {
    for (uint64_t at = 1; at <= requests; at += 2) {
      SCOPED_TRACE("request " + std::to_string(gave_up) + " arrives before request " +
                   std::to_string(at));
      const Lakes lakes;
      const auto faulty = std::make_shared<store::FaultStore>(lakes.there);
      const auto dying = GcOpen(faulty), source = GcOpen(lakes.source);
      faulty->Plan(store::Fault::kCrashZombie, gave_up);
      static_cast<void>(dying->CopyFrom(kGcCtx, *source, "a").ok());
      const auto hooked = std::make_shared<HookStore>(lakes.there);
      const auto copier = GcOpen(hooked);
      const uint64_t begun = hooked->requests();
      hooked->before = [&](uint64_t request) {
        if (request == begun + at) faulty->Settle();
      };
      VARVE_EXPECT_OK(copier->CopyFrom(kGcCtx, *source, "a"));
      requests = std::max(requests, hooked->requests() - begun);
      hooked->before = nullptr;
      faulty->Settle();
      lakes.Expect(3);
      if (HasFailure()) return;
    }
  }
}

// What was forgotten there may be copied again, as another version.
TEST(Copy, WhatWasForgottenThereIsCopiedAgain) {
  const Lakes lakes;
  const auto lake = GcOpen(lakes.there), source = GcOpen(lakes.source);
  VARVE_EXPECT_OK(lake->CopyFrom(kGcCtx, *source, "a"));
  VARVE_EXPECT_OK(lake->Forget(kGcCtx, "a@v2", "by mistake", kGcAtOnce));
  VARVE_EXPECT_OK(lake->CopyFrom(kGcCtx, *source, "a@v2"));
  VARVE_EXPECT_OK(GcLoads(*lake, "a@v4", 2, 2));
}

// Labels come along once, where the other lake has none of that name.
TEST(Copy, AliasesTagsAndLateMetricsComeAlong) {
  const Lakes lakes;
  const auto lake = GcOpen(lakes.there), source = GcOpen(lakes.source);
  VARVE_EXPECT_OK(source->SetAlias(kGcCtx, "a", "best", "a@v2"));
  VARVE_EXPECT_OK(source->SetTag(kGcCtx, "a", "release", "a@v3"));
  VARVE_EXPECT_OK(source->Annotate(kGcCtx, "a@v2", {.metrics = {{"val_loss", 0.5}}}));
  VARVE_EXPECT_OK(source->Forget(kGcCtx, "a@v1", "not needed", kGcAtOnce));
  VARVE_EXPECT_OK(GcSave(*lake, "a", 9, 9));
  VARVE_EXPECT_OK(lake->SetAlias(kGcCtx, "a", "release", "a@v1"));
  const auto first = lake->CopyFrom(kGcCtx, *source, "a");
  ASSERT_TRUE(first.ok());
  EXPECT_EQ(first->labels_set, 1U);
  VARVE_EXPECT_OK(GcLoads(*lake, "a@best", 2, 2));
  VARVE_EXPECT_OK(GcLoads(*lake, "a@release", 9, 9));  // Its own; it is not moved.
  EXPECT_EQ(lake->Describe(kGcCtx, "a@best")->entry.metrics.at("val_loss"), 0.5);

  VARVE_EXPECT_OK(lake->SetAlias(kGcCtx, "a", "best", "a@v3"));
  VARVE_EXPECT_OK(source->SetAlias(kGcCtx, "a", "good", "a@v2"));
  const auto again = lake->CopyFrom(kGcCtx, *source, "a@v2");
  ASSERT_TRUE(again.ok());
  EXPECT_EQ(again->versions_skipped, 1U);
  EXPECT_EQ(again->labels_set, 1U);
  VARVE_EXPECT_OK(GcLoads(*lake, "a@good", 2, 2));
  VARVE_EXPECT_OK(GcLoads(*lake, "a@best", 3, 3));
}

}  // namespace
}  // namespace varve::lake
