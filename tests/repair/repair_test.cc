// Goal: a repair mends what can be mended, says why it cannot mend the rest, and never makes
// anything worse. Method: every row of the table of damages, repaired alone and with another lake
// to take bytes from; random damages by seed; every request of a repair failed in every way, and a
// whole collection or save at every request of one.
#include <gtest/gtest.h>

#include "sample_damages.h"

namespace varve::lake {
namespace {

using store::Fault;
using store::FaultStore;

// Mended from what is in the lake; with another lake's bytes; the rest stays as it is.
const std::set<std::string> kAlone{
    "pack with bytes after its end",
    "a flipped bit in a frame's header",
    "a flipped bit in a pack's header",
    "a flipped bit in a footer",
    "two packs swapped",
    "a chunk's place in a commit object points elsewhere",
    "two commit objects swapped",
    "history node gone",
    "a flipped bit in a history node",
    "collector's state gone",
    "collector's state cut short",
    "a list gone",
    "a flipped bit in a list",
    "a version's pack on a list of the dead",
    "a pack gone whose chunks others hold",
    "a pack gone with a copy that nothing names",
};
const std::set<std::string> kWithHelp{
    "pack gone",
    "pack of several versions gone",
    "pack cut short",
    "pack of no bytes",
    "a flipped bit in a chunk",
    "a flipped bit in a footer and one in a chunk",
    "a pack under another's name",
    "commit object gone",
    "commit object cut short",
    "commit object of no bytes",
    "a flipped bit in a commit object",
    "a pack in the wrong shard",  // But for the foreign object.
};

// Whatever was there is there, byte for byte; heads and the collector's state alone move.
void ExpectOnlyAdded(const std::map<std::string, Bytes>& before,
                     const std::map<std::string, Bytes>& after) {
  for (const auto& [key, body] : before) {
    const auto found = after.find(key);
    ASSERT_NE(found, after.end()) << key << " was deleted";
    if (key.starts_with("ref/b/") || key == "gc/state") continue;
    EXPECT_EQ(found->second, body) << key << " was overwritten";
  }
}

class RepairRows : public ::testing::TestWithParam<std::tuple<bool, bool>> {};
INSTANTIATE_TEST_SUITE_P(Stores, RepairRows,
                         ::testing::Combine(::testing::Bool(), ::testing::Bool()),
                         [](const auto& each) {
                           return std::string(std::get<0>(each.param) ? "Folder" : "Memory") +
                                  (std::get<1>(each.param) ? "WithHelp" : "Alone");
                         });

TEST_P(RepairRows, MendWhatCanBeAndOnlyAdd) {
  const auto [folder, help] = GetParam();
  Lakes few(folder, kFewVersions), many(folder, kManyVersions);
  const auto few_copy = GcOpen(few.original()), many_copy = GcOpen(many.original());
  for (const Row& row : AllRows()) {
    SCOPED_TRACE(row.name);
    Lakes& lakes = row.history ? many : few;
    Lake* const other = !help ? nullptr : row.history ? many_copy.get() : few_copy.get();
    const StorePtr store = lakes.Fresh();
    const auto lake = GcOpen(store);
    const Expected expected = row.damage(store);
    const auto before = Everything(*store);
    const auto report = lake->Repair(kGcCtx, Options(true), other);
    ASSERT_TRUE(report.ok()) << report.error().ToString();
    EXPECT_EQ(FoundBy(*report), expected.deep);
    const auto after = Everything(*store);
    ExpectOnlyAdded(before, after);

    const bool mended = kAlone.contains(row.name) || (help && kWithHelp.contains(row.name));
    Found left = mended ? Found{} : expected.deep;
    if (row.name == std::string("a pack in the wrong shard") && help) {
      for (const auto& each : expected.deep) {
        if (each.first == "foreign") left.insert(each);
      }
    }
    for (const FsckFinding& finding : report->findings) {
      EXPECT_EQ(finding.repaired, !left.contains(Is(finding.kind, finding.object)))
          << finding.repair;
      const bool mendable = plan::RuleOf(finding.kind).remedy == plan::Remedy::kRepair;
      EXPECT_EQ(mendable, !finding.repair.empty());
    }
    const auto again = lake->Fsck(kGcCtx, Options(true));
    ASSERT_TRUE(again.ok()) << again.error().ToString();
    EXPECT_EQ(FoundBy(*again), left);
    // A second repair changes nothing.
    ASSERT_TRUE(lake->Repair(kGcCtx, Options(true), other).ok());
    EXPECT_EQ(Everything(*store), after);
    if (!expected.opens) continue;
    std::set<std::string> good;
    for (const auto& [address, seeds] : lakes.truth) {
      if (mended || !expected.hurt.contains(address)) good.insert(address);
    }
    EXPECT_EQ(FsckLoadable(store, lakes.truth), good);
    if (!mended) continue;
    // Saving and collecting go on, and take nothing that is needed.
    const auto fresh = GcOpen(store);
    VARVE_EXPECT_OK(GcSave(*fresh, "a", 3, 106));
    if (left.empty()) VARVE_EXPECT_OK(fresh->CollectGarbage(kGcCtx, kGcNow));
    EXPECT_EQ(FsckLoadable(store, lakes.truth), good);
    VARVE_EXPECT_OK(GcLoads(*fresh, "a@v7", 3, 106));
  }
}

// A version that let its optimizer go loses its commit object; the copy still has all of it.
TEST(Repair, WhatAVersionLetGoStaysSo) {
  const auto store = std::make_shared<store::MemoryStore>();
  ASSERT_TRUE(Lake::Init(kGcCtx, *store).ok());
  const auto lake = GcOpen(store);
  for (uint64_t seed = 1; seed <= 3; ++seed) {
    const Bytes weights = RandomBytes(160, seed), moments = RandomBytes(80, seed + 10);
    auto session = lake->BeginSave(kGcCtx, "t", {});
    ASSERT_TRUE(session.ok());
    constexpr auto kCopy = SaveSession::Hold::kCopy;
    VARVE_EXPECT_OK(
        (*session)->AddTensor(kGcCtx, "model/w", codec::DType::kF32, {40}, weights, kCopy));
    VARVE_EXPECT_OK(
        (*session)->AddTensor(kGcCtx, "optim/m", codec::DType::kF32, {20}, moments, kCopy));
    VARVE_EXPECT_OK((*session)->Commit(kGcCtx));
  }
  const StorePtr copy = std::make_shared<store::MemoryStore>();
  CopyAll(*store, *copy);
  const auto rules =
      plan::ParsePolicies("policy p { keep last 1; keep all of weights; floor 1; limit 100% }");
  ASSERT_TRUE(rules.ok()) << rules.error().ToString();
  VARVE_EXPECT_OK(lake->Retain(kGcCtx, *rules, {}, "t"));
  const auto thin = lake->Describe(kGcCtx, "t@v1");
  ASSERT_TRUE(thin.ok());
  ASSERT_FALSE(thin->let_go.empty());
  RemoveAt(*store, format::MetaKey(thin->entry.meta_id));
  const auto other = GcOpen(copy);
  const auto report = lake->Repair(kGcCtx, Options(true), other.get());
  ASSERT_TRUE(report.ok()) << report.error().ToString();
  ASSERT_EQ(report->findings.size(), 1U);
  EXPECT_TRUE(report->findings[0].repaired) << report->findings[0].repair;
  const auto version = lake->OpenAt(kGcCtx, "t@v1");
  ASSERT_TRUE(version.ok()) << version.error().ToString();
  Bytes weights(160), moments(80);
  VARVE_EXPECT_OK((*version)->ReadTensors(kGcCtx, {{0, weights}}));
  EXPECT_EQ(weights, RandomBytes(160, 1));
  const Status gone = (*version)->ReadTensors(kGcCtx, {{1, moments}});
  ASSERT_FALSE(gone.ok());
  EXPECT_EQ(gone.error().code(), ErrorCode::kGone);
  EXPECT_EQ(lake->Describe(kGcCtx, "t@v1")->let_go, thin->let_go);
}

// --- Lost heads. ---

RebuildOptions Again(const std::string& artifact, const std::string& as) {
  RebuildOptions options;
  options.artifact = artifact;
  options.as = as;
  return options;
}

TEST(Rebuild, AHeadThatWasDeletedByHand) {
  Lakes lakes(false, kManyVersions);
  const StorePtr store = lakes.Fresh();
  RemoveAt(*store, format::HeadKey("b"));
  const auto lake = GcOpen(store);
  const auto lost = lake->FindLost(kGcCtx);
  ASSERT_TRUE(lost.ok());
  EXPECT_EQ(std::count_if(lost->begin(), lost->end(),
                          [](const LostVersion& each) {
                            return each.artifact == "b" && each.complete && !each.head_there;
                          }),
            134);
  const auto before = Everything(*store);
  const auto report = lake->Rebuild(kGcCtx, Again("b", ""));
  ASSERT_TRUE(report.ok()) << report.error().ToString();
  EXPECT_EQ(report->rebuilt.size(), 134U);
  EXPECT_TRUE(report->left.empty());
  for (const auto& row : report->rebuilt) EXPECT_EQ(row.was, row.version);
  ExpectOnlyAdded(before, Everything(*store));
  // Nothing comes back unasked, and a collector takes nothing that may be asked for.
  EXPECT_EQ(lake->OpenAt(kGcCtx, "b@v134").error().code(), ErrorCode::kGone);
  VARVE_EXPECT_OK(lake->CollectGarbage(kGcCtx, kGcNow));
  for (const uint64_t version : std::vector<uint64_t>{1, 64, 65, 134}) {
    const std::string address = "b@v" + std::to_string(version);
    VARVE_EXPECT_OK(lake->Undelete(kGcCtx, address));
    VARVE_EXPECT_OK(GcLoads(*lake, address, 50, 60));
  }
  VARVE_EXPECT_OK(GcSave(*lake, "b", 51, 61));
  VARVE_EXPECT_OK(GcLoads(*lake, "b@v135", 51, 61));
  const auto clean = lake->Fsck(kGcCtx, Options(true));
  ASSERT_TRUE(clean.ok());
  EXPECT_EQ(FoundBy(*clean), Found{});
  // Again there is nothing to do.
  const auto again = lake->Rebuild(kGcCtx, Again("b", ""));
  EXPECT_EQ(again.error().code(), ErrorCode::kNotFound);
}

TEST(Rebuild, WhatWasForgottenStaysSoAndNumbersNeverFall) {
  Lakes lakes(false, kFewVersions);
  const StorePtr store = lakes.Fresh();
  VARVE_EXPECT_OK(GcOpen(store)->Forget(kGcCtx, "a@v5", "a mistake"));  // With a grace.
  RemoveAt(*store, format::HeadKey("a"));
  const auto lake = GcOpen(store);
  const auto report = lake->Rebuild(kGcCtx, Again("a", ""));
  ASSERT_TRUE(report.ok()) << report.error().ToString();
  // v2 to v6, and the save that died when it was about to become v7.
  ASSERT_EQ(report->rebuilt.size(), 6U);
  EXPECT_EQ(report->rebuilt.front().version, 2U);
  EXPECT_EQ(report->rebuilt.back().version, 7U);
  for (uint64_t version = 1; version <= 7; ++version) {
    const auto opened = lake->OpenAt(kGcCtx, "a@v" + std::to_string(version));
    ASSERT_FALSE(opened.ok());
    EXPECT_EQ(opened.error().code(), ErrorCode::kGone);
  }
  EXPECT_EQ(lake->Undelete(kGcCtx, "a@v1").error().code(), ErrorCode::kGone);
  VARVE_EXPECT_OK(lake->Undelete(kGcCtx, "a@v6"));
  VARVE_EXPECT_OK(GcLoads(*lake, "a", 3, 106));
  VARVE_EXPECT_OK(GcSave(*lake, "a", 9, 9));
  VARVE_EXPECT_OK(GcLoads(*lake, "a@v8", 9, 9));
}

TEST(Rebuild, ADamagedHeadIsNotWrittenOver) {
  Lakes lakes(false, kFewVersions);
  const StorePtr store = lakes.Fresh();
  CutAt(*store, format::HeadKey("a"), 60);
  const auto lake = GcOpen(store);
  const auto before = Everything(*store);
  const auto refused = lake->Rebuild(kGcCtx, Again("a", ""));
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().code(), ErrorCode::kCorrupt);
  EXPECT_EQ(Everything(*store), before);
  EXPECT_EQ(lake->Rebuild(kGcCtx, Again("a", "c")).error().code(), ErrorCode::kAlreadyExists);
  const auto report = lake->Rebuild(kGcCtx, Again("a", "a-found"));
  ASSERT_TRUE(report.ok()) << report.error().ToString();
  ASSERT_EQ(report->rebuilt.size(), 6U);
  EXPECT_EQ(report->rebuilt[0].was, 2U);
  EXPECT_EQ(report->rebuilt[0].version, 1U);
  VARVE_EXPECT_OK(lake->Undelete(kGcCtx, "a-found@v5"));
  VARVE_EXPECT_OK(GcLoads(*lake, "a-found", 3, 106));
}

TEST(Rebuild, ANewerHeadIsNotHiddenAndWhatIsTornIsLeft) {
  Lakes lakes(false, kFewVersions);
  const StorePtr store = lakes.Fresh();
  RemoveAt(*store, format::HeadKey("a"));
  const auto lake = GcOpen(store);
  VARVE_EXPECT_OK(GcSave(*lake, "a", 8, 8));  // Someone went on without noticing: a new v1.
  VARVE_EXPECT_OK(GcSave(*lake, "a", 8, 9));
  const auto report = lake->Rebuild(kGcCtx, Again("a", ""));
  ASSERT_TRUE(report.ok()) << report.error().ToString();
  EXPECT_EQ(report->left.size(), 1U);  // The old v2: its number is another's now.
  EXPECT_EQ(report->rebuilt.size(), 5U);
  VARVE_EXPECT_OK(GcLoads(*lake, "a@v1", 8, 8));
  VARVE_EXPECT_OK(GcLoads(*lake, "a", 8, 9));  // Still the newest that loads.
}

TEST(Rebuild, ASaveThatDiedDoesNotTakeANumber) {
  Lakes lakes(false, kFewVersions);  // One died in "a" when it was about to become v7.
  const StorePtr store = lakes.Fresh();
  {
    const auto writer = GcOpen(store);
    VARVE_EXPECT_OK(GcSave(*writer, "a", 5, 107));
    VARVE_EXPECT_OK(GcSave(*writer, "a", 5, 108));
  }
  RemoveAt(*store, format::HeadKey("a"));
  const auto lake = GcOpen(store);  // Another process: the writer would say what the store lost.
  const auto report = lake->Rebuild(kGcCtx, Again("a", ""));
  ASSERT_TRUE(report.ok()) << report.error().ToString();
  EXPECT_EQ(report->left.size(), 1U);
  VARVE_EXPECT_OK(lake->Undelete(kGcCtx, "a@v7"));
  VARVE_EXPECT_OK(GcLoads(*lake, "a@v7", 5, 107));
  VARVE_EXPECT_OK(lake->Undelete(kGcCtx, "a@v8"));
  VARVE_EXPECT_OK(GcLoads(*lake, "a@v8", 5, 108));
}

TEST(Rebuild, WhatACollectorGaveUpIsNotBroughtBack) {
  Lakes lakes(false, kFewVersions);
  const StorePtr store = lakes.Fresh();
  const auto id = FsckEntry(store, "c@v1").meta_id;
  RemoveAt(*store, format::HeadKey("c"));
  auto state = format::DecodeGcState(AsText(BytesAt(*store, "gc/state")));
  ASSERT_TRUE(state.ok());
  format::GcListPart part;
  part.kind = format::IdKind::kMeta;
  part.key = format::GcListKey(state->epoch, true, id, 9);
  part.first = part.last = id;
  part.ids = 1;
  state->lists[state->epoch] = {part};
  PutAt(*store, part.key, *format::EncodeGcList({id}));
  PutAt(*store, "gc/state", AsBytes(*format::EncodeGcState(*state)));
  const auto lake = GcOpen(store);
  const auto report = lake->Rebuild(kGcCtx, Again("c", ""));
  ASSERT_TRUE(report.ok()) << report.error().ToString();
  EXPECT_TRUE(report->rebuilt.empty());
  EXPECT_EQ(report->left.size(), 1U);
  EXPECT_FALSE(lake->Describe(kGcCtx, "c@v1").ok());
}

// --- Faults and neighbours. ---

// A small lake with a footer and a pack damaged that can be mended, and without gc/state.
StorePtr Hurt(bool state_gone) {
  const auto memory = GcLittered();
  {
    const auto lake = GcOpen(memory);
    VARVE_EXPECT_OK(GcSave(*lake, "c", 1, 2));  // What a@v2 is.
  }
  const auto at = FsckTensor(memory, "c@v1", 1);
  RemoveAt(*memory, at.pack);
  const auto footer = FsckTensor(memory, "b@v1", 0);
  FlipAt(*memory, footer.pack, footer.pack_bytes - 40);
  if (state_gone) RemoveAt(*memory, "gc/state");
  return memory;
}
void ExpectWhole(const StorePtr& store) {
  const auto lake = GcOpen(store);
  VARVE_EXPECT_OK(GcLoads(*lake, "a@v2", 1, 2));
  VARVE_EXPECT_OK(GcLoads(*lake, "a@v4", 2, 4));
  VARVE_EXPECT_OK(GcLoads(*lake, "b@v1", 7, 8));
}

// Case 24 of docs/incidents.md.
TEST(Case24, ARepairOfASoundLakeChangesNothing) {
  const auto store = std::make_shared<store::MemoryStore>();
  ASSERT_TRUE(Lake::Init(kGcCtx, *store).ok());
  const auto lake = GcOpen(store);
  for (uint64_t i = 1; i <= 3; ++i) VARVE_EXPECT_OK(GcSave(*lake, "a", 1, i));
  VARVE_EXPECT_OK(lake->Forget(kGcCtx, "a@v1", "old", kGcAtOnce));
  VARVE_EXPECT_OK(lake->CollectGarbage(kGcCtx, kGcNow));
  const auto before = Everything(*store);
  for (int again = 0; again < 2; ++again) {
    const auto report = lake->Repair(kGcCtx, Options(true), nullptr);
    ASSERT_TRUE(report.ok()) << report.error().ToString();
    EXPECT_EQ(report->findings_total, 0U);
    EXPECT_EQ(Everything(*store), before);
  }
}

TEST(Case24, AFaultAtEveryRequestLeavesNothingWorse) {
  for (const Fault fault :
       {Fault::kCrashBefore, Fault::kCrashAfter, Fault::kCrashZombie, Fault::kLoseAnswer,
        Fault::kLoseRequest, Fault::kZombie, Fault::kRefuse, Fault::kThrottle, Fault::kFull}) {
    for (const bool state_gone : {false, true}) {
      // Without gc/state there is one write more; a few outcomes of it are enough.
      bool struck = !state_gone || fault == Fault::kCrashAfter || fault == Fault::kLoseAnswer ||
                    fault == Fault::kZombie;
      for (uint64_t at = 1; struck; ++at) {
        ASSERT_LT(at, 400U);
        SCOPED_TRACE("fault " + std::to_string(static_cast<int>(fault)) + " at request " +
                     std::to_string(at));
        const StorePtr store = Hurt(state_gone);
        const auto before = Everything(*store);
        const auto faulty = std::make_shared<FaultStore>(store);
        {
          const auto lake = GcOpen(faulty);
          faulty->Plan(fault, at);
          const auto report = lake->Repair(kGcCtx, Options(true), nullptr);
          struck = faulty->requests() >= at;
          EXPECT_TRUE(struck || report.ok());
        }
        faulty->Settle();
        ExpectOnlyAdded(before, Everything(*store));
        ExpectWhole(store);
        const auto lake = GcOpen(store);
        const auto mended = lake->Repair(kGcCtx, Options(true), nullptr);
        ASSERT_TRUE(mended.ok()) << mended.error().ToString();
        const auto clean = lake->Fsck(kGcCtx, Options(true));
        ASSERT_TRUE(clean.ok());
        EXPECT_EQ(FoundBy(*clean), Found{});
        ExpectWhole(store);
        VARVE_EXPECT_OK(GcLoads(*lake, "c@v1", 1, 2));
        VARVE_EXPECT_OK(lake->CollectGarbage(kGcCtx, kGcNow));
        ExpectWhole(store);
        VARVE_EXPECT_OK(GcLoads(*lake, "c@v1", 1, 2));
      }
    }
  }
}

TEST(Repair, AFaultAtEveryRequestOfARebuild) {
  for (const Fault fault : {Fault::kCrashBefore, Fault::kCrashAfter, Fault::kLoseAnswer,
                            Fault::kZombie, Fault::kRefuse, Fault::kFull}) {
    bool struck = true;
    for (uint64_t at = 1; struck; ++at) {
      ASSERT_LT(at, 400U);
      SCOPED_TRACE("fault " + std::to_string(static_cast<int>(fault)) + " at request " +
                   std::to_string(at));
      const StorePtr store = GcLittered();
      RemoveAt(*store, format::HeadKey("b"));
      const auto before = Everything(*store);
      const auto faulty = std::make_shared<FaultStore>(store);
      const RebuildOptions options = Again("b", "");
      {
        const auto lake = GcOpen(faulty);
        faulty->Plan(fault, at);
        static_cast<void>(lake->Rebuild(kGcCtx, options));
        struck = faulty->requests() >= at;
      }
      faulty->Settle();
      ExpectOnlyAdded(before, Everything(*store));
      const auto lake = GcOpen(store);
      static_cast<void>(lake->Rebuild(kGcCtx, options));
      VARVE_EXPECT_OK(lake->Undelete(kGcCtx, "b@v1"));
      ExpectWhole(store);
    }
  }
}

// At every request of a repair a whole collection runs, or a save, or a forget.
TEST(Repair, BesideCollectorsAndWriters) {
  for (int what = 0; what < 3; ++what) {
    bool struck = true;
    for (uint64_t at = 1; struck; ++at) {
      ASSERT_LT(at, 400U);
      SCOPED_TRACE("neighbour " + std::to_string(what) + " at request " + std::to_string(at));
      const StorePtr store = GcLittered();
      const auto footer = FsckTensor(store, "b@v1", 0);
      FlipAt(*store, footer.pack, footer.pack_bytes - 40);
      const auto other = GcOpen(store);
      const auto hooked = std::make_shared<HookStore>(store);
      const auto lake = GcOpen(hooked);
      const uint64_t begun = hooked->requests();
      hooked->before = [&](uint64_t request) {
        if (request != begun + at) return;
        if (what == 0) {
          VARVE_EXPECT_OK(other->CollectGarbage(kGcCtx, kGcNow));
        } else if (what == 1) {
          VARVE_EXPECT_OK(GcSave(*other, "b", 7, 9));
        } else {
          VARVE_EXPECT_OK(GcSave(*other, "b", 17, 19));
          VARVE_EXPECT_OK(other->Forget(kGcCtx, "b@v1", "test", kGcAtOnce));
          VARVE_EXPECT_OK(other->CollectGarbage(kGcCtx, kGcNow));
        }
      };
      const auto report = lake->Repair(kGcCtx, Options(true), nullptr);
      struck = hooked->requests() >= begun + at;
      hooked->before = nullptr;
      VARVE_EXPECT_OK(GcLoads(*other, "a@v2", 1, 2));
      VARVE_EXPECT_OK(GcLoads(*other, "a@v4", 2, 4));
      if (what < 2 || !struck) {
        VARVE_EXPECT_OK(GcLoads(*other, "b@v1", 7, 8));
      } else {
        VARVE_EXPECT_OK(GcLoads(*other, "b@v2", 17, 19));
        EXPECT_EQ(other->OpenAt(kGcCtx, "b@v1").error().code(), ErrorCode::kGone);
      }
      ASSERT_TRUE(lake->Repair(kGcCtx, Options(true), nullptr).ok());
      const auto clean = lake->Fsck(kGcCtx, Options(true));
      ASSERT_TRUE(clean.ok());
      // A collection without a grace takes the reservation of a repair that has put nothing yet.
      EXPECT_EQ(clean->findings.size(), clean->Count(plan::Harm::kNote));
      VARVE_EXPECT_OK(other->CollectGarbage(kGcCtx, kGcNow));
      VARVE_EXPECT_OK(GcLoads(*other, "a@v2", 1, 2));
      VARVE_EXPECT_OK(GcLoads(*other, what == 2 && struck ? "b@v2" : "b@v1",
                              what == 2 && struck ? 17 : 7, what == 2 && struck ? 19 : 8));
    }
  }
}

// --- Random damage. ---

bool Told(const FsckReport& report, const std::string& address) {
  const std::string name = address.substr(0, address.find('@'));
  for (const FsckFinding& finding : report.findings) {
    if (finding.object == "lake.json" || finding.object == format::HeadKey(name)) return true;
    if (finding.kind == Damage::kHeadsMissing || finding.kind == Damage::kHistoryMissing ||
        finding.kind == Damage::kHistoryDamaged) {
      return true;
    }
    const bool more = finding.affected_total > finding.affected.size();
    for (const std::string& each : finding.affected) {
      if (each == address || each.starts_with(address + ":")) return true;
      if (more && each.starts_with(name + "@")) return true;  // A list of so many is cut.
    }
  }
  return false;
}

TEST(Repair, WhateverIsDamagedEveryVersionLoadsOrIsTold) {
  Lakes lakes(false, kFewVersions);
  const auto other = GcOpen(lakes.original());
  for (uint64_t seed = 1; seed <= 60; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    SeededRandom random(seed);
    const StorePtr store = lakes.Fresh();
    const auto lake = GcOpen(store);
    const auto all = GcKeys(*store, "");
    std::vector<std::string> keys;
    for (const std::string& key : all) {
      if (key != "lake.json") keys.push_back(key);
    }
    std::string done;
    for (uint64_t left = random.Between(1, 4); left > 0; --left) {
      const std::string& key = keys[random.Between(0, keys.size() - 1)];
      if (!GcKeys(*store, key).contains(key)) continue;
      const Bytes body = BytesAt(*store, key);
      const uint64_t how = random.Between(0, 3);
      done += " " + std::to_string(how) + ":" + key;
      switch (how) {
        case 0:
          RemoveAt(*store, key);
          break;
        case 1:
          // JSON has no checksum of its own: a flipped digit may be another sound object.
          if (!body.empty() && body[0] != std::byte{'{'})
            FlipAt(*store, key, random.Between(0, body.size() - 1));
          break;
        case 2:
          CutAt(*store, key, body.empty() ? 0 : random.Between(0, body.size() - 1));
          break;
        default: {
          const std::string& second = keys[random.Between(0, keys.size() - 1)];
          const bool alike = key.substr(0, 4) == second.substr(0, 4) && key != second;
          if (alike && GcKeys(*store, second).contains(second)) SwapAt(*store, key, second);
        }
      }
    }
    SCOPED_TRACE(done);
    const auto before = Everything(*store);
    const std::set<std::string> loaded = FsckLoadable(store, lakes.truth);
    const auto report =
        lake->Repair(kGcCtx, Options(true), random.Between(0, 1) == 1 ? other.get() : nullptr);
    ASSERT_TRUE(report.ok()) << report.error().ToString();
    ExpectOnlyAdded(before, Everything(*store));
    const std::set<std::string> loads = FsckLoadable(store, lakes.truth);
    EXPECT_TRUE(std::includes(loads.begin(), loads.end(), loaded.begin(), loaded.end()));
    const auto left = lake->Fsck(kGcCtx, Options(true));
    ASSERT_TRUE(left.ok()) << left.error().ToString();
    for (const auto& [address, seeds] : lakes.truth) {
      EXPECT_TRUE(loads.contains(address) || Told(*left, address)) << address;
    }
  }
}

}  // namespace
}  // namespace varve::lake
