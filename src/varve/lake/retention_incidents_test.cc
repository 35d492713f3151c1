// Goal: the incidents of docs/incidents.md that are about what is kept. Method: real lakes over the
// memory store, judged and carried out as a saver that keeps house does it, then collected when
// every grace has passed: what should stay is loaded.
#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>

#include "varve/base/random.h"
#include "varve/format/names.h"
#include "varve/lake/sample_stores.h"

namespace varve::lake {
namespace {

using store::MemoryStore;

struct Kept {
  std::shared_ptr<MemoryStore> memory = std::make_shared<MemoryStore>();
  std::unique_ptr<Lake> lake;
  Kept() {
    EXPECT_TRUE(Lake::Init(kGcCtx, *memory).ok());
    lake = GcOpen(memory);
  }
  // Version n of an artifact has the seed n.
  void Save(const std::string& name, uint64_t seed, std::optional<int64_t> step,
            std::map<std::string, double> metrics = {}) const {
    SaveOptions options;
    options.step = step;
    options.metrics = std::move(metrics);
    auto session = lake->BeginSave(kGcCtx, name, options);
    const Bytes weights = RandomBytes(160, seed), moments = RandomBytes(80, seed);
    VARVE_EXPECT_OK((*session)->AddTensor(kGcCtx, "w", codec::DType::kF32, {40}, weights,
                                          SaveSession::Hold::kBorrow));
    VARVE_EXPECT_OK((*session)->AddTensor(kGcCtx, "m", codec::DType::kF32, {20}, moments,
                                          SaveSession::Hold::kBorrow));
    VARVE_EXPECT_OK((*session)->Commit(kGcCtx));
  }
  Result<RetentionReport> Retain(const std::string& rules, const std::string& name) const {
    VARVE_TRY(const plan::PolicySet policies, plan::ParsePolicies(rules));
    RetentionOptions options;
    options.artifacts = {name};
    return lake->Retain(kGcCtx, policies, options, "saver");
  }
  // Collects when every grace has passed; the versions that load whole then.
  std::set<uint64_t> Loadable(const std::string& name) const {
    Off later(400LL * 24 * 3600 * 1000);
    VARVE_EXPECT_OK(lake->CollectGarbage(OpContext(later, OsRandom()), kGcNow));
    std::set<uint64_t> versions;
    const auto reader = GcOpen(memory);
    const auto history = reader->History(kGcCtx, name, 1000);
    EXPECT_TRUE(history.ok());
    for (const VersionInfo& info : *history) {
      const uint64_t version = info.entry.version;
      const Status loads =
          GcLoads(*reader, format::VersionAddress(name, version), version, version);
      if (loads.ok()) versions.insert(version);
      EXPECT_TRUE(loads.ok() || loads.error().code() == ErrorCode::kGone)
          << loads.error().ToString();
    }
    return versions;
  }
};

// The run diverges: everything after v2 is NaN, and only the newest would be kept.
TEST(Incident06, TheNewestFiniteVersionOutlivesADivergedRun) {
  for (const double bad : {std::nan(""), static_cast<double>(INFINITY)}) {
    const Kept kept;
    kept.Save("a", 1, 100, {{"loss", 2.0}});
    kept.Save("a", 2, 200, {{"loss", 1.0}});
    for (uint64_t version = 3; version <= 6; ++version) {
      kept.Save("a", version, static_cast<int64_t>(version) * 100, {{"loss", bad}});
      VARVE_EXPECT_OK(kept.Retain("last 1; best 1 by loss min", "a"));
    }
    const std::set<uint64_t> left = kept.Loadable("a");
    EXPECT_TRUE(left.contains(2)) << "the newest finite one";
    EXPECT_TRUE(left.contains(6)) << "the newest";
  }
}

// Retention of one run never moves the head of another, whatever both are called and hold.
TEST(Incident07, RetentionOfOneRunTouchesNoOther) {
  const char* wanted = std::getenv("VARVE_ROUNDS");
  const uint64_t rounds = wanted == nullptr ? 60 : std::strtoull(wanted, nullptr, 10);
  const char* seed_text = std::getenv("VARVE_SEED");
  const uint64_t seed = seed_text == nullptr ? 20'261'124 : std::strtoull(seed_text, nullptr, 10);
  SCOPED_TRACE("VARVE_SEED=" + std::to_string(seed));
  SeededRandom random(seed);
  const std::vector<std::string> names = {"run",       "run-1",       "run-10", "run-1/x",
                                          "run-1/x/y", "Run-1",       "run-1.", "run_1",
                                          "x/run-1",   "run-1/run-1", "run-1=", "run-1%2f"};
  const std::vector<std::string> rules = {"last 1",
                                          "first 1",
                                          "best 1 by loss min",
                                          "every 2 steps",
                                          "last 2; every 5 steps of weights",
                                          "last 1\ngroup by project",
                                          "last 1\ngroup by kind"};
  uint64_t let_go = 0;
  for (uint64_t round = 0; round < rounds; ++round) {
    const Kept kept;
    std::vector<std::string> there;
    std::map<std::string, uint64_t> versions;
    for (const std::string& name : names) {
      if (name.find('%') != std::string::npos || random.Between(0, 2) == 0) continue;
      there.push_back(name);
    }
    if (there.size() < 2) continue;
    for (uint64_t saves = random.Between(4, 24); saves > 0; --saves) {
      const std::string& name = there[random.Between(0, there.size() - 1)];
      std::map<std::string, double> metrics;
      if (random.Between(0, 3) > 0)
        metrics["loss"] =
            random.Between(0, 4) == 0 ? std::nan("") : static_cast<double>(random.Between(0, 9));
      kept.Save(name, ++versions[name], static_cast<int64_t>(random.Between(0, 20)) - 5, metrics);
    }
    const std::string mine = versions.begin()->first;
    const std::string mine_key = format::HeadKey(mine);
    std::map<std::string, std::string> before;
    for (const std::string& key : GcKeys(*kept.memory, ""))
      if (key != mine_key) before[key] = GcBody(*kept.memory, key);
    const std::string& rule = rules[random.Between(0, rules.size() - 1)];
    const auto report = kept.Retain(rule, mine);
    if (report.ok()) let_go += report->forgotten + report->thinned;
    for (const auto& [key, body] : before) {
      EXPECT_EQ(GcBody(*kept.memory, key), body) << key << " changed, keeping " << mine;
    }
    for (const auto& [name, count] : versions) {
      if (name == mine) continue;
      EXPECT_EQ(kept.Loadable(name).size(), count) << name;
    }
    ASSERT_FALSE(HasFailure()) << "round " << round << ": " << rule;
  }
  EXPECT_GT(let_go, rounds / 2);
}

// As numbers of steps, as text and as times they would sort in another way.
TEST(Incident08, TheNewestIsTheLastCommitWhateverItsStepIsCalled) {
  const Kept kept;
  uint64_t version = 0;
  for (const int64_t step : {9, 10, 100, 9900, 10'000, 0, -5}) kept.Save("a", ++version, step);
  kept.Save("a", ++version, std::nullopt);
  EXPECT_EQ(kept.lake->Describe(kGcCtx, "a@latest")->entry.version, 8U);
  VARVE_EXPECT_OK(kept.Retain("last 3", "a"));
  EXPECT_EQ(kept.Loadable("a"), (std::set<uint64_t>{6, 7, 8}));
}

TEST(Incident09, ALimitOfNoneIsRefusedAndOfOneKeepsTheNewest) {
  const Kept kept;
  for (uint64_t version = 1; version <= 4; ++version) {
    kept.Save("a", version, static_cast<int64_t>(version));
  }
  const std::string before = GcBody(*kept.memory, "ref/b/a");
  for (const char* rules :
       {"last 0", "last -1", "first 0", "last 99999999999999999999", "last", "best 0 by loss min",
        "every 0 steps", "last 1.5", "last 0x1", "bucket daily 0", "within 0s", ""}) {
    const auto refused = kept.Retain(rules, "a");
    ASSERT_FALSE(refused.ok()) << rules;
    EXPECT_EQ(refused.error().code(), ErrorCode::kInvalidArgument) << rules;
    EXPECT_EQ(GcBody(*kept.memory, "ref/b/a"), before) << rules;
  }
  VARVE_EXPECT_OK(kept.Retain("last 1000000000", "a"));
  EXPECT_EQ(kept.Loadable("a").size(), 4U);
  VARVE_EXPECT_OK(kept.Retain("last 1", "a"));
  EXPECT_EQ(kept.Loadable("a"), std::set<uint64_t>{4});
  for (int again = 0; again < 3; ++again) VARVE_EXPECT_OK(kept.Retain("last 1", "a"));
  EXPECT_EQ(kept.Loadable("a"), std::set<uint64_t>{4});
}

}  // namespace
}  // namespace varve::lake
