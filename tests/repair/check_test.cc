// Goal: a check says exactly what is damaged, and writes nothing. Method: one table of damages,
// done from outside on the memory store and on a folder; each row gives the findings of a quick and
// of a deep check, and the versions that may no longer load.

#include <gtest/gtest.h>

#include "sample_damages.h"

namespace varve::lake {
namespace {

using plan::Damage;

class FsckRows : public ::testing::TestWithParam<bool> {};
INSTANTIATE_TEST_SUITE_P(Stores, FsckRows, ::testing::Bool(),
                         [](const auto& each) { return each.param ? "Folder" : "Memory"; });

TEST_P(FsckRows, SayWhatIsDamagedAndWriteNothing) {
  Lakes few(GetParam(), kFewVersions), many(GetParam(), kManyVersions);
  ASSERT_GE(AllRows().size(), 40U);
  for (const Row& row : AllRows()) {
    SCOPED_TRACE(row.name);
    Lakes& lakes = row.history ? many : few;
    const StorePtr store = lakes.Fresh();
    const auto lake = GcOpen(store);  // Before the damage: some of it keeps a lake from opening.
    const Expected expected = row.damage(store);
    const auto before = Everything(*store);
    for (const bool deep : {false, true}) {
      const auto report = lake->Fsck(kGcCtx, Options(deep));
      ASSERT_TRUE(report.ok()) << report.error().ToString();
      EXPECT_EQ(FoundBy(*report), deep ? expected.deep : expected.quick) << "deep " << deep;
      EXPECT_TRUE(report->complete);
    }
    EXPECT_EQ(Everything(*store), before);
    if (!expected.opens) {
      EXPECT_FALSE(Lake::Open(kGcCtx, store, kGcLake).ok());
      continue;
    }
    // Everything that the row does not name loads byte for byte.
    std::set<std::string> good;
    for (const auto& [address, seeds] : lakes.truth) {
      if (!expected.hurt.contains(address)) good.insert(address);
    }
    EXPECT_EQ(FsckLoadable(store, lakes.truth), good);
  }
}

TEST(Fsck, NamesTheVersionsAndTheirItems) {
  Lakes lakes(false, kFewVersions);
  const StorePtr store = lakes.Fresh();
  RemoveAt(*store, FsckTensor(store, "a@v3", 0).pack);
  const auto report = GcOpen(store)->Fsck(kGcCtx, {});
  ASSERT_TRUE(report.ok());
  ASSERT_EQ(report->findings.size(), 1U);
  const std::vector<std::string>& affected = report->findings[0].affected;
  EXPECT_NE(std::find(affected.begin(), affected.end(), "a@v3: w"), affected.end());
  EXPECT_NE(std::find(affected.begin(), affected.end(), "a@v4: w"), affected.end());
}

TEST(Fsck, ABudgetIsKeptAndTheNextRunGoesOn) {
  Lakes lakes(false, kFewVersions);
  const StorePtr store = lakes.Fresh();
  const auto lake = GcOpen(store);
  const auto at = FsckTensor(store, "a@v6", 1);
  FlipAt(*store, at.pack, at.offset);
  const auto whole = lake->Fsck(kGcCtx, Options(true));
  ASSERT_TRUE(whole.ok());
  ASSERT_GT(whole->packs, 4U);
  uint64_t runs = 0, checked = 0;
  Found found;
  std::string cursor;
  do {
    FsckOptions options = Options(true, std::move(cursor));
    options.budget_bytes = 900;
    const auto part = lake->Fsck(kGcCtx, options);
    ASSERT_TRUE(part.ok()) << part.error().ToString();
    EXPECT_LE(part->read_bytes, 900U);
    EXPECT_GT(part->packs_checked, 0U);
    EXPECT_EQ(part->complete, part->cursor.empty());
    checked += part->packs_checked;
    for (const auto& each : FoundBy(*part)) found.insert(each);
    cursor = part->cursor;
    ASSERT_LT(++runs, 100U);
  } while (!cursor.empty());
  EXPECT_GT(runs, 1U);
  EXPECT_EQ(checked, whole->packs);
  EXPECT_EQ(found, FoundBy(*whole));
  EXPECT_FALSE(lake->Fsck(kGcCtx, Options(true, "nonsense")).ok());
  FsckOptions one = Options(true);
  one.budget_requests = 1;
  const auto first = lake->Fsck(kGcCtx, one);
  ASSERT_TRUE(first.ok());
  EXPECT_EQ(first->packs_checked, 1U);
  EXPECT_FALSE(lake->Fsck(kGcCtx, Options(false, first->cursor)).ok());
}

// Beside a writer and a collector: what is let go while the check runs is no damage.
TEST(Fsck, WhatIsLetGoMeanwhileIsNoDamage) {
  Lakes lakes(false, kFewVersions);
  for (uint64_t at = 1; at < 400; at += 7) {
    SCOPED_TRACE(at);
    const StorePtr store = lakes.Fresh();
    const auto hooked = std::make_shared<HookStore>(store);
    const auto lake = GcOpen(hooked);
    const auto other = GcOpen(store);
    const uint64_t begun = hooked->requests();
    hooked->before = [&](uint64_t request) {
      if (request != begun + at) return;
      VARVE_EXPECT_OK(other->Forget(kGcCtx, "a@v6", "test", kGcAtOnce));
      VARVE_EXPECT_OK(GcSave(*other, "a", 9, 9));
      VARVE_EXPECT_OK(other->CollectGarbage(kGcCtx, kGcNow));
    };
    const auto report = lake->Fsck(kGcCtx, Options(true));
    ASSERT_TRUE(report.ok()) << report.error().ToString();
    EXPECT_EQ(FoundBy(*report), Found{});
    if (hooked->requests() < begun + at) break;
  }
}

}  // namespace
}  // namespace varve::lake
