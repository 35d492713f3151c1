// Goal: no order of steps loses a version, and every rule of the protocol is needed for that.
// Method: all reachable states of small sizes; each rule left out in turn, with the length of a
// shortest way to the loss: a model that stops finding it has stopped modelling it.
#include "model.h"

#include <gtest/gtest.h>

#include "explore.h"

namespace varve::model {
namespace {

constexpr uint64_t kStatesMax = 3'000'000;

void ExpectClean(const Config& config, uint64_t states) {
  const Outcome outcome = Explore(config, kStatesMax);
  std::string trace;
  for (const std::string& step : outcome.trace) trace += step + "\n";
  EXPECT_EQ(outcome.violation, "") << trace;
  EXPECT_TRUE(outcome.complete);
  EXPECT_EQ(outcome.states, states);  // Another number: the rules changed, so must this.
}

TEST(Model, OneSaverOneCollectorTwoEpochs) {
  ExpectClean({.writers = {Role::kSaver}, .collectors = 1, .epochs = 2, .forgets = 2}, 71'383);
}
TEST(Model, OneSaverTwoCollectors) {
  ExpectClean({.writers = {Role::kSaver}, .collectors = 2, .epochs = 1, .forgets = 1}, 189'448);
}
TEST(Model, TwoSaversOneCollector) {
  ExpectClean({.writers = {Role::kSaver, Role::kSaver}, .epochs = 1, .forgets = 1}, 934'357);
}
TEST(Model, EveryHeadRewrittenAlsoWhereItCarriesTheEpoch) {
  const Outcome outcome = Explore(
      {.writers = {Role::kSaver}, .collectors = 2, .epochs = 1, .forgets = 1, .skip_fenced = false},
      kStatesMax);
  EXPECT_EQ(outcome.violation, "");
  EXPECT_TRUE(outcome.complete);
}
TEST(Model, TableOfTags) {
  ExpectClean({.writers = {Role::kTagger}, .epochs = 2, .forgets = 2, .table = true}, 13'162);
  ExpectClean({.writers = {Role::kSaver, Role::kTagger}, .epochs = 1, .forgets = 1, .table = true},
              204'403);
}
TEST(Model, SealedHeadsMayBeSkipped) {
  ExpectClean(
      {.writers = {Role::kSaver}, .epochs = 2, .forgets = 1, .seals = 2, .skip_sealed = true},
      154'743);
}
TEST(Model, AReplacedWriterStops) {
  ExpectClean({.writers = {Role::kSaver, Role::kExclusive}, .epochs = 1, .forgets = 1}, 485'522);
}
TEST(Model, Repack) {
  ExpectClean({.writers = {Role::kRepacker}, .epochs = 2, .forgets = 1}, 9'561);
  ExpectClean({.writers = {Role::kSaver, Role::kRepacker}, .epochs = 1, .forgets = 1}, 329'230);
  ExpectClean({.writers = {Role::kRepacker, Role::kRepacker}, .epochs = 1, .forgets = 1}, 110'105);
  ExpectClean({.writers = {Role::kUndeleter, Role::kRepacker}, .epochs = 1, .forgets = 1}, 22'585);
  // Sealed heads are moved too, and so are fenced.
  ExpectClean({.writers = {Role::kRepacker}, .epochs = 2, .forgets = 1, .seals = 2}, 31'201);
}
TEST(Model, Undelete) {
  ExpectClean({.writers = {Role::kUndeleter}, .epochs = 2, .forgets = 2}, 8'895);
  ExpectClean({.writers = {Role::kSaver, Role::kUndeleter}, .epochs = 1, .forgets = 2}, 358'844);
}

struct Wrong {
  const char* name;
  Mutation mutation;
  Config config;
  size_t steps;  // Of a shortest way to the loss.
};

class ModelMutation : public testing::TestWithParam<Wrong> {};

TEST_P(ModelMutation, IsCaught) {
  Config config = GetParam().config;
  config.mutation = GetParam().mutation;
  const Outcome outcome = Explore(config, kStatesMax);
  EXPECT_NE(outcome.violation, "");
  EXPECT_EQ(outcome.trace.size(), GetParam().steps);
}

const Config kOne{.writers = {Role::kSaver}, .collectors = 1, .epochs = 2, .forgets = 2};
const Config kTwo{.writers = {Role::kSaver, Role::kSaver}, .epochs = 1, .forgets = 1};

INSTANTIATE_TEST_SUITE_P(
    All, ModelMutation,
    testing::Values(
        Wrong{"M1NoFence", Mutation::kNoFence, kOne, 12},
        Wrong{"M2StateBeforeRef", Mutation::kStateBeforeRef, kOne, 15},
        Wrong{"M3NoSecondValidation", Mutation::kNoSecondValidation, kOne, 17},
        Wrong{"M4FenceOnlyReads", Mutation::kFenceOnlyReads, kOne, 15},
        Wrong{"M5BornWithContent", Mutation::kBornWithContent, kOne, 14},
        Wrong{"M7BaseAfterLearning", Mutation::kBaseAfterLearning, kOne, 18},
        Wrong{"M8NoRescue", Mutation::kNoRescue, kOne, 15},
        Wrong{"M10NewestListOnly", Mutation::kNewestListOnly, kOne, 21},
        Wrong{"IdleMeansNothingNew", Mutation::kIdleMeansNothingNew, kTwo, 24},
        Wrong{
            "UnsealWithContent",
            Mutation::kUnsealWithContent,
            {.writers = {Role::kSaver}, .epochs = 1, .forgets = 1, .seals = 2, .skip_sealed = true},
            16},
        Wrong{"TableNotFenced",
              Mutation::kTableNotFenced,
              {.writers = {Role::kTagger}, .epochs = 1, .forgets = 1, .table = true},
              17},
        Wrong{"OldWriterGoesOn",
              Mutation::kOldWriterGoesOn,
              {.writers = {Role::kSaver, Role::kExclusive}, .epochs = 1, .forgets = 0},
              7},
        Wrong{"RepackUnvalidated",
              Mutation::kRepackUnvalidated,
              {.writers = {Role::kRepacker}, .epochs = 1, .forgets = 1},
              15},
        Wrong{"RepackBlind",
              Mutation::kRepackBlind,
              {.writers = {Role::kSaver, Role::kRepacker}, .epochs = 1, .forgets = 1},
              22},
        Wrong{"RepackOfASealedHeadThatTheFenceSkips",
              Mutation::kNone,
              {.writers = {Role::kRepacker},
               .epochs = 1,
               .forgets = 1,
               .seals = 2,
               .skip_sealed = true},
              16},
        Wrong{"UndeleteUnvalidated",
              Mutation::kUndeleteUnvalidated,
              {.writers = {Role::kUndeleter}, .epochs = 1, .forgets = 1},
              15}),
    [](const auto& param_info) { return std::string(param_info.param.name); });

}  // namespace
}  // namespace varve::model
