// Goal: a policy means what docs/retention.md says, and a wrong one is refused with its place.
// Method: histories written out by hand with the verdicts people expect; every refusal with its
// line and column; text, document and printed form as one tree; translated knobs.
#include "varve/plan/retention.h"

#include <gtest/gtest.h>

#include <cmath>

#include "varve/plan/component.h"
#include "varve/plan/retention_document.h"
#include "varve/plan/retention_import.h"

namespace varve::plan {
namespace {

constexpr int64_t kDay = 86'400'000;

std::string RefusalOf(std::string_view text) {
  const auto parsed = ParsePolicies(text);
  return parsed.ok() ? "" : parsed.error().message();
}

std::vector<Candidate> Steps(const std::vector<int64_t>& steps) {
  std::vector<Candidate> all;
  for (const int64_t step : steps) {
    Candidate each;
    each.artifact = "llama";
    each.kind = "checkpoint";
    each.version = all.size() + 1;
    each.time_ms = static_cast<int64_t>(all.size()) * 3'600'000;
    each.step = step;
    each.health = Health::kPresent;
    each.components = {"optimizer", "weights"};
    each.identity = "c" + std::to_string(each.version);
    all.push_back(std::move(each));
  }
  return all;
}

// "1 2w 3-": version 1 stays, of 2 the weights, 3 goes.
std::string Judged(std::string_view policy, const std::vector<Candidate>& all,
                   int64_t as_of_ms = 0) {
  const auto set = ParsePolicies(policy);
  if (!set.ok()) return set.error().message();
  const auto verdicts = Judge(*set, all, as_of_ms == 0 ? all.back().time_ms : as_of_ms);
  if (!verdicts.ok()) return verdicts.error().message();
  std::string text;
  for (size_t i = 0; i < all.size(); ++i) {
    const Fate& verdict = verdicts->verdicts[i];
    text += (text.empty() ? "" : " ") + std::to_string(all[i].version);
    if (verdict.gone)
      text += "-";
    else if (!verdict.whole)
      text += verdict.kept[0][0];
  }
  return text;
}

TEST(RetentionLanguage, RefusalsNameLineAndColumn) {
  const std::pair<const char*, const char*> cases[] = {
      {"", "1:1: policy 'rules' has no keep"},
      {"keep last 0", "1:11: 'last' wants 1 to 1,000,000,000, not 0"},
      {"keep last -1", "1:11: 'last' wants 1"},
      {"last 99999999999", "1:6: 'last' wants 1"},
      {"last three", "1:6: expected a number after 'last'"},
      {"lats 3", "1:1: expected a rule such as 'keep last 3', found 'lats'; did you mean 'last'?"},
      {"keep lats 3", "1:6: 'lats' is no rule"},
      {"policy p {\n  match kind = checkpoint\n}", "1:1: policy 'p' has no keep"},
      {"policy p {\n  keep last 3\n  keep best 2 by loss\n}", "3:22: expected min or max"},
      {"policy p {\n  match knd = x\n  keep all }", "2:9: no field 'knd'; fields are artifact"},
      {"policy p { match step ~ 3\nkeep all }", "1:23: '~' does not fit 'step'"},
      {"policy p { match run.state = runing\nkeep all }",
       "1:30: the state of a run is running, preempted, finished, failed or unknown; did you mean "
       "'running'?"},
      {"policy p { match registered = true\nkeep all }", "1:31: registered is yes or no"},
      {"policy p { match class = COLD\nkeep all }", "1:18: field 'class' is not recorded"},
      {"policy p { match age > 30\nkeep all }", "1:24: '30' is no value of 'age'"},
      {"policy p { keep all }\npolicy p { keep all }", "2:1: the name 'p' is used twice"},
      {"policy p { keep all } x", "1:23: expected 'policy' or 'protect'"},
      {"policy p { keep all", "1:20: expected '}', found the end"},
      {"protect p { until 2027-02-29 match kind = x }", "1:19: expected a date"},
      {"protect p { reason x }", "1:1: protection 'p' has no match"},
      {"keep last 3\nfloor -1", "2:7: expected how many versions"},
      {"keep last 3\ngrace 1h", "2:1: the grace is at least 24h"},
      {"keep last 3\nlimit 0%", "2:7: expected a limit"},
      {"keep every 10", "1:14: expected steps or epochs"},
      {"keep bucket dayly 3", "1:13: buckets are hourly"},
      {"keep bucket daily 3 tz Europe/Paris", "1:24: a zone is UTC or an offset"},
      {"keep within 0d", "1:13: expected a time"},
      {"keep where (step > 3", "1:21: expected ')', found the end"},
      {"keep \"last\" 3", "1:6: 'last' is no rule"},
      {"# h\xC3\xA9h\xC3\xA9\nkeep \xC3\xA9 3", "2:6: '\xC3\xA9' is no rule"},
      {"keep where kind = \"x", "1:19: this quote is not closed"},
      {"keep $ 3", "1:6: '$' has no meaning here"},
      {"keep \xFF", "1:1: the policy is not UTF-8"},
  };
  for (const auto& [text, wanted] : cases)
    EXPECT_TRUE(RefusalOf(text).starts_with(wanted)) << text << "\n" << RefusalOf(text);
  std::string deep(5000, '(');
  EXPECT_NE(RefusalOf("keep where " + deep).find("nested too deep"), std::string::npos);
  deep.clear();
  for (int i = 0; i < 5000; ++i) deep += "not ";
  EXPECT_NE(RefusalOf("keep where " + deep).find("nested too deep"), std::string::npos);
}

TEST(RetentionLanguage, OneTreeHasOneSpelling) {
  const char* texts[] = {
      "last 3; best 2 by val_loss min; every 1000 steps of weights",
      "keep last 3\n# a comment\nkeep bucket daily 30 tz -03:30 of weights + ema for 60d\nfloor 2",
      "policy a { match kind = checkpoint and not (tag in (x, \"y z\") or step >= 1e3) group by "
      "project, run "
      "order by step keep first 2 keep every 24h keep within 36h keep steps [1, -5] keep where "
      "metric.\"a b\" < 3 }",
      "policy \"b \\\"c\\\"\" { keep best 1 by loss max missing ignore floor 0 grace 30d limit "
      "12.5% limit 3TB }\n"
      "protect keep-it { match alias = prod until 2028-02-29 reason \"the paper\" }",
      "keep every 3 epochs exact",
  };
  for (const char* text : texts) {
    const auto set = ParsePolicies(text);
    if (std::string_view(text).find("metric.\"") != std::string_view::npos) {
      EXPECT_FALSE(set.ok()) << "quotes are around a whole word";
      continue;
    }
    ASSERT_TRUE(set.ok()) << set.error().ToString();
    const std::string once = PolicyText(*set);
    const auto again = ParsePolicies(once);
    ASSERT_TRUE(again.ok()) << again.error().ToString() << "\n" << once;
    EXPECT_EQ(PolicyText(*again), once);
  }
}

Document Text(std::string text, Position at = {}) {
  Document node;
  node.text = std::move(text);
  node.at = at;
  return node;
}
Document Map(std::vector<DocumentField> fields) {
  Document node;
  node.kind = Document::Kind::kMap;
  node.fields = std::move(fields);
  return node;
}
Document List(std::vector<Document> items) {
  Document node;
  node.kind = Document::Kind::kList;
  node.items = std::move(items);
  return node;
}

TEST(RetentionLanguage, ADocumentGivesTheSameTree) {
  const Document document = Map(
      {{Text("policies"),
        List({Map({{Text("name"), Text("p")},
                   {Text("match"), Text("kind = checkpoint")},
                   {Text("group by"), List({Text("project"), Text("run")})},
                   {Text("keep"), List({Text("last 3"), Text("best 2 by loss min of weights")})},
                   {Text("floor"), Text("2 verified")},
                   {Text("limit"), List({Text("10%"), Text("2TB")})}})})},
       {Text("protect"), Map({{Text("name"), Text("x")},
                              {Text("match"), Text("tag = paper")},
                              {Text("until"), Text("2027-01-01")}})}});
  const auto set = PoliciesOf(document);
  ASSERT_TRUE(set.ok()) << set.error().ToString();
  const auto text = ParsePolicies(
      "policy p { match kind = checkpoint group by project, run keep last 3 keep best 2 by loss "
      "min of weights "
      "floor 2 verified limit 10% limit 2TB } protect x { match tag = paper until 2027-01-01 }");
  EXPECT_EQ(PolicyText(*set), PolicyText(*text));
  const auto refusal = [](const Document& wrong) { return PoliciesOf(wrong).error().message(); };
  EXPECT_EQ(refusal(Map({{Text("policy", {3, 1}), List({})}})),
            "3:1: no field 'policy' in the document; did you mean 'policies'?");
  EXPECT_TRUE(refusal(Map({{Text("policies"), Map({{Text("name"), Text("p")},
                                                   {Text("keep"), Text("last 0", {4, 9})}})}}))
                  .starts_with("4:14: 'last' wants"));
  EXPECT_TRUE(refusal(Map({{Text("policies"), List({})}})).starts_with("1:1: the policy is empty"));
  EXPECT_TRUE(refusal(Text("x")).starts_with("1:1: the document must be a map"));
}

TEST(RetentionVerdicts, RulesKeepWhatTheySay) {
  const auto all = Steps({100, 200, 300, 400, 500, 600});
  EXPECT_EQ(Judged("last 2", all), "1- 2- 3- 4- 5 6");
  EXPECT_EQ(Judged("first 1; last 1", all), "1 2- 3- 4- 5- 6");
  EXPECT_EQ(Judged("every 250 steps of weights; last 1", all), "1w 2- 3w 4- 5w 6");
  EXPECT_EQ(Judged("every 300 steps exact", all), "1- 2- 3 4- 5- 6");
  EXPECT_EQ(Judged("steps [200, 7]", all), "1- 2 3- 4- 5- 6");
  EXPECT_EQ(Judged("within 2h", all), "1- 2- 3- 4 5 6");
  EXPECT_EQ(Judged("where step > 350 and not step = 500", all), "1- 2- 3- 4 5- 6");
  EXPECT_EQ(Judged("every 2h", all), "1 2- 3 4- 5 6") << "slots of two hours; the newest stays";
  EXPECT_EQ(Judged("all for 3h", all), "1- 2- 3 4 5 6");
  EXPECT_EQ(Judged("last 1000000000", all), "1 2 3 4 5 6");
  EXPECT_EQ(Judged("last 1 of weights\nfloor 0", all), "1- 2- 3- 4- 5- 6w");
}

TEST(RetentionVerdicts, OrderIsThatOfCommits) {
  // Steps 9, 10, 100 by name would keep 9; after a set-back the newest has a low step.
  EXPECT_EQ(Judged("last 1", Steps({9, 10, 100})), "1- 2- 3");
  EXPECT_EQ(Judged("last 2", Steps({9000, 9900, 10000, 50, -3})), "1- 2- 3- 4 5");
  EXPECT_EQ(Judged("every 1000 steps", Steps({10, 1000, 2000, 900, 1100, 2100})), "1 2 3 4 5 6");
  EXPECT_EQ(Judged("last 1\norder by step", Steps({9, 100, 10})), "1- 2 3")
      << "opted in; the newest stays too";
}

TEST(RetentionVerdicts, NaNIsNeverBestAndNeverTheFloor) {
  auto all = Steps({1, 2, 3, 4});
  all[0].metrics["loss"] = 2.0;
  all[1].metrics["loss"] = 1.0;
  all[2].metrics["loss"] = std::nan("");
  all[3].metrics["loss"] = -INFINITY;
  EXPECT_EQ(Judged("best 1 by loss min", all), "1- 2 3- 4");
  EXPECT_EQ(Judged("best 4 by loss min", all), "1 2 3- 4");
  EXPECT_EQ(Judged("best 1 by loss max", all), "1 2 3- 4")
      << "v2 is the newest finite one, v4 the newest";
  EXPECT_EQ(Judged("last 1", all), "1- 2 3- 4") << "the floor is the newest that is finite";
}

TEST(RetentionVerdicts, TheFloorIsTheNewestThatIsWholeAndPresent) {
  auto all = Steps({900, 950, 1000});
  all[2].health = Health::kDamaged;
  EXPECT_EQ(Judged("last 1", all), "1- 2 3") << "parts of v3 are missing: it is not counted";
  all[2].health = Health::kUnknown;
  EXPECT_EQ(Judged("last 1", all), "1- 2 3");
  all[1].thinned = true;
  EXPECT_EQ(Judged("last 1", all), "1 2- 3");
  EXPECT_EQ(Judged("last 1\nfloor 0", all), "1- 2- 3");
}

TEST(RetentionVerdicts, TheLastGoodOneStays) {
  auto all = Steps({1, 2, 3, 4});
  all[0].kind = all[1].kind = all[2].kind = all[3].kind = "model";
  all[1].health = Health::kVerified;
  EXPECT_EQ(Judged("last 1", all), "1- 2 3- 4") << "hashed again; those after it are only there";
  all[2].health = Health::kVerified;
  all[2].metrics["loss"] = std::nan("");
  EXPECT_EQ(Judged("last 1", all), "1- 2 3- 4") << "a NaN does not displace it";
  EXPECT_EQ(Judged("last 1\nfloor 0", all), "1- 2- 3- 4") << "the word for emptying a group";
}

TEST(RetentionVerdicts, ARunThatMayGoOnKeepsWhatItWouldResumeFrom) {
  auto all = Steps({1, 2, 3});
  all[1].health = Health::kVerified;
  const char* policy = "steps [1]\nfloor 0";
  EXPECT_EQ(Judged(policy, all), "1 2 3-") << "of unknown state";
  for (const auto& [state, wanted] : {std::pair{"running", "1 2 3-"},
                                      {"preempted", "1 2 3-"},
                                      {"finished", "1 2- 3-"},
                                      {"failed", "1 2- 3-"}}) {
    for (Candidate& each : all) each.run_state = state;
    EXPECT_EQ(Judged(policy, all), wanted) << state;
  }
  EXPECT_EQ(Judged("where run.state = failed and owner != ada", all), "1 2 3");
  all[0].aliases = {"prod"};
  EXPECT_EQ(Judged("where registered = yes\nfloor 0", all), "1 2- 3-");
}

TEST(RetentionVerdicts, MissingMetricsStayWhileTheRunGoesOn) {
  auto all = Steps({1, 2, 3, 4});
  all[0].metrics["loss"] = 3;
  all[1].metrics["loss"] = 2;
  const int64_t now = all[3].time_ms;
  EXPECT_EQ(Judged("best 1 by loss min", all, now), "1- 2 3 4");
  EXPECT_EQ(Judged("best 1 by loss min", all, now + 8 * kDay), "1- 2 3- 4");
  EXPECT_EQ(Judged("best 1 by loss min missing ignore", all, now), "1- 2 3- 4");
  EXPECT_EQ(Judged("last 1; best 1 by los min", all),
            "1:9: no version it applies to has a metric 'los'; did you mean 'loss'?");
}

TEST(RetentionVerdicts, APolicyThatWouldEmptyAGroupIsRefused) {
  const auto all = Steps({1, 2, 3});
  EXPECT_EQ(Judged("policy p {\n  match kind = checkpoint\n  keep where step > 99\n}", all),
            "1:1: policy 'p' would keep nothing of 'llama' (3 versions) but its floor; add a keep, "
            "or write 'floor 0' to allow it");
  EXPECT_EQ(Judged("keep where step > 99\nfloor 0", all), "1- 2- 3-");
}

TEST(RetentionVerdicts, ProtectionsAreStrongerThanAnyRule) {
  auto all = Steps({1, 2, 3, 4, 5, 6, 7, 8});
  all[0].held_by = "legal";
  all[1].aliases = {"prod"};
  all[2].tags = {"paper"};
  all[3].pinned_by = "eval";
  all[4].leased_by = "host:1";
  EXPECT_EQ(Judged("last 1\nfloor 0", all), "1 2 3 4 5 6- 7- 8");
  EXPECT_EQ(Judged("policy p { keep last 1 } protect x { match step = 6 }", all),
            "1 2 3 4 5 6 7- 8");
  EXPECT_EQ(Judged("policy p { keep last 1 } protect x { match step = 6 until 1970-01-02 }", all,
                   2 * kDay),
            "1 2 3 4 5 6- 7- 8");
  EXPECT_EQ(Judged("policy p { match step < 7\nkeep last 1 }", all), "1 2 3 4 5 6 7 8")
      << "what none matches stays";
}

TEST(RetentionVerdicts, ParentsOfWhatStaysStay) {
  auto all = Steps({1, 2, 3, 4});
  Candidate tuned = all[0];
  tuned.artifact = "tuned";
  tuned.identity = "t1";
  tuned.parents = {"c2"};
  tuned.managed = false;
  all[1].parents = {"c1"};
  all.push_back(tuned);
  EXPECT_EQ(Judged("last 1", all, 1), "1 2 3- 4 1");
  all.back().parents = {};
  EXPECT_EQ(Judged("last 1", all, 1), "1- 2- 3- 4 1");
}

TEST(RetentionVerdicts, PoliciesThatOverlapKeepTheUnion) {
  EXPECT_EQ(Judged("policy team { keep last 2 of weights } policy org { keep first 1 }",
                   Steps({1, 2, 3, 4})),
            "1 2- 3w 4");
}

TEST(RetentionVerdicts, APartNobodyHasKeepsTheVersionWhole) {
  auto all = Steps({1, 2, 3});
  all[0].components = {"tokenizer", "vision"};
  EXPECT_EQ(Judged("all of weights", all), "1 2w 3");
  EXPECT_EQ(Judged("all of tokenizer", all), "1t 2 3");
}

TEST(RetentionVerdicts, BucketsAreNaturalOnes) {
  std::vector<Candidate> all = Steps({1, 2, 3, 4, 5});
  const int64_t days[] = {0, 30, 31, 59,
                          365};  // 1 January, 31 January, 1 February, 1 March; a year on.
  for (size_t i = 0; i < 5; ++i) all[i].time_ms = days[i] * kDay + 3'600'000;
  EXPECT_EQ(Judged("bucket monthly 10", all), "1- 2 3 4 5");
  EXPECT_EQ(Judged("bucket yearly 10", all), "1- 2- 3- 4 5");
  EXPECT_EQ(Judged("bucket monthly 2", all), "1- 2- 3- 4 5");
  EXPECT_EQ(Judged("bucket monthly 10 tz -02:00", all), "1 2- 3 4 5")
      << "1 o'clock is the day before";
  for (size_t i = 0; i < 5; ++i)
    all[i].time_ms = static_cast<int64_t>(i + 3) * kDay;  // Sunday, 4 January 1970, and on.
  EXPECT_EQ(Judged("bucket weekly 9", all), "1 2- 3- 4- 5") << "weeks begin on Monday, the 5th";
}

TEST(RetentionVerdicts, EveryItemHasItsReasonsAndTheRuleItMissed) {
  auto all = Steps({100, 200, 300, 400});
  for (size_t i = 0; i < 4; ++i) all[i].metrics["loss"] = 4.0 - static_cast<double>(i) / 2;
  all[1].aliases = {"prod"};
  const auto set = ParsePolicies("last 1; best 2 by loss min");
  const auto verdicts = Judge(*set, all, 0);
  ASSERT_TRUE(verdicts.ok());
  const auto reasons = [&](size_t i) {
    std::string text;
    for (const Reason& reason : verdicts->verdicts[i].reasons)
      text += ReasonText(*set, all, i, reason) + "; ";
    return text;
  };
  EXPECT_EQ(reasons(1), "alias 'prod'; ");
  EXPECT_EQ(reasons(2), "best 2 by loss min: number 2 with 3; ");
  EXPECT_EQ(reasons(3), "newest; floor 1; last 1; best 2 by loss min: number 1 with 2.5; ");
  EXPECT_EQ(MissText(*set, *verdicts->verdicts[0].miss), "best 2 by loss min: it is number 4");
}

TEST(RetentionComponents, FollowThePathAlone) {
  const std::tuple<const char*, bool, const char*> cases[] = {
      {"model/layers.0.weight", true, "weights"},
      {"optimizer/state/0/exp_avg", true, "optimizer"},
      {"optim/m", true, "optimizer"},
      {"Optimizer/x", true, "optimizer"},
      {"ema/w", true, "ema"},
      {"rng/torch", true, "rng"},
      {"dataloader/worker", true, "data"},
      {"grads/w", true, "grads"},
      {"layers.0.weight", true, "weights"},
      {"optimizer", true, "weights"},
      {"extra/scaler", true, "extra"},
      {"vision_tower/w", true, "vision_tower"},
      {"optimizer.pt", false, "optimizer"},
      {"rng_state_0.pth", false, "rng"},
      {"scheduler.pt", false, "scheduler"},
      {"model.safetensors", false, "weights"},
      {"config.json", false, "weights"},
      {"tokenizer/vocab.json", false, "tokenizer"},
      {"datasets/x", true, "datasets"},
      {"logs/a.txt", false, "logs"}};
  for (const auto& [path, tensor, component] : cases)
    EXPECT_EQ(ComponentOf(path, tensor), component) << path;
}

TEST(RetentionImport, KnobsBecomePolicies) {
  const auto rules = [](std::string_view system, const std::map<std::string, std::string>& knobs) {
    const auto imported = ImportPolicy(system, knobs);
    if (!imported.ok()) return imported.error().message();
    std::string text;
    for (const Keep& keep : imported->set.policies[0].keeps)
      text += (text.empty() ? "" : "; ") + KeepText(keep);
    return text;
  };
  EXPECT_EQ(rules("orbax", {{"max_to_keep", "3"}, {"keep_period", "1000"}}),
            "last 3; every 1000 steps exact");
  EXPECT_EQ(rules("orbax",
                  {{"best_n", "2"}, {"best_fn", "loss"}, {"best_mode", "min"}, {"latest_n", "1"}}),
            "best 2 by loss min; last 1");
  EXPECT_EQ(rules("orbax", {{"custom_steps", "1, 20"}, {"every_n_seconds", "3600"}}),
            "every 1h; steps [1, 20]");
  EXPECT_EQ(rules("orbax", {}), "all");
  EXPECT_EQ(rules("orbax", {{"max_to_kep", "3"}}),
            "no knob 'max_to_kep' of orbax is known; did you mean 'max_to_keep'?");
  EXPECT_EQ(rules("orbax", {{"max_to_keep", "0"}}),
            "'max_to_keep' of orbax is 0, which would keep nothing; it must be at least 1");
  EXPECT_EQ(
      rules("lightning", {{"save_top_k", "3"}, {"monitor", "val_loss"}, {"save_last", "true"}}),
      "best 3 by val_loss min; last 1");
  EXPECT_EQ(rules("lightning", {{"save_top_k", "-1"}}), "all");
  EXPECT_EQ(rules("lightning", {}), "last 1");
  EXPECT_EQ(rules("lightning", {{"save_top_k", "0"}}),
            "save_top_k=0 without save_last would keep nothing; a policy needs a keep");
  EXPECT_EQ(rules("huggingface", {{"save_total_limit", "2"},
                                  {"load_best_model_at_end", "True"},
                                  {"metric_for_best_model", "eval_accuracy"}}),
            "last 2; best 1 by eval_accuracy max");
  EXPECT_EQ(rules("huggingface", {}), "all");
  EXPECT_EQ(rules("restic", {{"keep-last", "5"},
                             {"keep-daily", "7"},
                             {"keep-within", "1d12h"},
                             {"keep-tag", "paper"}}),
            "last 5; bucket daily 7; within 36h");
  EXPECT_EQ(rules("restic", {{"keep-within", "x"}}),
            "'keep-within' of restic is a time such as 1y5m7d2h, not 'x'");
  EXPECT_EQ(rules("orbax", {{"preserve_all", "true"}, {"every_n_steps", "10"}, {"exact", "true"}}),
            "every 10 steps exact; all");
  EXPECT_EQ(rules("huggingface", {{"save_total_limit", "1"}}), "last 1");
  EXPECT_EQ(rules("restic", {{"keep-hourly", "2"}, {"keep-weekly", "-1"}, {"keep-yearly", "3"}}),
            "bucket hourly 2; bucket weekly 1000000000; bucket yearly 3");
  EXPECT_EQ(rules("tensorflow", {{"max_to_keep", "3"}, {"keep_checkpoint_every_n_hours", "0.5"}}),
            "last 3; every 30m");
  EXPECT_EQ(rules("tensorflow", {}), "last 5");
  EXPECT_EQ(rules("tensorflow", {{"max_to_keep", "0"}}), "all");
  EXPECT_EQ(rules("tensorflow", {{"keep_checkpoint_every_n_hours", "2; floor 0"}}),
            "'keep_checkpoint_every_n_hours' of tensorflow is a number of hours, not '2; floor 0'");
  EXPECT_EQ(rules("automodel", {{"max_recent_checkpoints", "4"}}), "last 4");
  EXPECT_EQ(rules("wandb", {{"ttl_days", "30"}}), "all for 30d; last 1");
  EXPECT_EQ(ImportPolicy("wandb", {{"ttl_days", "30"}})->set.protects.size(), 1u);
  EXPECT_EQ(rules("mlflow", {{"older_than", "30d"}}), "all");
  EXPECT_EQ(ImportPolicy("mlflow", {{"older_than", "30d"}})->set.policies[0].grace_ms, 30 * kDay);
  EXPECT_EQ(rules("mlflow", {{"older_than", "1h"}}),
            "'older_than' of mlflow is at least a day, such as 30d, not '1h'");
  const auto lakefs =
      ImportPolicy("lakefs", {{"default_retention_days", "14"}, {"branches", "main:60,dev:7"}});
  ASSERT_TRUE(lakefs.ok()) << lakefs.error().ToString();
  ASSERT_EQ(lakefs->set.policies.size(), 3u);
  EXPECT_EQ(KeepText(lakefs->set.policies[1].keeps[0]), "within 60d");
  EXPECT_EQ(rules("lakefs", {{"default_retention_days", "14"}, {"branches", "main"}}),
            "'branches' of lakefs are NAME:DAYS,NAME:DAYS, not 'main'");
  EXPECT_EQ(rules("iceberg", {{"history.expire.max-snapshot-age-ms", "86400000"},
                              {"history.expire.min-snapshots-to-keep", "5"}}),
            "where age <= 1d; last 5");
  EXPECT_TRUE(rules("s3", {}).starts_with("rules of a bucket are not imported"));
  EXPECT_EQ(rules("restik", {}), "cannot import from 'restik'; did you mean 'restic'?");
}

}  // namespace
}  // namespace varve::plan
