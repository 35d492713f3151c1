// Goal: every kind of damage has one row, and what was seen of a pack has one word.
#include "varve/plan/damage.h"

#include <gtest/gtest.h>

#include <set>

namespace varve::plan {
namespace {

TEST(Damage, EveryKindHasItsRow) {
  std::set<std::string_view> names;
  for (size_t i = 0; i < kDamages; ++i) {
    const DamageRule& rule = RuleOf(static_cast<Damage>(i));
    EXPECT_EQ(static_cast<size_t>(rule.kind), i);
    EXPECT_TRUE(names.insert(rule.name).second) << rule.name;
    EXPECT_FALSE(rule.meaning.empty() || rule.advice.empty());
    // What loses something has a way out, and a note needs none.
    EXPECT_TRUE(rule.harm != Harm::kLoss || rule.remedy != Remedy::kNone) << rule.name;
  }
}

PackLook Sound() { return {.there = true, .stated_bytes = 100, .bytes = 100}; }

struct PackRow {
  const char* what;
  void (*change)(PackLook&);
  Damage quick, deep;
};

TEST(Damage, OneWordForAPack) {
  const PackRow rows[] = {
      {"gone", [](PackLook& l) { l.there = false; }, Damage::kPackMissing, Damage::kPackMissing},
      {"short", [](PackLook& l) { l.bytes = 50; }, Damage::kPackLength, Damage::kPackLength},
      {"footer", [](PackLook& l) { l.footer_sound = false, l.rows_unconfirmed = 3; },
       Damage::kPackFooter, Damage::kPackFooter},
      {"other pack", [](PackLook& l) { l.rows_unconfirmed = 3, l.rows_damaged = 3; },
       Damage::kPackSwapped, Damage::kPackSwapped},
      {"chunk", [](PackLook& l) { l.rows_unconfirmed = l.rows_damaged = l.chunks_damaged = 1; },
       Damage::kPackSwapped, Damage::kPackChunk},
      {"footer and chunk",
       [](PackLook& l) { l.footer_sound = false, l.rows_unconfirmed = 2, l.rows_damaged = 1; },
       Damage::kPackFooter, Damage::kPackChunk},
      {"nobody's chunk", [](PackLook& l) { l.chunks_damaged = 1; }, Damage::kPackUnused,
       Damage::kPackUnused},
      {"frame", [](PackLook& l) { l.frames_damaged = 1; }, Damage::kPackFrame, Damage::kPackFrame},
      {"header", [](PackLook& l) { l.header_sound = false; }, Damage::kPackFrame,
       Damage::kPackFrame},
  };
  Damage kind;
  EXPECT_FALSE(JudgePack(Sound(), true, kind));
  EXPECT_FALSE(JudgePack(Sound(), false, kind));
  for (const PackRow& row : rows) {
    PackLook look = Sound();
    row.change(look);
    ASSERT_TRUE(JudgePack(look, false, kind)) << row.what;
    EXPECT_EQ(kind, row.quick) << row.what;
    ASSERT_TRUE(JudgePack(look, true, kind)) << row.what;
    EXPECT_EQ(kind, row.deep) << row.what;
  }
}

TEST(Damage, FramesMustCoverTheirPack) {
  EXPECT_TRUE(FramesCover({}, 16, 64, 16));
  EXPECT_TRUE(FramesCover({{154, 20}, {80, 10}}, 16, 64, 174));
  EXPECT_FALSE(FramesCover({{154, 20}, {80, 10}}, 16, 64, 175));
  EXPECT_FALSE(FramesCover({{81, 10}}, 16, 64, 91));
  EXPECT_FALSE(FramesCover({{80, 10}, {80, 10}}, 16, 64, 90));
}

TEST(Damage, APassTakesAtLeastOneAndNeverMoreThanItsBudget) {
  const std::vector<uint64_t> bytes{10, 20, 30, 40};
  EXPECT_EQ(PassEnd(bytes, 0, 64, {}), 4U);
  EXPECT_EQ(PassEnd(bytes, 0, 3, {}), 3U);
  EXPECT_EQ(PassEnd(bytes, 0, 64, {30, 0, true, false}), 2U);
  EXPECT_EQ(PassEnd(bytes, 3, 64, {5, 0, true, false}), 4U);
  EXPECT_EQ(PassEnd(bytes, 1, 64, {0, 2, false, true}), 3U);
  EXPECT_EQ(PassEnd(bytes, 4, 64, {}), 4U);
  PassBudget budget{30, 0, true, false};
  budget.Spend(100, 1);
  EXPECT_TRUE(budget.Spent());
}

}  // namespace
}  // namespace varve::plan
