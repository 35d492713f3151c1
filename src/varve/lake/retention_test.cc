// Goal: what is kept loads byte for byte, what is let go can be brought back within its grace, and
// nothing is let go of that a person or a rule keeps, whatever fails or moves meanwhile.
// Method: real lakes over the memory store with a clock that tests move; every request of an apply
// failed in every way in turn; another writer between plan and apply.
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstring>
#include <functional>

#include "varve/base/random.h"
#include "varve/format/gc_state.h"
#include "varve/format/object_key.h"
#include "varve/lake/lake.h"
#include "varve/lake/read_lease.h"
#include "varve/store/fault/fault_store.h"
#include "varve/store/forwarding.h"
#include "varve/store/memory/memory_store.h"
#include "varve/testing/random_bytes.h"

namespace varve::lake {
namespace {

using store::Fault;
using store::FaultStore;
using store::MemoryStore;

constexpr int64_t kHour = 3'600'000, kDay = 24 * kHour;
constexpr LakeOptions kSmall{
    .cpu_threads = 2, .transfers = 2, .memory_bytes = 128 * kMiB, .compress = true};

class MovedClock final : public Clock {
 public:
  int64_t WallMs() const override { return now_ms; }
  int64_t SteadyNs() const override { return SystemClock().SteadyNs(); }
  void SleepUntil(int64_t steady_ns) override { SystemClock().SleepUntil(steady_ns); }
  std::atomic<int64_t> now_ms{1'790'000'000'000};
};

struct House {
  MovedClock clock;
  OpContext ctx{clock, OsRandom()};
  std::shared_ptr<MemoryStore> memory = std::make_shared<MemoryStore>();
  std::unique_ptr<Lake> lake;

