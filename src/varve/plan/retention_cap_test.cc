// Goal: a cap evicts what its policy's keeps alone hold, in its order, down to its size and no
// further, and nothing that is stronger; prices say what they are; tiers propose what pays.
// Method: small histories by hand with the verdicts people expect. The property test has the rest.
#include "varve/plan/retention_cap.h"

#include <gtest/gtest.h>

#include <cmath>

#include "varve/plan/retention_bill.h"

namespace varve::plan {
namespace {

constexpr int64_t kDay = 86'400'000;
constexpr uint64_t kGb = 1'000'000'000;

// Versions of 10 bytes each, 4 of weights and 6 of the optimizer, a day apart, sharing nothing.
std::vector<Candidate> Versions(size_t count) {
  std::vector<Candidate> all;
  for (size_t v = 1; v <= count; ++v) {
    Candidate each;
    each.artifact = "team/llama";
    each.kind = "model";
    each.version = v;
    each.time_ms = static_cast<int64_t>(v) * kDay;
    each.bytes = 10;
    each.health = Health::kPresent;
    each.components = {"optimizer", "weights"};
    each.identity = "c" + std::to_string(v);
    all.push_back(std::move(each));
  }
  return all;
}

Usage OwnChunks(const std::vector<Candidate>& all, uint64_t unit = 1) {
  Usage usage;
  for (const Candidate& each : all) {
    const auto next = static_cast<uint32_t>(usage.blobs.size());
    usage.blobs.push_back({6 * unit, each.time_ms, usage.packs});
    usage.blobs.push_back({4 * unit, each.time_ms, usage.packs++});
    usage.of.push_back({{next}, {next + 1}});
  }
  return usage;
}

// "1- 2w 3": v1 is let go, of v2 the weights stay, v3 stays.
std::string Judged(std::string_view policy, const std::vector<Candidate>& all, const Usage& usage,
                   const Price* price = nullptr, std::vector<CapState>* caps = nullptr) {
  const auto set = ParsePolicies(policy);
  if (!set.ok()) return set.error().message();
  const auto judged = Judge(*set, all, all.back().time_ms, {.usage = &usage, .price = price});
  if (!judged.ok()) return judged.error().message();
  if (caps != nullptr) *caps = judged->caps;
  std::string text;
  for (size_t i = 0; i < all.size(); ++i) {
    const Fate& verdict = judged->verdicts[i];
    text += (text.empty() ? "" : " ") + std::to_string(all[i].version);
    text += verdict.gone ? "-" : verdict.whole ? "" : verdict.kept[0].substr(0, 1);
  }
  return text;
}

TEST(RetentionCaps, EvictDownToTheSizeAndNoFurther) {
  const auto all = Versions(5);
  const Usage usage = OwnChunks(all);
  EXPECT_EQ(Judged("all\ncap 50B per run evict oldest", all, usage), "1 2 3 4 5");
  EXPECT_EQ(Judged("all\ncap 49B per run evict oldest", all, usage), "1- 2 3 4 5");
  EXPECT_EQ(Judged("all\ncap 30B per run evict oldest", all, usage), "1- 2- 3 4 5");
  std::vector<CapState> caps;
  EXPECT_EQ(Judged("all\ncap 1B per project evict oldest", all, usage, nullptr, &caps),
            "1- 2- 3- 4- 5");
  ASSERT_EQ(caps.size(), 1u);
  EXPECT_EQ(caps[0].key, "team");
  EXPECT_EQ(caps[0].evicted, 4u);
  EXPECT_EQ(caps[0].bytes, 10u);
  EXPECT_TRUE(caps[0].over) << "the newest is the floor's, and that is said";
}

TEST(RetentionCaps, NeverTouchWhatIsStronger) {
  auto all = Versions(6);
  all[0].held_by = "legal";
  all[1].aliases = {"prod"};
  all[2].leased_by = "host:1";
  all[3].pinned_by = "eval";
  const Usage usage = OwnChunks(all);
  EXPECT_EQ(Judged("all\ncap 1B per run evict oldest", all, usage), "1 2 3 4 5- 6");
  EXPECT_EQ(Judged("policy a { keep all\ncap 1B per run evict oldest }\n"
                   "policy b { keep steps [1]\nkeep where version = 5 }",
                   all, usage),
            "1 2 3 4 5 6")
      << "another policy keeps v5";
  EXPECT_EQ(Judged("policy a { keep all\ncap 1B per run evict oldest }\n"
                   "protect p { match version = 5 }",
                   all, usage),
            "1 2 3 4 5 6");
}

TEST(RetentionCaps, CountAChunkOnceAndGoByComponent) {
  const auto all = Versions(4);
  Usage usage = OwnChunks(all);
  for (auto& of : usage.of) of[1] = {1};  // Everybody's weights are those of v1.
  EXPECT_EQ(Judged("all\ncap 28B per run evict oldest", all, usage), "1 2 3 4") << "4 * 6 + 4";
  EXPECT_EQ(Judged("all\ncap 27B per run evict oldest", all, usage), "1- 2 3 4");
  EXPECT_EQ(Judged("all of weights; last 1\ncap 10B per run evict oldest", all, usage),
            "1w 2w 3w 4")
      << "what is thinned costs what is left of it";
}

TEST(RetentionCaps, LeaveParentsOfWhatStays) {
  auto all = Versions(4);
  all[2].parents = {"c1"};
  const Usage usage = OwnChunks(all);
  EXPECT_EQ(Judged("all\ncap 30B per run evict oldest", all, usage), "1 2- 3 4");
  EXPECT_EQ(Judged("all\ncap 20B per run evict oldest", all, usage), "1 2- 3- 4");
  EXPECT_EQ(Judged("all\ncap 10B per run evict oldest", all, usage), "1- 2- 3- 4")
      << "once the child has gone";
  EXPECT_EQ(Judged("where version > 1\ncap 20B per run evict oldest", all, usage), "1- 2- 3- 4")
      << "who was there only as a parent goes with the child";
}

TEST(RetentionCaps, GoOnWhereAnotherCapTookTheChild) {
  auto all = Versions(3);
  all[0].artifact = all[1].artifact = "base";
  all[2].artifact = "team/tuned";
  all[2].version = 1;
  all.push_back(all[2]);
  all[3].version = 2;
  all[3].identity = "t2";
  all[2].parents = {"c1"};
  const Usage usage = OwnChunks(all);
  EXPECT_EQ(Judged("all\ncap 10B per project evict oldest", all, usage), "1- 2 1- 2")
      << "'' is looked at before 'team', and again";
}

TEST(RetentionCaps, LeaveAGroupWhatItsKeepsSelect) {
  auto all = Versions(3);
  all[0].metrics["acc"] = 1;
  const Usage usage = OwnChunks(all);
  const char* policy = "best 1 by acc max missing ignore\ncap 10B per run evict oldest";
  EXPECT_EQ(Judged(policy, all, usage), "1 2- 3") << "else the next plan would be refused";
  EXPECT_EQ(Judged(std::string(policy) + "\nfloor 0", all, usage), "1 2- 3-");
  EXPECT_EQ(
      Judged("best 1 by acc max missing ignore\ncap 9B per run evict oldest\nfloor 0", all, usage),
      "1- 2- 3-");
}

TEST(RetentionCaps, GoInTheirOrder) {
  auto all = Versions(5);
  const double losses[] = {3, 1, NAN, 2};
  for (size_t i = 0; i < 4; ++i) all[i].metrics["loss"] = losses[i];
  const Usage usage = OwnChunks(all);
  const auto by = [&](const std::string& size, const std::string& evict) {
    return Judged("all; best 1 by loss min\ncap " + size + " per run evict " + evict, all, usage);
  };
  EXPECT_EQ(by("40B", "worst by loss"), "1 2 3- 4 5") << "NaN first; v5, which lacks it, last";
  EXPECT_EQ(by("30B", "worst by loss min"), "1- 2 3- 4 5");
  EXPECT_EQ(by("20B", "worst by loss"), "1- 2 3- 4- 5");
  EXPECT_EQ(by("30B", "worst by loss max"), "1 2- 3- 4 5");
  all[3].thinned = true;
  all[3].components = {"weights"};
  Usage thin = usage;
  thin.of[3] = {{7}};
  EXPECT_EQ(
      Judged("all; best 1 by loss min\nfloor 1\ncap 40B per run evict cheapest to lose", all, thin),
      "1 2 3 4- 5");
  EXPECT_EQ(
      Judged("all; best 1 by loss min\nfloor 1\ncap 30B per run evict cheapest to lose", all, thin),
      "1 2 3- 4- 5");
}

Price Standard() {
  Price price;
  price.provider = "aws";
  price.region = "us-east-1";
  price.storage_class = "STANDARD";
  price.tiers = {{100, 0.02}, {INFINITY, 0.01}};
  price.gb_bytes = kGb;
  price.as_of = "2026-11-23";
  price.source = "a test";
  return price;
}

TEST(RetentionCaps, MoneyIsByThePriceAndRefusedWithoutOne) {
  const auto all = Versions(4);
  const Usage usage = OwnChunks(all, kGb);  // 10 GB each, $0.20 a month.
  const Price price = Standard();
  const char* policy = "all\ncap 0.5 USD/mo per run evict oldest";
  EXPECT_EQ(Judged(policy, all, usage, &price), "1- 2- 3 4");
  EXPECT_TRUE(Judged(policy, all, usage).starts_with("2:1: a cap in money needs a price"));
}

TEST(RetentionCaps, WrongOnesAreRefusedWithTheirPlace) {
  const std::pair<const char*, const char*> cases[] = {
      {"keep all\ncap 2 per project evict oldest", "2:5: expected a size such as 2TB, or money"},
      {"keep all\ncap 2TB per team evict oldest", "2:13: a cap is per artifact, project"},
      {"keep all\ncap 2TB per project evict newest", "2:27: expected oldest"},
      {"keep all\ncap 2TB per project evict worst by acc", "2:36: say min or max"},
      {"keep all\ncap 0 USD/mo per project evict oldest", "2:5: expected an amount of money"},
      {"cap 2TB per project evict oldest", "1:1: policy 'rules' has no keep"},
      {"keep all\ntier all after 30 to X", "2:16: expected a time such as 30d"},
      {"keep all\ntier all to X", "2:10: expected 'after'"},
      {"keep all\ntier all after 30d to X only when", "2:30: expected 'if'"},
  };
  for (const auto& [text, wanted] : cases) {
    const auto parsed = ParsePolicies(text);
    ASSERT_FALSE(parsed.ok()) << text;
    EXPECT_TRUE(parsed.error().message().starts_with(wanted)) << text << "\n"
                                                              << parsed.error().message();
  }
  const char* text =
      "policy p {\n  keep best 1 by acc max\n  floor 1 verified\n"
      "  tier bucket monthly 12 of weights after 30d to GLACIER_IR only if profitable\n"
      "  cap 2TB per project evict worst by acc\n  cap 12.5 USD/mo per run evict cheapest to "
      "lose\n}";
  const auto set = ParsePolicies(text);
  ASSERT_TRUE(set.ok()) << set.error().ToString();
  EXPECT_TRUE(set->policies[0].caps[0].maximise) << "as its best rule says";
  const auto again = ParsePolicies(PolicyText(*set));
  ASSERT_TRUE(again.ok()) << again.error().ToString();
  EXPECT_EQ(PolicyText(*again), PolicyText(*set));
}

TEST(Prices, AreByTierWithAMinimumDuration) {
  Price price = Standard();
  EXPECT_DOUBLE_EQ(MonthlyUsd(price, 50.0 * kGb), 1.0);
  EXPECT_DOUBLE_EQ(MonthlyUsd(price, 200.0 * kGb), 3.0);
  EXPECT_DOUBLE_EQ(EarlyDeleteUsd(price, 50.0 * kGb, 1), 0);
  price.min_days = 73;
  EXPECT_DOUBLE_EQ(EarlyDeleteUsd(price, 50.0 * kGb, 0), 73.0 * 12 / 365);
  EXPECT_DOUBLE_EQ(EarlyDeleteUsd(price, 50.0 * kGb, 73), 0);
  EXPECT_EQ(UsdText(1234567.891), "$1,234,567.89");
  EXPECT_EQ(UsdText(0.00314), "$0.0031");
  EXPECT_EQ(UsdText(0), "$0.00");
  EXPECT_EQ(UsdText(-1234), "$-1,234.00");
}

TEST(Prices, SayWhatIsSavedAndBilledEarly) {
  const auto all = Versions(4);
  Usage usage = OwnChunks(all, kGb);
  usage.of[1][1] = {1};  // v2 has the weights of v1.
  Price price = Standard();
  price.tiers = {{INFINITY, 0.01}};
  price.min_days = 30;
  const auto set = ParsePolicies("policy p { keep where version > 1\ngrace 2d }");
  const int64_t now_ms = 4 * kDay;
  const auto judged = Judge(*set, all, now_ms, {.usage = &usage});
  const Freed freed = FreedBy(usage, all, judged->verdicts);
  EXPECT_EQ(freed.bytes, 6 * kGb) << "v1 goes, but for its weights";
  EXPECT_EQ(freed.whole_bytes, 0u) << "its pack holds them as well";
  EXPECT_EQ(freed.shared_bytes, 4 * kGb);
  EXPECT_EQ(freed.total_bytes, 36 * kGb);
  const Bill bill = BillOf(usage, all, judged->verdicts, price, now_ms);
  EXPECT_NEAR(bill.now_month, 0.36, 1e-9);
  EXPECT_NEAR(bill.saved_month, 0.06, 1e-9);
  EXPECT_NEAR(bill.early, 0.06 * (30 - 5) * 12 / 365, 1e-9) << "5 days old when it may go";
}

TEST(Prices, ATierIsProposedWhenItPays) {
  const auto all = Versions(3);
  const Usage usage = OwnChunks(all, kGb);
  const Price from = Standard();
  Price cold = Standard();
  cold.storage_class = "COLD";
  cold.tiers = {{INFINITY, 0.001}};
  cold.transition_usd = 0.02;
  const auto set = ParsePolicies("keep all\ntier all of weights after 1d to COLD");
  const auto judged = Judge(*set, all, 3 * kDay, {.usage = &usage});
  ASSERT_EQ(judged->tiers.size(), 1u);
  EXPECT_EQ(judged->tiers[0].parts.size(), 2u) << "v3 is too young";
  const auto bill = [&](const Price& to, uint64_t pack_bytes) {
    return TierBillOf(usage, all, judged->verdicts, judged->tiers[0], from, to, 3 * kDay,
                      pack_bytes);
  };
  EXPECT_EQ(bill(cold, 64 << 20).bytes, 8 * kGb);
  EXPECT_TRUE(bill(cold, 64 << 20).profitable);
  EXPECT_NEAR(bill(cold, 64 << 20).saved_month, 8 * 0.019, 1e-9);
  EXPECT_FALSE(bill(cold, 1 << 10).profitable) << "small objects cost more to move than they save";
  cold.min_days = 400;
  EXPECT_FALSE(bill(cold, 64 << 20).profitable);
  EXPECT_FALSE(bill(from, 64 << 20).profitable) << "nothing is saved";
}

Document Text(std::string text, Position at = {}) {
  Document node;
  node.text = std::move(text);
  node.at = at;
  return node;
}

TEST(Prices, AFileWithoutDayAndSourceIsRefused) {
  Document row;
  row.kind = Document::Kind::kMap;
  row.at = {3, 5};
  row.fields = {{Text("provider"), Text("minio:9000")},
                {Text("region"), Text("here")},
                {Text("class"), Text("STANDARD")},
                {Text("usd_gb_month"), Text("0.005")}};
  const auto file = [&](std::vector<DocumentField> fields) {
    Document list, document;
    list.kind = Document::Kind::kList;
    list.items = {row};
    document.kind = Document::Kind::kMap;
    document.fields = std::move(fields);
    document.fields.emplace_back(Text("prices"), list);
    return PricesOf(document);
  };
  EXPECT_TRUE(file({}).error().message().starts_with("3:5: a price without as_of and source"));
  const auto table =
      file({{Text("as_of"), Text("2026-01-01")}, {Text("source"), Text("contract")}});
  ASSERT_TRUE(table.ok()) << table.error().ToString();
  const Price* price = FindPrice(*table, "minio:9000", "here", "STANDARD");
  ASSERT_NE(price, nullptr);
  EXPECT_EQ(FindPrice(*table, "minio:9000", "there", "STANDARD"), nullptr);
  PriceTable over = *table;
  over.rows[0].tiers = {{INFINITY, 7}};
  EXPECT_EQ(Merged(*table, over).rows.size(), 1u);
  EXPECT_EQ(Merged(*table, over).rows[0].tiers[0].usd_month, 7);
  row.fields[3] = {Text("usd_gb_month", {6, 1}), Text("cheap", {6, 9})};
  EXPECT_TRUE(file({{Text("as_of"), Text("2026-01-01")}, {Text("source"), Text("x")}})
                  .error()
                  .message()
                  .starts_with("6:9: a price is a number"));
  EXPECT_TRUE(file({{Text("as_of"), Text("lately", {1, 8})}, {Text("source"), Text("x")}})
                  .error()
                  .message()
                  .starts_with("1:8: expected a date"));
}

}  // namespace
}  // namespace varve::plan
