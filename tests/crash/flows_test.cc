// Goal: a request that fails in any way, anywhere, loses nothing that was acknowledged and shows
// nothing by half. Method: one table. Every flow is run once per request that it makes and per
// outcome of that request, on the memory store, on a folder, and over real HTTP on the fake S3
// server; then a fresh process reads every version back byte by byte and does the work again.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <iterator>

#include "places.h"
#include "varve/lake/lake.h"
#include "varve/store/fault/fault_store.h"
#include "varve/store/memory/memory_store.h"
#include "varve/store/retry/retry_store.h"
#include "varve/testing/impatient_clock.h"
#include "varve/testing/random_bytes.h"

namespace varve::lake {
namespace {

using store::Fault;
using Content = std::map<std::string, Bytes>;  // Tensors, or files, by path.

constexpr uint64_t kRequestsMax = 100;  // More than any flow makes.
constexpr LakeOptions kSmall{
    .cpu_threads = 1, .transfers = 1, .memory_bytes = 64 * kMiB, .compress = true};
constexpr store::RetryOptions kRetry{.tries_max = 8,
                                     .throttled_tries_max = 8,
                                     .backoff_ms = 50,
                                     .throttle_backoff_ms = 1000,
                                     .backoff_max_ms = 20'000};

OpContext Ctx() { return ImpatientContext(); }

// --- What is saved, and how it is read back. ---

Content State(uint64_t weights_seed, uint64_t moments_seed) {
  return {{"model/w", RandomBytes(4096, weights_seed)},
          {"optim/m", RandomBytes(800, moments_seed)}};
}

std::unique_ptr<Lake> OpenOn(StorePtr store) {
  auto opened = Lake::Open(Ctx(), std::move(store), kSmall);
  EXPECT_TRUE(opened.ok()) << opened.error().ToString();
  return opened.ok() ? std::move(opened).value() : nullptr;
}

Status Save(Lake& lake, const std::string& name, const Content& content) {
  VARVE_TRY(auto session, lake.BeginSave(Ctx(), name, {}));
  for (const auto& [path, bytes] : content) {
    VARVE_CHECK_OK(session->AddTensor(Ctx(), path, codec::DType::kU8, {bytes.size()}, bytes,
                                      SaveSession::Hold::kCopy));
  }
  VARVE_TRY(const SaveReport report, session->Commit(Ctx()));
  return report.version > 0 ? OkStatus() : Status(Error(ErrorCode::kInternal, "no number"));
}

Result<Content> Load(Lake& lake, const std::string& address) {
  VARVE_TRY(auto version, lake.OpenAt(Ctx(), address));
  Content content;
  const format::Commit& commit = version->commit();
  std::vector<OpenVersion::TensorRead> reads;
  for (size_t i = 0; i < commit.tensors.size(); ++i) {
    Bytes& into = content[commit.tensors[i].name];
    into.resize(commit.tensors[i].raw_bytes);
    reads.push_back({i, into});
  }
  VARVE_CHECK_OK(version->ReadTensors(Ctx(), reads));
  const std::string folder = TemporaryFolder();
  for (size_t i = 0; i < commit.files.size(); ++i) {
    const std::string path = folder + "/" + std::to_string(i);
    if (auto read = version->ReadFile(Ctx(), i, path); !read.ok()) {
      fs::remove_all(folder);
      return std::move(read).error();
    }
    std::ifstream file(path + "/" + commit.files[i].path, std::ios::binary);
    const std::string text{std::istreambuf_iterator<char>(file), {}};
    content[commit.files[i].path].assign(AsBytes(text).begin(), AsBytes(text).end());
  }
  fs::remove_all(folder);
  return content;
}

// --- The table. ---

// One lake under test and what is known of it.
struct World {
  StorePtr base;   // Without faults: what another process sees.
  StorePtr other;  // The other lake of a copy, which does not fail.
  std::string files;
  std::map<std::string, std::vector<Content>> old;    // Acknowledged, by artifact, v1 first.
  std::map<std::string, std::vector<Content>> added;  // By the flow; the last one may repeat.
  bool may_forget_v1 = false;
  bool counts_versions = true;  // Each act adds what is in `added` once, or nothing.

  const Content* Expected(const std::string& name, uint64_t version) const {
    const auto before = old.find(name);
    const uint64_t held = before == old.end() ? 0 : before->second.size();
    if (version <= held) return &before->second[version - 1];
    const auto after = added.find(name);
    if (after == added.end()) return nullptr;
    return &after->second[std::min<uint64_t>(version - held, after->second.size()) - 1];
  }
};

struct Flow {
  const char* name;
  const char* required;                         // Of every outcome of every request.
  std::function<void(World&)> prepare;          // Without faults.
  std::function<Status(World&, StorePtr)> act;  // Through a store that fails.
  std::function<bool(World&, Lake&)> done;      // The whole effect is there.
  bool retries_swaps = true;
  bool ends_freely = false;  // Its last requests may fail: what they tidy costs nothing.
};

void HoldOldVersions(World& world) {
  ASSERT_TRUE(Lake::Init(Ctx(), *world.base).ok());
  const auto lake = OpenOn(world.base);
  for (const Content& content : {State(1, 1), State(1, 2)}) {
    ASSERT_TRUE(Save(*lake, "llama", content).ok());
    world.old["llama"].push_back(content);
  }
}

uint64_t Versions(Lake& lake, const std::string& name) {
  const auto history = lake.History(Ctx(), name, 1000);
  EXPECT_TRUE(history.ok() || history.error().code() == ErrorCode::kNotFound);
  return history.ok() ? history->size() : 0;
}

Flow SaveFlow(const char* name, const std::string& artifact, Content content) {
  return {name,
          "the version is there whole or not at all; what was there loads; saving again works",
          [artifact, content](World& world) {
            HoldOldVersions(world);
            world.added[artifact] = {content};
          },
          [artifact, content](World&, StorePtr store) -> Status {
            VARVE_TRY(const auto lake, Lake::Open(Ctx(), std::move(store), kSmall));
            return Save(*lake, artifact, content);
          },
          [artifact](World& world, Lake& lake) {
            return Versions(lake, artifact) > world.old[artifact].size();
          }};
}

// Two ranks, and a join of what they wrote: each of an attempt of its own.
Flow PartsFlow() {
  const Content content = State(11, 12);
  return {
      "save in parts and join", "as a save; a rank or a joiner that dies leaves no version",
      [content](World& world) {
        HoldOldVersions(world);
        world.added["llama"] = {content};
      },
      [content](World&, StorePtr store) -> Status {
        std::vector<std::string> tokens;
        const std::string attempt = OsRandom().Hex128();
        for (uint32_t rank = 0; rank < 2; ++rank) {
          VARVE_TRY(const auto lake, Lake::Open(Ctx(), store, kSmall));
          SaveOptions options;
          options.place = RankPlace{attempt, rank, 2};
          VARVE_TRY(auto session, lake->BeginSave(Ctx(), "llama", options));
          for (const auto& [path, bytes] : content) {
            const uint64_t half = bytes.size() / 2;
            VARVE_CHECK_OK(session->AddTensorSlab(
                Ctx(), path, codec::DType::kU8, {{bytes.size()}, rank * half, half},
                ByteView(bytes).subspan(rank * half, half), SaveSession::Hold::kCopy));
          }
          VARVE_TRY(const PartReport part, session->FinishPart(Ctx()));
          tokens.push_back(part.token);
        }
        VARVE_TRY(const auto lake, Lake::Open(Ctx(), std::move(store), kSmall));
        VARVE_TRY(const SaveReport report, lake->JoinParts(Ctx(), "llama", tokens));
        return report.version > 0 ? OkStatus() : Status(Error(ErrorCode::kInternal, "no number"));
      },
      [](World& world, Lake& lake) { return Versions(lake, "llama") > world.old["llama"].size(); }};
}

Flow PutFlow() {
  return {"put files", "as a save; the files come back byte by byte",
          [](World& world) {
            HoldOldVersions(world);
            fs::create_directories(world.files + "/sub");
            const Content content{{"a.bin", RandomBytes(300'000, 7)},
                                  {"sub/b.txt", RandomBytes(10, 8)}};
            for (const auto& [path, bytes] : content)
              std::ofstream(world.files + "/" + path) << AsText(bytes);
            Content flat;  // ReadFile gives a file under its path.
            for (const auto& [path, bytes] : content) flat[path] = bytes;
            world.added["tokenizer"] = {flat};
          },
          [](World& world, StorePtr store) -> Status {
            VARVE_TRY(const auto lake, Lake::Open(Ctx(), std::move(store), kSmall));
            VARVE_TRY(const SaveReport report, lake->PutPath(Ctx(), "tokenizer", world.files, {}));
            static_cast<void>(report);
            return OkStatus();
          },
          [](World&, Lake& lake) { return Versions(lake, "tokenizer") > 0; }};
}

Flow LabelFlow() {
  return {"alias and tag", "each label names its version or nothing; no label moves a version",
          HoldOldVersions,
          [](World&, StorePtr store) -> Status {
            VARVE_TRY(const auto lake, Lake::Open(Ctx(), std::move(store), kSmall));
            VARVE_CHECK_OK(lake->SetAlias(Ctx(), "llama", "best", "llama@v1"));
            return lake->SetTag(Ctx(), "llama", "paper", "llama@v2");
          },
          [](World&, Lake& lake) {
            const auto best = lake.Describe(Ctx(), "llama@best");
            const auto paper = lake.Describe(Ctx(), "llama@paper");
            EXPECT_TRUE(!best.ok() || best->entry.version == 1);
            EXPECT_TRUE(!paper.ok() || paper->entry.version == 2);
            EXPECT_TRUE(best.ok() || !paper.ok()) << "they were set in this order";
            return best.ok() && paper.ok();
          }};
}

Flow ForgetFlow() {
  return {"forget", "the version is gone or loads whole; no other version changes",
          [](World& world) {
            HoldOldVersions(world);
            world.may_forget_v1 = true;
          },
          [](World&, StorePtr store) -> Status {
            VARVE_TRY(const auto lake, Lake::Open(Ctx(), std::move(store), kSmall));
            const Status forgotten = lake->Forget(Ctx(), "llama@v1", "diverged");
            const bool gone = !forgotten.ok() && forgotten.error().code() == ErrorCode::kGone;
            return gone ? OkStatus() : forgotten;
          },
          [](World&, Lake& lake) {
            const auto opened = lake.OpenAt(Ctx(), "llama@v1");
            return !opened.ok() && opened.error().code() == ErrorCode::kGone;
          }};
}

Flow CopyFlow() {
  return {"copy", "each version arrives whole, under its commit id, once; the source is unchanged",
          [](World& world) {
            HoldOldVersions(world);
            World other;
            other.base = world.other = std::make_shared<store::MemoryStore>();
            HoldOldVersions(other);
            const auto lake = OpenOn(world.other);
            for (const Content& content : {State(5, 5), State(5, 6)}) {
              ASSERT_TRUE(Save(*lake, "mistral", content).ok());
              world.added["mistral"].push_back(content);
            }
          },
          [](World& world, StorePtr store) -> Status {
            VARVE_TRY(const auto lake, Lake::Open(Ctx(), std::move(store), kSmall));
            const auto source = OpenOn(world.other);
            VARVE_TRY(const auto report, lake->CopyFrom(Ctx(), *source, "mistral"));
            static_cast<void>(report);
            return OkStatus();
          },
          [](World& world, Lake& lake) {
            const auto source = OpenOn(world.other);
            const uint64_t there = Versions(lake, "mistral");
            EXPECT_LE(there, 2u);
            for (uint64_t version = 1; version <= there; ++version) {
              const std::string address = "mistral@v" + std::to_string(version);
              EXPECT_EQ(lake.Describe(Ctx(), address)->entry.commit_id,
                        source->Describe(Ctx(), address)->entry.commit_id);
            }
            return there == 2;
          }};
}

Flow CopyAwayFlow() {
  return {"copy away", "the other lake gets each version whole, once; this one does not change",
          [](World& world) {
            HoldOldVersions(world);
            world.other = std::make_shared<store::MemoryStore>();
            ASSERT_TRUE(Lake::Init(Ctx(), *world.other).ok());
          },
          [](World& world, StorePtr store) -> Status {
            VARVE_TRY(const auto lake, Lake::Open(Ctx(), std::move(store), kSmall));
            VARVE_TRY(const auto report, OpenOn(world.other)->CopyFrom(Ctx(), *lake, "llama"));
            static_cast<void>(report);
            return OkStatus();
          },
          [](World& world, Lake&) {
            const auto there = OpenOn(world.other);
            const uint64_t versions = Versions(*there, "llama");
            EXPECT_LE(versions, 2u);
            for (uint64_t version = 1; version <= versions; ++version) {
              const auto content = Load(*there, "llama@v" + std::to_string(version));
              EXPECT_TRUE(content.ok() && *content == world.old["llama"][version - 1]);
            }
            return versions == 2;
          }};
}

// v1 was let go before, and a save died: there is garbage of every kind.
Flow CollectFlow() {
  return {"gc --apply",
          "no version changes; what is alive loads; collecting again ends with nothing left",
          [](World& world) {
            HoldOldVersions(world);
            world.may_forget_v1 = true;
            const auto lake = OpenOn(world.base);
            ASSERT_TRUE(
                lake->Forget(Ctx(), "llama@v1", "diverged", {.by = "", .policy = "", .grace_ms = 0})
                    .ok());
            const auto faulty = std::make_shared<store::FaultStore>(world.base);
            const auto dying = OpenOn(faulty);
            faulty->Plan(Fault::kCrashBefore, 9);  // After its packs, before the head moves.
            ASSERT_FALSE(Save(*dying, "llama", State(9, 9)).ok());
          },
          [](World&, StorePtr store) -> Status {
            VARVE_TRY(const auto lake, Lake::Open(Ctx(), std::move(store), kSmall));
            GcOptions options;
            options.apply = options.force = true;
            options.grace_ms = 0;
            VARVE_TRY(const GcReport report, lake->CollectGarbage(Ctx(), options));
            return report.skipped_total == 0
                       ? OkStatus()
                       : Status(Error(ErrorCode::kInternal, "something could not be deleted"));
          },
          [](World& world, Lake&) {
            GcOptions dry;
            dry.grace_ms = 0;
            const auto left = OpenOn(world.base)->CollectGarbage(Ctx(), dry);
            EXPECT_TRUE(left.ok()) << left.error().ToString();
            const auto blocks = left->garbage[static_cast<size_t>(format::IdKind::kSession)];
            return left->Garbage().objects == blocks.objects;
          },
          true,
          true};
}

Flow RetainFlow() {
  return {"retain apply", "each version stays, or goes as the plan says; applying again ends it",
          [](World& world) {
            HoldOldVersions(world);
            world.may_forget_v1 = true;
          },
          [](World&, StorePtr store) -> Status {
            VARVE_TRY(const auto lake, Lake::Open(Ctx(), std::move(store), kSmall));
            VARVE_TRY(const auto policies, plan::ParsePolicies("policy nightly { keep last 1 }"));
            VARVE_TRY(const auto plan, lake->PlanRetention(Ctx(), policies, {}));
            VARVE_TRY(const auto report,
                      lake->ApplyRetention(Ctx(), plan, {.by = "t", .ack = "", .fresh = false}));
            static_cast<void>(report);
            return OkStatus();
          },
          [](World&, Lake& lake) {
            const auto opened = lake.OpenAt(Ctx(), "llama@v1");
            return !opened.ok() && opened.error().code() == ErrorCode::kGone;
          }};
}

Flow UndeleteFlow() {
  return {"undelete", "the version is back whole or still let go; it comes back by asking again",
          [](World& world) {
            HoldOldVersions(world);
            world.may_forget_v1 = true;
            ASSERT_TRUE(OpenOn(world.base)->Forget(Ctx(), "llama@v1", "diverged").ok());
          },
          [](World&, StorePtr store) -> Status {
            VARVE_TRY(const auto lake, Lake::Open(Ctx(), std::move(store), kSmall));
            const Status back = lake->Undelete(Ctx(), "llama@v1");
            const bool there = !back.ok() && back.error().code() == ErrorCode::kInvalidArgument;
            return there ? OkStatus() : back;
          },
          [](World&, Lake& lake) { return lake.OpenAt(Ctx(), "llama@v1").ok(); }};
}

Flow KeepersFlow() {
  return {"pin and hold", "who keeps is written or not; what is kept is not let go",
          HoldOldVersions,
          [](World&, StorePtr store) -> Status {
            VARVE_TRY(const auto lake, Lake::Open(Ctx(), std::move(store), kSmall));
            VARVE_CHECK_OK(
                lake->Pin(Ctx(), "llama@v1",
                          {.owner = "ada", .for_ms = 3'600'000, .lease = false, .reason = ""}));
            return lake->Hold(Ctx(), "llama@v1", "audit", "the paper");
          },
          [](World&, Lake& lake) {
            const auto info = lake.Describe(Ctx(), "llama@v1");
            EXPECT_TRUE(info.ok());
            EXPECT_TRUE(info->holds.empty() || !info->pins.empty()) << "they came in this order";
            if (info->pins.empty()) return false;
            const Status forgotten = lake.Forget(Ctx(), "llama@v1", "old");
            EXPECT_EQ(forgotten.error().code(), ErrorCode::kConflict);
            return !info->holds.empty();
          }};
}

Flow LoadFlow() {
  return {"load", "the right bytes or an error; nothing in the store changes", HoldOldVersions,
          [](World& world, StorePtr store) -> Status {
            const auto before = store::ListAll(Ctx(), *world.base, "");
            VARVE_TRY(const auto lake, Lake::Open(Ctx(), std::move(store), kSmall));
            for (uint64_t version = 1; version <= 2; ++version) {
              VARVE_TRY(const Content content, Load(*lake, "llama@v" + std::to_string(version)));
              EXPECT_EQ(content, world.old["llama"][version - 1]);
            }
            EXPECT_EQ(store::ListAll(Ctx(), *world.base, "")->size(), before->size());
            return OkStatus();
          },
          [](World&, Lake&) { return true; }};
}

Flow InitFlow() {
  return {"init",
          "there is a whole lake or none; init again makes it or finds it",
          [](World& world) {
            world.added["llama"] = {State(1, 1)};
            world.counts_versions = false;  // Every look at the new lake saves into it.
          },
          [](World&, StorePtr store) -> Status {
            const Status made = Lake::Init(Ctx(), *store);
            const bool there = !made.ok() && made.error().code() == ErrorCode::kAlreadyExists;
            return there ? OkStatus() : made;
          },
          [](World&, Lake& lake) {
            EXPECT_TRUE(Save(lake, "llama", State(1, 1)).ok());
            return true;
          },
          false};
}

std::vector<Flow> Flows() {
  return {InitFlow(),
          SaveFlow("save first", "fresh/model", State(3, 3)),
          SaveFlow("save next", "llama", State(1, 3)),  // The weights are there already.
          PartsFlow(),
          PutFlow(),
          LabelFlow(),
          ForgetFlow(),
          CopyFlow(),
          CopyAwayFlow(),
          CollectFlow(),
          RetainFlow(),
          UndeleteFlow(),
          KeepersFlow(),
          LoadFlow()};
}

struct Outcome {
  const char* name;
  Fault fault;
  std::optional<fake::Fault> on_server;  // What stands for it on a real server.
  bool survivable;                       // The retries and the commit protocol get over it.
};

const Outcome kOutcomes[] = {
    {"crash before", Fault::kCrashBefore, {}, false},
    {"crash after", Fault::kCrashAfter, {}, false},
    {"crash, applied after the next process", Fault::kCrashZombie, {}, false},
    {"answer lost", Fault::kLoseAnswer, fake::Fault::kWithholdAnswer, true},
    {"request lost", Fault::kLoseRequest, fake::Fault::kWithholdRequest, true},
    {"refused", Fault::kRefuse, fake::Fault::kServedButError, true},
    {"throttled", Fault::kThrottle, fake::Fault::kSlowDown, true},
    {"delayed duplicate", Fault::kZombie, {}, true},
    {"store full", Fault::kFull, {}, false},
};

// --- One case. ---

class Crash : public testing::Test {
 protected:
  void Run(Place& place);
  void RunCase(Place& place, const Flow& flow, const Outcome& outcome, uint64_t at, bool& struck);
  void Check(World& world, const Flow& flow, uint64_t acts, bool acknowledged);
};

// As a process that starts now sees it, after `acts` of the flow, the last one acknowledged or not.
void Crash::Check(World& world, const Flow& flow, uint64_t acts, bool acknowledged) {
  auto opened = Lake::Open(Ctx(), world.base, kSmall);
  if (!opened.ok()) {
    ASSERT_EQ(opened.error().code(), ErrorCode::kNotFound) << opened.error().ToString();
    ASSERT_TRUE(world.old.empty() && !acknowledged) << "the lake is gone";
    return;
  }
  Lake& lake = **opened;
  for (const auto& [name, versions] : world.old) ASSERT_GE(Versions(lake, name), versions.size());
  const auto artifacts = lake.ListArtifacts(Ctx());
  ASSERT_TRUE(artifacts.ok()) << artifacts.error().ToString();
  for (const ArtifactInfo& artifact : *artifacts) {
    const uint64_t versions = Versions(lake, artifact.name);
    const uint64_t versions_max =
        world.old[artifact.name].size() + acts * world.added[artifact.name].size();
    ASSERT_TRUE(versions <= versions_max || !world.counts_versions) << artifact.name;
    for (uint64_t version = 1; version <= versions; ++version) {
      const Content* const expected = world.Expected(artifact.name, version);
      ASSERT_NE(expected, nullptr) << artifact.name << " was never saved";
      const auto content = Load(lake, artifact.name + "@v" + std::to_string(version));
      const bool forgotten = !content.ok() && content.error().code() == ErrorCode::kGone &&
                             world.may_forget_v1 && version == 1;
      if (forgotten) continue;
      ASSERT_TRUE(content.ok()) << artifact.name << " v" << version << ": "
                                << content.error().ToString();
      ASSERT_TRUE(*content == *expected) << artifact.name << " v" << version;
    }
  }
  const bool done = flow.done(world, lake);
  ASSERT_TRUE(done || !acknowledged) << "it was acknowledged";
}

void Crash::RunCase(Place& place, const Flow& flow, const Outcome& outcome, uint64_t at,
                    bool& struck) {
  World world;
  world.base = place.Fresh();
  world.files = TemporaryFolder();
  flow.prepare(world);
  const auto faulty = std::make_shared<store::FaultStore>(world.base);
  if (place.server() != nullptr && outcome.on_server.has_value()) {
    faulty->Watch([&place, &outcome, at](uint64_t number) {
      if (number == at) place.server()->Inject(*outcome.on_server);
    });
  } else {
    faulty->Plan(outcome.fault, at);
  }
  const Status acted = flow.act(world, std::make_shared<store::RetryStore>(faulty, kRetry));
  struck = faulty->requests() >= at;
  const std::string said = acted.ok() ? "done" : acted.error().ToString();
  SCOPED_TRACE(said);
  const bool must_work = outcome.survivable && (flow.retries_swaps || !struck);
  const bool must_fail =
      struck && !outcome.survivable && outcome.fault != Fault::kFull && !flow.ends_freely;
  ASSERT_TRUE(must_fail ? !acted.ok() : acted.ok() || !must_work);
  if (outcome.fault == Fault::kFull && !acted.ok()) {
    ASSERT_EQ(acted.error().code(), ErrorCode::kResourceExhausted);
  }
  ASSERT_EQ(said.find('\n'), std::string::npos);
  if (outcome.survivable) faulty->Settle();
  Check(world, flow, 1, acted.ok());
  if (HasFatalFailure()) return;
  // The next process finds the way open, whatever is still on its way.
  const Status again = flow.act(world, world.base);
  ASSERT_TRUE(again.ok()) << again.error().ToString();
  Check(world, flow, 2, true);
  if (HasFatalFailure()) return;
  faulty->Settle();
  Check(world, flow, 2, true);
  fs::remove_all(world.files);
}

void Crash::Run(Place& place) {
  // Above 1 only where a sanitizer makes each case slow: every so many requests, another first one
  // for each outcome.
  const char* text = getenv("VARVE_CRASH_STEP");
  const uint64_t step = text == nullptr ? 1 : std::max(1UL, strtoul(text, nullptr, 10));
  size_t cases = 0, rows = 0;
  for (const Flow& flow : Flows()) {
    for (const Outcome& outcome : kOutcomes) {
      bool struck = true;
      for (uint64_t at = 1 + rows++ % step; struck; at += step, ++cases) {
        SCOPED_TRACE(std::string(flow.name) + " (" + flow.required + "), " + outcome.name +
                     " at request " + std::to_string(at));
        ASSERT_LT(at, kRequestsMax);
        RunCase(place, flow, outcome, at, struck);
        if (HasFailure()) return;
      }
    }
  }
  RecordProperty("cases", std::to_string(cases));
}

TEST_F(Crash, EveryRequestOfEveryFlowInMemory) {
  InMemory place;
  Run(place);
}
TEST_F(Crash, EveryRequestOfEveryFlowInAFolder) {
  InFolders place;
  Run(place);
}
TEST_F(Crash, EveryRequestOfEveryFlowOverHttp) {
  OnFakeS3 place;
  Run(place);
}

}  // namespace
}  // namespace varve::lake