  House() {
    EXPECT_TRUE(Lake::Init(ctx, *memory).ok());
    lake = Open(memory);
  }
  std::unique_ptr<Lake> Open(std::shared_ptr<store::ObjectStore> store) const {
    auto opened = Lake::Open(ctx, std::move(store), kSmall);
    EXPECT_TRUE(opened.ok()) << opened.error().ToString();
    return std::move(opened).value();
  }
  // Weights and moments of their own per seed; an hour later than the save before.
  Status Save(uint64_t seed, SaveOptions options = {}, const std::string& name = "llama") {
    clock.now_ms += kHour;
    if (!options.step.has_value()) options.step = static_cast<int64_t>(seed) * 100;
    VARVE_TRY(auto session, lake->BeginSave(ctx, name, std::move(options)));
    const Bytes weights = RandomBytes(40'000, seed), moments = RandomBytes(80'000, 1000 + seed);
    VARVE_CHECK_OK(session->AddTensor(ctx, "model/w", codec::DType::kF32, {10'000}, weights,
                                      SaveSession::Hold::kCopy));
    VARVE_CHECK_OK(session->AddTensor(ctx, "optimizer/m", codec::DType::kF32, {20'000}, moments,
                                      SaveSession::Hold::kCopy));
    VARVE_CHECK_OK(session->AddTensorAlias("tied", "model/w"));
    VARVE_TRY(const SaveReport report, session->Commit(ctx));
    static_cast<void>(report);
    return OkStatus();
  }
  void SaveMany(uint64_t count) {
    for (uint64_t i = 1; i <= count; ++i) ASSERT_TRUE(Save(i).ok());
  }
  // "" when the tensor loads and is what was saved.
  std::string Load(Lake& from, uint64_t seed, const std::string& tensor,
                   const std::string& address) const {
    auto version = from.OpenAt(ctx, address);
    if (!version.ok()) return version.error().ToString();
    const auto& tensors = (*version)->commit().tensors;
    for (size_t i = 0; i < tensors.size(); ++i) {
      if (tensors[i].name != tensor) continue;
      Bytes got(tensors[i].raw_bytes);
      const Status read = (*version)->ReadTensors(ctx, {{i, got}});
      if (!read.ok()) return read.error().ToString();
      const Bytes wanted =
          tensor == "optimizer/m" ? RandomBytes(80'000, 1000 + seed) : RandomBytes(40'000, seed);
      return got == wanted ? "" : "wrong bytes";
    }
    return "no tensor";
  }
  std::string Load(uint64_t seed, const std::string& tensor = "model/w") {
    return Load(*lake, seed, tensor, "llama@v" + std::to_string(seed));
  }
  format::Head Head() const {
    const auto reply = memory->Get(ctx, store::Key(format::HeadKey("llama")), {});
    return *format::DecodeHead(AsText(reply->body));
  }
  Result<format::RetentionPlan> Plan(std::string_view policy, RetentionOptions options = {}) {
    VARVE_TRY(const plan::PolicySet set, plan::ParsePolicies(policy));
    return lake->PlanRetention(ctx, set, options);
  }
  bool Collect() const {
    GcOptions options;
    options.apply = options.force = true;
    return lake->CollectGarbage(ctx, options).ok();
  }
  Result<RetentionReport> Apply(std::string_view policy) {
    VARVE_TRY(const format::RetentionPlan plan, Plan(policy));
    return lake->ApplyRetention(ctx, plan, {.by = "ada@host", .ack = "", .fresh = false});
  }
};

TEST(Retention, LetsGoByThePolicyAndBringsBackWithinTheGrace) {
  House house;
  house.SaveMany(6);
  const auto report = house.Apply("policy nightly { keep last 2 }");
  ASSERT_TRUE(report.ok()) << report.error().ToString();
  EXPECT_EQ(report->forgotten, 4u);
  for (uint64_t v = 1; v <= 6; ++v) EXPECT_EQ(house.Load(v).empty(), v >= 5) << house.Load(v);
  const format::Tombstone tombstone = house.Head().forgotten.at(1);
  EXPECT_EQ(tombstone.by, "ada@host");
  EXPECT_EQ(tombstone.policy, "nightly");
  EXPECT_GE(tombstone.until_ms, house.clock.now_ms + 7 * kDay);
  EXPECT_LE(tombstone.until_ms, house.clock.now_ms + 7 * kDay + 60'000);
  ASSERT_TRUE(house.lake->Undelete(house.ctx, "llama@v2").ok());
  EXPECT_EQ(house.Load(2), "");
  EXPECT_EQ(house.lake->Undelete(house.ctx, "llama@v2").error().code(),
            ErrorCode::kInvalidArgument);
  EXPECT_EQ(house.lake->Undelete(house.ctx, "llama").error().code(), ErrorCode::kInvalidArgument);
}

TEST(Retention, TheGraceHasAnEnd) {
  House house;
  house.SaveMany(4);
  ASSERT_EQ(house.Apply("policy p { keep last 2 grace 2d }")->forgotten, 2u);
  const std::string refusal = house.Load(1);
  EXPECT_NE(refusal.find("was forgotten on 20"), std::string::npos) << refusal;
  EXPECT_NE(refusal.find("by ada@host, by policy 'p': retention"), std::string::npos) << refusal;
  EXPECT_NE(refusal.find("'varve undelete llama@v1' brings it back"), std::string::npos) << refusal;
  const int64_t until_ms = house.Head().forgotten.at(1).until_ms;
  house.clock.now_ms = until_ms - 1;
  ASSERT_TRUE(house.Collect());
  ASSERT_TRUE(house.lake->Undelete(house.ctx, "llama@v1").ok());
  EXPECT_EQ(house.Load(1, "optimizer/m"), "");
  house.clock.now_ms = until_ms + 1;
  ASSERT_TRUE(house.Collect());
  EXPECT_EQ(house.lake->Undelete(house.ctx, "llama@v2").error().code(), ErrorCode::kGone);
  EXPECT_EQ(house.Load(1, "optimizer/m"), "") << "what came back is not collected";
}

TEST(Retention, WhatIsLearnedLaterIsJudgedBy) {
  House house;
  SaveOptions options;
  options.metrics = {{"loss", 1.0}};
  for (uint64_t i = 1; i <= 3; ++i) ASSERT_TRUE(house.Save(i, options).ok());
  const auto plan = house.Plan("last 1; best 1 by loss min");
  ASSERT_TRUE(house.lake->Annotate(house.ctx, "llama@v1", {.metrics = {{"loss", 0.5}}}).ok());
  EXPECT_EQ(house.lake->Describe(house.ctx, "llama@v1")->entry.metrics.at("loss"), 0.5);
  EXPECT_NE(house.lake->ApplyRetention(house.ctx, *plan, {})
                .error()
                .message()
                .find("late metrics is new (of 1 versions"),
            std::string::npos);
  EXPECT_EQ(house.Plan("last 1; best 1 by loss min")->items[0].reasons,
            std::vector<std::string>{"best 1 by loss min: number 1 with 0.5"});
  ASSERT_TRUE(house.lake->Annotate(house.ctx, "llama@v2", {.metrics = {{"acc", 0.9}}}).ok());
  EXPECT_EQ(house.Plan("best 1 by acc max missing ignore")->LetGo(), 1u);
  ASSERT_TRUE(house.lake
                  ->Annotate(house.ctx, "llama@latest",
                             {.metrics = {}, .run_state = "finished", .owner = "ada"})
                  .ok());
  EXPECT_EQ(house.Head().run.state, "finished");
  EXPECT_EQ(house.Plan("where run.state = finished and owner = ada")->LetGo(), 0u);
  const auto refused = [&](const AnnotateOptions& wrong) {
    return house.lake->Annotate(house.ctx, "llama@v1", wrong).error().code();
  };
  EXPECT_EQ(refused({}), ErrorCode::kInvalidArgument);
  EXPECT_EQ(refused({.metrics = {}, .run_state = "runing", .owner = ""}),
            ErrorCode::kInvalidArgument);
  AnnotateOptions many;
  for (int i = 0; i < 16; ++i) many.metrics["m" + std::to_string(i)] = i;
  EXPECT_EQ(refused(many), ErrorCode::kInvalidArgument) << "17 with what was there";
}

TEST(Retention, WhatWasVerifiedIsRecordedAndKept) {
  House house;
  house.SaveMany(4);
  const auto verified = house.lake->Verify(house.ctx, "llama@v2");
  ASSERT_TRUE(verified.ok());
  EXPECT_TRUE(verified->recorded) << verified->not_recorded;
  EXPECT_EQ(house.lake->Describe(house.ctx, "llama@v2")->verified_ms, house.clock.now_ms);
  const auto plan = house.Plan("last 1");
  EXPECT_EQ(plan->items[1].reasons,
            (std::vector<std::string>{"newest verified of a run that is of unknown state",
                                      "last good: newest verified"}));
  EXPECT_EQ(plan->LetGo(), 2u);
  const uint64_t seq = house.Head().seq;
  ASSERT_TRUE(house.lake->NoteVerified(house.ctx, "llama@v2").ok());
  EXPECT_EQ(house.Head().seq, seq) << "within a day it is not written again";
  ASSERT_TRUE(house.lake->NoteVerified(house.ctx, "llama@v3").ok());
  EXPECT_EQ(house.Plan("last 1")->items[2].kept.size(), 1u) << "now v3 is the last good one";
  // A damaged one is not recorded, and one that cannot be written is no failure of verify.
  const auto commit = (*house.lake->OpenAt(house.ctx, "llama@v4"))->commit();
  const std::vector<store::Key> pack{store::Key(format::PackKey(commit.packs[0].id))};
  const auto faulty = std::make_shared<FaultStore>(house.memory);
  const auto lake = house.Open(faulty);
  ASSERT_TRUE(house.memory->Delete(house.ctx, pack).ok());
  EXPECT_FALSE(lake->Verify(house.ctx, "llama@v4")->recorded);
  EXPECT_FALSE(house.Head().verified.contains(4));
}

TEST(Retention, ALeaseKeepsWhatIsReadAndEndsByItself) {
  House house;
  house.SaveMany(4);
  {
    const auto lease = ReadLease::Take(house.ctx, *house.lake, "llama@v2", "host:1");
    ASSERT_TRUE(lease.ok()) << lease.error().ToString();
    EXPECT_EQ((*lease)->address(), "llama@v2");
    ASSERT_EQ(house.Head().pins.size(), 1u);
    EXPECT_TRUE(house.Head().pins[0].lease);
    EXPECT_EQ(house.Head().pins[0].until_ms, house.clock.now_ms + kLeaseMs);
    const auto plan = house.Plan("last 1");
    EXPECT_TRUE(plan->items[1].reasons[0].starts_with("in use by 'host:1#"));
    const uint64_t seq = house.Head().seq;
    ASSERT_TRUE((*lease)->RenewIfDue(house.ctx).ok());
    EXPECT_EQ(house.Head().seq, seq) << "not due yet";
    EXPECT_EQ(house.Apply("last 1")->forgotten, 2u);
    EXPECT_EQ(house.Load(2), "");
  }
  EXPECT_TRUE(house.Head().pins.empty()) << "given back";
  const PinOptions left{
      .owner = "host:2#dead", .for_ms = kLeaseMs, .lease = true, .reason = "reading"};
  ASSERT_TRUE(house.lake->Pin(house.ctx, "llama@v2", left).ok());  // By a process that died.
  EXPECT_EQ(house.Plan("last 1")->LetGo(), 0u);
  house.clock.now_ms += kLeaseMs + 1;
  EXPECT_EQ(house.Apply("last 1")->forgotten, 1u);
}

TEST(Retention, ThinningKeepsTheWeightsByteForByteAndTheCommitId) {
  House house;
  house.SaveMany(4);
  const auto before = house.lake->Describe(house.ctx, "llama@v2");
  const auto report =
      house.Apply("policy nightly { keep last 1; keep every 200 steps of weights }");
  ASSERT_TRUE(report.ok()) << report.error().ToString();
  EXPECT_EQ(report->thinned, 2u) << "v1 and v2; v3 goes";
  EXPECT_EQ(report->forgotten, 1u);
  EXPECT_EQ(house.Load(2), "");
  EXPECT_EQ(house.Load(2, "tied"), "") << "a tensor without a folder is of the weights";
  const std::string refusal = house.Load(2, "optimizer/m");
  EXPECT_NE(refusal.find("was let go with all of 'optimizer' by policy 'nightly'"),
            std::string::npos)
      << refusal;
  const auto after = house.lake->Describe(house.ctx, "llama@v2");
  EXPECT_EQ(after->entry.commit_id, before->entry.commit_id);
  EXPECT_EQ(after->let_go, std::vector<std::string>{"optimizer"});
  const auto commit = (*house.lake->OpenAt(house.ctx, "llama@v2"))->commit();
  ASSERT_EQ(commit.let_go.size(), 1u);
  EXPECT_EQ(commit.let_go[0].by, "ada@host");
  EXPECT_TRUE(house.lake->Verify(house.ctx, "llama@v2")->damage.empty());
  EXPECT_TRUE(house.lake->Diff(house.ctx, "llama@v2", "llama@v4").ok());
  // A copy is thinned as well, and says so.
  House other;
  ASSERT_TRUE(other.lake->CopyFrom(house.ctx, *house.lake, "llama@v2").ok());
  EXPECT_EQ(other.lake->Describe(house.ctx, "llama@v1")->let_go,
            std::vector<std::string>{"optimizer"});
  EXPECT_EQ(other.lake->Describe(house.ctx, "llama@v1")->entry.commit_id, before->entry.commit_id);
  // A second pass has nothing to do, a stricter one thins no further than there is.
  EXPECT_EQ(house.Plan("policy nightly { keep last 1; keep every 200 steps of weights }")->LetGo(),
            0u);
  ASSERT_TRUE(house.lake->Undelete(house.ctx, "llama@v2").ok());
  EXPECT_EQ(house.Load(2, "optimizer/m"), "");
  EXPECT_TRUE(house.lake->Describe(house.ctx, "llama@v2")->let_go.empty());
}

TEST(Retention, WhatAPersonKeepsStays) {
  House house;
  house.SaveMany(7);
  Lake& lake = *house.lake;
  ASSERT_TRUE(lake.SetAlias(house.ctx, "llama", "best", "llama@v1").ok());
  ASSERT_TRUE(lake.SetTag(house.ctx, "llama", "paper", "llama@v2").ok());
  ASSERT_TRUE(lake.Hold(house.ctx, "llama@v3", "legal", "case 7").ok());
  ASSERT_TRUE(lake.Pin(house.ctx, "llama@v4",
                       {.owner = "eval", .for_ms = 2 * kDay, .lease = false, .reason = ""})
                  .ok());
  ASSERT_TRUE(lake.Pin(house.ctx, "llama@v5",
                       {.owner = "reader", .for_ms = kHour, .lease = true, .reason = ""})
                  .ok());
  EXPECT_EQ(house.Apply("last 1")->forgotten, 1u);
  EXPECT_EQ(house.Head().forgotten.count(6), 1u);
  for (const char* address : {"llama@v1", "llama@v2", "llama@v3", "llama@v4", "llama@v5"}) {
    const Status refused = lake.Forget(house.ctx, address, "by hand");
    EXPECT_EQ(refused.error().code(), ErrorCode::kConflict) << address;
  }
  EXPECT_NE(lake.Forget(house.ctx, "llama@v3", "x").error().message().find("the hold of 'legal'"),
            std::string::npos);
  EXPECT_EQ(lake.Unpin(house.ctx, "llama@v4", "evel").error().code(), ErrorCode::kNotFound);
  EXPECT_EQ(
      lake.Pin(house.ctx, "llama@v6", {.owner = "eval", .for_ms = 0, .lease = false, .reason = ""})
          .error()
          .code(),
      ErrorCode::kGone);
  EXPECT_EQ(lake.Pin(house.ctx, "llama@v4", {}).error().code(), ErrorCode::kInvalidArgument);
  house.clock.now_ms += 3 * kDay;
  EXPECT_EQ(house.Apply("last 1")->forgotten, 2u) << "pin and lease ended";
  EXPECT_TRUE(house.Head().pins.empty());
  ASSERT_TRUE(lake.Unhold(house.ctx, "llama@v3", "legal").ok());
  EXPECT_EQ(house.Apply("last 1")->forgotten, 1u);
}

TEST(Retention, ParentsInOtherArtifactsStay) {
  House house;
  house.SaveMany(3);
  SaveOptions options;
  options.parents = {"llama@v1"};
  ASSERT_TRUE(house.Save(9, options, "tuned").ok());
  RetentionOptions only;
  only.artifacts = {"llama"};
  const auto plan = house.Plan("last 1", only);
  ASSERT_TRUE(plan.ok()) << plan.error().ToString();
  EXPECT_EQ(plan->items.size(), 3u);
  EXPECT_EQ(plan->items[0].reasons, std::vector<std::string>{"parent of tuned@v1"});
  EXPECT_EQ(plan->LetGo(), 1u) << "v2 alone: the version before is no declared parent";
  only.artifacts = {"lama"};
  EXPECT_NE(house.Plan("last 1", only).error().message().find("'llama'"), std::string::npos);
}

TEST(Retention, AStalePlanIsRefusedWithWhatChanged) {
  const auto refused = [](const std::function<void(House&)>& change) {
    House house;
    house.SaveMany(4);
    const auto plan = house.Plan("last 2");
    change(house);
    const format::Head head = house.Head();
    const auto report = house.lake->ApplyRetention(house.ctx, *plan, {});
    EXPECT_EQ(house.Head().seq, head.seq) << "a refusal writes nothing";
    return report.ok() ? "" : report.error().message();
  };
  EXPECT_EQ(refused([](House& h) { h.clock.now_ms += 25 * kHour; }),
            "the plan is 25 hours old, at most 24; make a new one");
  EXPECT_EQ(refused([](House& h) { h.clock.now_ms -= kHour; }),
            "the plan is from the future by the store's clock; make a new one");
  EXPECT_EQ(
      refused([](House& h) { ASSERT_TRUE(h.Save(5).ok()); }),
      "the lake moved on since the plan was made: 'llama': newest was v4, is v5; make a new plan");
  EXPECT_EQ(refused([](House& h) {
              ASSERT_TRUE(h.lake->SetAlias(h.ctx, "llama", "best", "llama@v1").ok());
            }),
            "the lake moved on since the plan was made: 'llama': alias best is new (v1); make a "
            "new plan");
  EXPECT_NE(refused([](House& h) {
              ASSERT_TRUE(h.lake->Hold(h.ctx, "llama@v1", "legal", "").ok());
            }).find("hold of legal on v1 is new"),
            std::string::npos);
  EXPECT_NE(refused([](House& h) {
              SaveOptions options;
              options.parents = {"llama@v1"};
              ASSERT_TRUE(h.Save(9, options, "tuned").ok());
            }).find("'tuned' is new"),
            std::string::npos);
  House house, elsewhere;
  house.SaveMany(2);
  EXPECT_NE(elsewhere.lake->ApplyRetention(house.ctx, *house.Plan("last 1"), {})
                .error()
                .message()
                .find("another lake"),
            std::string::npos);
}

TEST(Retention, APlanIsItsTextAndAnEditedOneIsRefused) {
  House house;
  house.SaveMany(4);
  const auto plan = house.Plan("last 2");
  const format::EncodedRetentionPlan encoded = format::EncodeRetentionPlan(*plan);
  const auto decoded = format::DecodeRetentionPlan(encoded.json);
  ASSERT_TRUE(decoded.ok()) << decoded.error().ToString();
  EXPECT_EQ(format::EncodeRetentionPlan(*decoded).id, encoded.id);
  EXPECT_EQ(decoded->items, plan->items);
  std::string edited = encoded.json;
  edited.replace(edited.find("last 2"), 6, "last 1");
  EXPECT_NE(format::DecodeRetentionPlan(edited).error().message().find("it was changed"),
            std::string::npos);
  for (size_t bytes = 0; bytes < encoded.json.size(); bytes += 7) {
    EXPECT_FALSE(format::DecodeRetentionPlan(encoded.json.substr(0, bytes)).ok());
  }
  EXPECT_EQ(house.lake->ApplyRetention(house.ctx, *decoded, {})->forgotten, 2u);
}

TEST(Retention, TheFirstSweepOfAPolicyIsACanary) {
  House house;
  house.SaveMany(16);
  const char* policy = "policy p { keep last 2\nlimit 100% }";
  const auto apply = [&](const char* text, bool canary = true) {
    return house.lake->ApplyRetention(house.ctx, *house.Plan(text),
                                      {.by = "ada", .ack = "", .fresh = false, .canary = canary});
  };
  const auto first = apply(policy);
  ASSERT_TRUE(first.ok()) << first.error().ToString();
  EXPECT_TRUE(first->canary);
  EXPECT_EQ(first->forgotten, 1u);
  EXPECT_EQ(house.Head().forgotten.count(1), 1u) << "the oldest";
  house.clock.now_ms += 20 * kHour;
  EXPECT_NE(apply(policy).error().message().find("20 hours ago"), std::string::npos);
  EXPECT_EQ(house.Head().forgotten.size(), 1u) << "a refusal lets nothing go";
  EXPECT_TRUE(apply("policy p { keep last 3\nlimit 100% }")->canary) << "another policy";
  house.clock.now_ms += 4 * kHour;
  const auto rest = apply(policy);
  ASSERT_TRUE(rest.ok()) << rest.error().ToString();
  EXPECT_FALSE(rest->canary);
  EXPECT_EQ(rest->forgotten, 12u);
  EXPECT_FALSE(house.Plan("last 1")->facts.contains("retention/applied")) << "it is not managed";
  House other;
  other.SaveMany(16);
  EXPECT_EQ(other.lake
                ->ApplyRetention(other.ctx, *other.Plan(policy),
                                 {.by = "", .ack = "", .fresh = false, .canary = false})
                ->forgotten,
            14u);
}

TEST(Retention, ACrashAfterACanaryMeansAnotherOne) {
  bool struck = true;
  for (uint64_t at = 1; struck; at += 3) {
    ASSERT_LT(at, 300u);
    House house;
    house.SaveMany(13);
    const auto plan = house.Plan("policy p { keep last 2\nlimit 100% }");
    const auto faulty = std::make_shared<FaultStore>(house.memory);
    {
      const auto lake = house.Open(faulty);
      faulty->Plan(Fault::kCrashBefore, at);
      static_cast<void>(lake->ApplyRetention(house.ctx, *plan, {}));
      struck = faulty->requests() >= at;
    }
    EXPECT_LE(house.Head().forgotten.size(), 1u) << "never more than the canary. at=" << at;
  }
}

TEST(Retention, APolicyLivesInTheLake) {
  House house;
  house.SaveMany(4);
  EXPECT_EQ(house.lake->LoadPolicy(house.ctx, 0).error().code(), ErrorCode::kNotFound);
  EXPECT_EQ(*house.lake->StorePolicy(house.ctx, *plan::ParsePolicies("last 3"), "ada"), 1u);
  EXPECT_EQ(*house.lake->StorePolicy(house.ctx, *plan::ParsePolicies("last 2"), "bob"), 2u);
  const auto stored = house.lake->LoadPolicy(house.ctx, 0);
  ASSERT_TRUE(stored.ok()) << stored.error().ToString();
  EXPECT_EQ(stored->version, 2u);
  EXPECT_EQ(stored->by, "bob");
  EXPECT_EQ(stored->text, plan::PolicyText(*plan::ParsePolicies("last 2")));
  EXPECT_EQ(house.lake->LoadPolicy(house.ctx, 1)->by, "ada");
  EXPECT_EQ(house.Apply(stored->text)->forgotten, 2u) << "none of the policy's own versions";
  house.clock.now_ms += 60 * kDay;
  ASSERT_TRUE(house.Collect());
  EXPECT_TRUE(house.lake->LoadPolicy(house.ctx, 1).ok());
  ASSERT_TRUE(house.lake->StorePolicy(house.ctx, {}, "ada").ok());
  EXPECT_EQ(house.lake->LoadPolicy(house.ctx, 0).error().code(), ErrorCode::kNotFound);
  House theirs;
  ASSERT_TRUE(theirs.Save(1, {}, "retention/policy").ok());
  EXPECT_EQ(theirs.lake->StorePolicy(theirs.ctx, *plan::ParsePolicies("all"), "ada").error().code(),
            ErrorCode::kAlreadyExists);
}

// A store that somebody bills.
class BilledStore final : public store::ForwardingStore {
 public:
  using ForwardingStore::ForwardingStore;
  store::Placement placement() const override { return {"aws", "us-east-1", "COOL"}; }
};

TEST(Retention, APlanIsPricedWhereItsStoreIsBilled) {
  House house;
  house.SaveMany(4);
  plan::Price cool;
  cool.provider = "aws";
  cool.region = "us-east-1";
  cool.storage_class = "COOL";
  cool.tiers = {{INFINITY, 100}};
  cool.min_days = 30;
  cool.as_of = "2026-01-01";
  cool.source = "a test";
  RetentionOptions options;
  options.prices.rows = {cool};
  const auto free = house.Plan("last 2", options);
  EXPECT_FALSE(free->price.has_value()) << "nobody pretends one";
  EXPECT_FALSE(free->bill.has_value());
  house.lake = house.Open(std::make_shared<BilledStore>(house.memory));
  const auto plan = house.Plan("last 2", options);
  ASSERT_TRUE(plan->bill.has_value());
  EXPECT_GT(plan->bill->saved_month, 0);
  EXPECT_LT(plan->bill->saved_month, plan->bill->now_month);
  EXPECT_GT(plan->bill->early, 0);
  const int64_t age_ms = house.clock.now_ms - plan->items[0].time_ms;
  EXPECT_EQ(plan->items[0].grace_ms, 30 * kDay - age_ms) << "billed for so long anyway";
  EXPECT_EQ(plan->items[3].grace_ms, 0) << "it stays";
  EXPECT_EQ(plan->bill->first_bill.size(), 7u);
  EXPECT_TRUE(std::any_of(plan->warnings.begin(), plan->warnings.end(), [](const auto& warning) {
    return warning.find("more than 180 days old") != std::string::npos;
  })) << "by the clock of the store";
  const auto decoded = format::DecodeRetentionPlan(format::EncodeRetentionPlan(*plan).json);
  ASSERT_TRUE(decoded.ok()) << decoded.error().ToString();
  EXPECT_EQ(decoded->price, plan->price);
  EXPECT_EQ(decoded->bill, plan->bill);
  // A cap in money: half of what it costs now. It is judged again by the price it was planned with.
  const std::string half = std::to_string(plan->bill->now_month / 2);
  const auto capped = house.Plan(
      "all\ncap " + half + " USD/mo per run evict oldest\n" + "tier all after 1h to COLD", options);
  ASSERT_TRUE(capped.ok()) << capped.error().ToString();
  EXPECT_EQ(capped->LetGo(), 2u);
  EXPECT_EQ(capped->caps[0].evicted, 2u);
  EXPECT_FALSE(capped->caps[0].over);
  ASSERT_EQ(capped->tiers.size(), 1u);
  EXPECT_FALSE(capped->tiers[0].priced) << "the table has no COLD";
  EXPECT_NE(capped->warnings.back().find("not carried out"), std::string::npos);
  EXPECT_EQ(capped->items[0].missed.find("evicted by cap"), 0u) << capped->items[0].missed;
  const auto again = format::DecodeRetentionPlan(format::EncodeRetentionPlan(*capped).json);
  ASSERT_TRUE(again.ok()) << again.error().ToString();
  EXPECT_EQ(again->caps, capped->caps);
  EXPECT_EQ(again->tiers, capped->tiers);
  EXPECT_EQ(house.lake->ApplyRetention(house.ctx, *again, {})->forgotten, 2u);
  EXPECT_NE(house.Plan("all\ncap 1 USD/mo per run evict oldest")
                .error()
                .message()
                .find("2:1: a cap in money needs a price"),
            std::string::npos);
}

TEST(Retention, ACapInBytesCountsWhatIsShared) {
  House house;
  house.SaveMany(3);
  SaveOptions same;
  same.step = 900;
  ASSERT_TRUE(house.Save(3, same).ok());  // v4 shares everything with v3.
  const auto commit = (*house.lake->OpenAt(house.ctx, "llama@v1"))->commit();
  uint64_t payload_bytes = 0;
  for (const format::ChunkRow& row : commit.chunks) payload_bytes += row.payload_bytes;
  const std::string cap =
      "all\ncap " + std::to_string(3 * payload_bytes) + "B per run evict oldest";
  EXPECT_EQ(house.Plan(cap)->LetGo(), 0u) << "four versions in the place of three";
  const std::string less =
      "all\ncap " + std::to_string(3 * payload_bytes - 1) + "B per run evict oldest";
  EXPECT_EQ(house.Plan(less)->LetGo(), 1u);
}

TEST(Retention, MoreThanTheLimitAsksForThePlansId) {
  House house;
  house.SaveMany(14);
  const auto plan = house.Plan("last 2");
  ASSERT_TRUE(plan->NeedsAck());
  EXPECT_NE(house.lake->ApplyRetention(house.ctx, *plan, {}).error().message().find("--ack"),
            std::string::npos);
  EXPECT_EQ(house.lake
                ->ApplyRetention(house.ctx, *plan,
                                 {.by = "",
                                  .ack = format::EncodeRetentionPlan(*plan).id,
                                  .fresh = false,
                                  .canary = false})
                ->forgotten,
            12u);
  EXPECT_FALSE(house.Plan("last 1\nlimit 100%")->NeedsAck());
}

TEST(Retention, BytesFreedAreThoseThatNothingElseNeeds) {
  House house;
  house.SaveMany(2);
  SaveOptions same;  // v3 shares everything with v2.
  same.step = 900;
  ASSERT_TRUE(house.Save(2, same).ok());
  const auto gone = house.Plan("last 2");
  ASSERT_TRUE(gone.ok());
  EXPECT_EQ(gone->LetGo(), 1u);
  const auto commit = (*house.lake->OpenAt(house.ctx, "llama@v1"))->commit();
  uint64_t payload_bytes = 0;
  for (const format::ChunkRow& row : commit.chunks) payload_bytes += row.payload_bytes;
  EXPECT_EQ(gone->freed_bytes, payload_bytes);
  EXPECT_EQ(gone->freed_whole_bytes, payload_bytes);
  const auto shared = house.Plan("steps [900]");
  EXPECT_EQ(shared->LetGo(), 2u);
  EXPECT_EQ(shared->freed_bytes, payload_bytes) << "what v2 held is v3's too";
  const auto thin = house.Plan("last 1; all of weights");
  EXPECT_EQ(thin->LetGo(), 2u);
  EXPECT_LT(*thin->freed_bytes, payload_bytes);
  EXPECT_GT(*thin->freed_bytes, payload_bytes / 2);
}

TEST(Retention, TheFloorStandsOnWhatIsThere) {
  House house;
  house.SaveMany(3);
  const auto commit = (*house.lake->OpenAt(house.ctx, "llama@v3"))->commit();
  const std::vector<store::Key> pack{store::Key(format::PackKey(commit.packs[0].id))};
  ASSERT_TRUE(house.memory->Delete(house.ctx, pack).ok());
  house.lake = house.Open(house.memory);  // Its own writes a lake believes without asking again.
  const auto plan = house.Plan("last 1");
  ASSERT_TRUE(plan.ok());
  EXPECT_EQ(plan->LetGo(), 1u);
  EXPECT_TRUE(plan->items[0].kept.empty());
  EXPECT_FALSE(plan->items[1].kept.empty()) << "v2 is the newest that is there";
  EXPECT_EQ(plan->warnings, std::vector<std::string>{"llama@v3 is damaged; see varve verify"});
}

// A writer and collector of another process, by hand: the lists that undelete must respect.
void Condemn(House& house, std::vector<format::ObjectId> ids, uint64_t epoch) {
  std::sort(ids.begin(), ids.end());
  const std::string key =
      format::GcListKey(epoch, true, format::ObjectId::Make(7, static_cast<uint32_t>(epoch)), 0);
  ASSERT_TRUE(house.memory->PutNew(house.ctx, store::Key(key), *format::EncodeGcList(ids)).ok());
  const auto now = house.memory->Get(house.ctx, store::Key(std::string(format::kGcStateKey)), {});
  format::GcState state = *format::DecodeGcState(AsText(now->body));
  state.epoch = epoch;
  state.lists[epoch] = {{format::IdKind::kPack, key, ids.front(), ids.back(), ids.size()}};
  const std::string json = *format::EncodeGcState(state);
  ASSERT_TRUE(house.memory
                  ->Cas(house.ctx, store::Key(std::string(format::kGcStateKey)), AsBytes(json),
                        now->info.etag)
                  .ok());
}

TEST(Retention, NothingCondemnedComesBack) {
  House house;
  house.SaveMany(3);
  const auto packs = [&](const char* address) {
    std::vector<format::ObjectId> ids;
    const auto commit = (*house.lake->OpenAt(house.ctx, address))->commit();
    for (const format::PackRow& pack : commit.packs) ids.push_back(pack.id);
    return ids;
  };
  const auto first = packs("llama@v1"), second = packs("llama@v2");
  Condemn(house, {format::ObjectId::Make(9, 9)}, 1);
  ASSERT_EQ(house.Apply("last 1")->forgotten, 2u);
  EXPECT_EQ(house.Head().forgotten.at(1).gc_epoch, 2u) << "the next list to come";
  // Decided in a later epoch, and that epoch is over: the bytes are still there.
  Condemn(house, first, 2);
  Condemn(house, {format::ObjectId::Make(9, 10)}, 3);
  EXPECT_EQ(house.lake->Undelete(house.ctx, "llama@v1").error().code(), ErrorCode::kGone);
  EXPECT_EQ(house.Head().forgotten.count(1), 1u);
  ASSERT_TRUE(house.lake->Undelete(house.ctx, "llama@v2").ok());
  EXPECT_EQ(house.Load(2), "");
  // Swept.
  ASSERT_TRUE(
      house.lake->Forget(house.ctx, "llama@v2", "again", {.by = "x", .policy = "", .grace_ms = 0})
          .ok());
  const std::vector<store::Key> keys{store::Key(format::PackKey(second[0]))};
  ASSERT_TRUE(house.memory->Delete(house.ctx, keys).ok());
  EXPECT_EQ(house.lake->Undelete(house.ctx, "llama@v2").error().code(), ErrorCode::kGone);
}

TEST(Retention, AFaultAtEveryRequestOfAnApplyLosesNothing) {
  const char* policy = "policy p { keep last 1; keep every 300 steps of weights }";
  for (const Fault fault :
       {Fault::kCrashBefore, Fault::kCrashAfter, Fault::kLoseAnswer, Fault::kRefuse}) {
    bool struck = true;
    for (uint64_t at = 1; struck; ++at) {
      ASSERT_LT(at, 300u);
      House house;
      house.SaveMany(4);
      const auto plan = house.Plan(policy);
      const auto faulty = std::make_shared<FaultStore>(house.memory);
      bool acknowledged = false;
      {
        const auto lake = house.Open(faulty);
        faulty->Plan(fault, at);
        acknowledged =
            lake->ApplyRetention(house.ctx, *plan, {.by = "", .ack = "", .fresh = true}).ok();
        struck = faulty->requests() >= at;
      }
      const auto lake = house.Open(house.memory);
      EXPECT_EQ(house.Load(*lake, 4, "optimizer/m", "llama@v4"), "");
      EXPECT_EQ(house.Load(*lake, 1, "model/w", "llama@v1"), "");
      EXPECT_EQ(house.Load(*lake, 3, "model/w", "llama@v3"), "");
      const bool whole = house.Load(*lake, 2, "model/w", "llama@v2").empty();
      const bool moments = house.Load(*lake, 3, "optimizer/m", "llama@v3").empty();
      EXPECT_EQ(whole, moments) << "one write: all of it or nothing";
      EXPECT_FALSE(acknowledged && whole);
      house.lake = house.Open(house.memory);
      ASSERT_TRUE(house.Apply(policy).ok());
      EXPECT_EQ(house.Plan(policy)->LetGo(), 0u);
    }
  }
}

TEST(Retention, AHeadGrowsWithWhatLives) {
  House house;
  const auto rules = plan::ParsePolicies("last 2");
  RetentionOptions options;
  options.artifacts = {"llama"};
  for (uint64_t i = 1; i <= 160; ++i) {
    ASSERT_TRUE(house.Save(i).ok());
    house.clock.now_ms += kDay;
    const auto report = house.lake->Retain(house.ctx, *rules, options, "ada@host");
    ASSERT_TRUE(report.ok()) << report.error().ToString();
    EXPECT_EQ(report->forgotten, i > 2 ? 1u : 0u);
  }
  const format::Head head = house.Head();
  EXPECT_EQ(head.forgotten.size(), 158u);
  const std::string json = *format::EncodeHead(head);
  const auto row = json.find("\"1-1");
  EXPECT_NE(row, std::string::npos) << "what cannot come back shares a row";
  EXPECT_EQ(house.Load(160, "optimizer/m"), "");
  EXPECT_EQ(house.Load(159, "optimizer/m"), "");
}

// A collector judges by the date it began at: one that moves forward brings back what is deleted.
TEST(Retention, TheDateOfWhatIsGoneNeverMovesForward) {
  House house;
  house.SaveMany(4);
  const ForgetOptions at_once{.by = "", .policy = "", .grace_ms = 0};
  ASSERT_TRUE(house.lake->Forget(house.ctx, "llama@v1", "old", at_once).ok());
  const int64_t until_ms = house.Head().forgotten.at(1).until_ms;
  for (const char* next : {"llama@v2", "llama@v3"}) {
    house.clock.now_ms += kDay;
    ASSERT_TRUE(house.lake->Forget(house.ctx, next, "old", at_once).ok());
  }
  const format::Head head = house.Head();
  for (const uint64_t version : {1u, 2u, 3u}) {
    EXPECT_LE(head.forgotten.at(version).until_ms, until_ms) << version;
    EXPECT_EQ(head.forgotten.at(version), head.forgotten.at(1)) << "they share a row";
  }
}

TEST(Retention, SaversThatKeepHouseGetAlong) {
  House house;
  house.SaveMany(12);
  const auto rules = plan::ParsePolicies("last 1; best 2 by los min");
  RetentionOptions options;
  options.artifacts = {"llama"};
  EXPECT_FALSE(house.lake->Retain(house.ctx, *rules, options, "a").ok())
      << "no version has the metric";
  options.allow_unknown_metrics = true;
  const auto lenient = house.lake->Retain(house.ctx, *rules, options, "a");
  ASSERT_TRUE(lenient.ok());
  EXPECT_EQ(lenient->forgotten, 0u) << "what lacks a metric stays";
  EXPECT_EQ(lenient->warnings, std::vector<std::string>{"no version has a metric 'los' yet"});
  const auto many = house.lake->Retain(house.ctx, *plan::ParsePolicies("last 1"), options, "a");
  EXPECT_NE(many.error().message().find("limit 100%"), std::string::npos);
  EXPECT_EQ(house.lake->Retain(house.ctx, *plan::ParsePolicies("last 1\nlimit 100%"), options, "a")
                ->forgotten,
            11u);
}

}  // namespace
}  // namespace varve::lake
