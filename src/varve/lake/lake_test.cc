// Goal: what was acknowledged loads byte for byte, whatever fails around it.
// Method: real saves over the memory store; every request of a save failed in every way in turn;
// damage to every object; concurrent savers.
#include "varve/lake/lake.h"

#include <gtest/gtest.h>

#include "varve/base/random.h"
#include "varve/exec/parallel.h"
#include "varve/store/fault/fault_store.h"
#include "varve/store/memory/memory_store.h"
#include "varve/testing/impatient_clock.h"
#include "varve/testing/random_bytes.h"

namespace varve::lake {
namespace {

using store::Fault;
using store::FaultStore;
using store::MemoryStore;

const OpContext kCtx = ImpatientContext();
constexpr LakeOptions kSmall{
    .cpu_threads = 2, .transfers = 2, .memory_bytes = 128 * kMiB, .compress = true};

std::unique_ptr<Lake> OpenOn(std::shared_ptr<store::ObjectStore> store) {
  auto opened = Lake::Open(kCtx, std::move(store), kSmall);
  EXPECT_TRUE(opened.ok()) << opened.error().ToString();
  return std::move(opened).value();
}

std::shared_ptr<MemoryStore> FreshStore() {
  auto memory = std::make_shared<MemoryStore>();
  EXPECT_TRUE(Lake::Init(kCtx, *memory).ok());
  return memory;
}

struct State {
  Bytes weights, moments;
};

Result<SaveReport> Save(Lake& lake, const State& state, SaveOptions options = {}) {
  VARVE_TRY(auto session, lake.BeginSave(kCtx, "llama", std::move(options)));
  VARVE_CHECK_OK(session->AddTensor(kCtx, "model/w", codec::DType::kF32, {state.weights.size() / 4},
                                    state.weights, SaveSession::Hold::kBorrow));
  VARVE_CHECK_OK(session->AddTensor(kCtx, "optim/m", codec::DType::kF32, {state.moments.size() / 4},
                                    state.moments, SaveSession::Hold::kCopy));
  VARVE_CHECK_OK(
      session->AddTensor(kCtx, "empty", codec::DType::kBf16, {0, 3}, {}, SaveSession::Hold::kCopy));
  VARVE_CHECK_OK(session->AddTensorAlias("tied", "model/w"));
  return session->Commit(kCtx);
}

Status LoadInto(Lake& lake, std::string_view address, State& state) {
  VARVE_TRY(auto version, lake.OpenAt(kCtx, address));
  const auto& tensors = version->commit().tensors;
  std::vector<OpenVersion::TensorRead> reads;
  Bytes tied(tensors[3].raw_bytes);
  state.weights.assign(tensors[0].raw_bytes, std::byte{});
  state.moments.assign(tensors[1].raw_bytes, std::byte{});
  VARVE_CHECK_OK(
      version->ReadTensors(kCtx, {{0, state.weights}, {1, state.moments}, {2, {}}, {3, tied}}));
  if (tied != state.weights) return Error(ErrorCode::kInternal, "the alias differs");
  return OkStatus();
}

void ExpectLoads(Lake& lake, std::string_view address, const State& wanted) {
  State got;
  const Status loaded = LoadInto(lake, address, got);
  ASSERT_TRUE(loaded.ok()) << loaded.error().ToString();
  EXPECT_TRUE(got.weights == wanted.weights && got.moments == wanted.moments);
}

TEST(Lake, SavesSharesAndLoads) {
  const auto lake = OpenOn(FreshStore());
  State state{RandomBytes(20 * kMiB, 1), RandomBytes(9 * kMiB, 2)};
  const auto first = Save(*lake, state);
  ASSERT_TRUE(first.ok()) << first.error().ToString();
  EXPECT_EQ(first->version, 1u);
  state.moments[5] ^= std::byte{1};
  const auto second = Save(*lake, state);
  ASSERT_TRUE(second.ok());
  EXPECT_EQ(second->version, 2u);
  EXPECT_EQ(second->shared_bytes, 21 * kMiB);  // All but the one 8 MiB chunk that changed.
  EXPECT_LT(second->stored_bytes, 9 * kMiB);
  ExpectLoads(*lake, "llama", state);
  state.moments[5] ^= std::byte{1};
  ExpectLoads(*lake, "llama@v1", state);
  const auto diff = lake->Diff(kCtx, "llama@v1", "llama@v2");
  ASSERT_TRUE(diff.ok());
  ASSERT_EQ(diff->changed.size(), 1u);
  EXPECT_EQ(diff->changed[0].path, "optim/m");
  EXPECT_EQ(diff->changed[0].shared_bytes, 1 * kMiB);
  EXPECT_EQ(diff->equal.size(), 3u);
}

// Kills the save at every request, before and after it is applied; loses every answer; fails once.
TEST(Lake, AFaultAtEveryRequestLeavesThePreviousVersionAndNothingHalfVisible) {
  const State old_state{RandomBytes(9 * kMiB, 3), RandomBytes(1 * kMiB, 4)};
  const State new_state{RandomBytes(9 * kMiB, 5), RandomBytes(1 * kMiB, 6)};
  for (const Fault fault : {Fault::kCrashBefore, Fault::kCrashAfter, Fault::kLoseAnswer,
                            Fault::kRefuse, Fault::kFull}) {
    bool struck = true;
    for (uint64_t at = 1; struck; ++at) {
      ASSERT_LT(at, 100u);
      const auto memory = FreshStore();
      ASSERT_TRUE(Save(*OpenOn(memory), old_state).ok());
      const auto faulty = std::make_shared<FaultStore>(memory);
      bool acknowledged = false;
      {
        const auto lake = OpenOn(faulty);
        faulty->Plan(fault, at);
        acknowledged = Save(*lake, new_state).ok();
        struck = faulty->requests() >= at;
      }
      const auto lake = OpenOn(memory);
      ExpectLoads(*lake, "llama@v1", old_state);
      const auto history = lake->History(kCtx, "llama", 10);
      ASSERT_TRUE(history.ok());
      ASSERT_LE(history->size(), 2u);
      if (acknowledged) {
        ASSERT_EQ(history->size(), 2u) << "an acknowledged version is gone";
      }
      if (history->size() == 2) ExpectLoads(*lake, "llama@v2", new_state);
      // And the lake goes on.
      ASSERT_TRUE(Save(*lake, new_state).ok());
      ExpectLoads(*lake, "llama", new_state);
    }
  }
}

TEST(Lake, ADamagedByteIsNeverReturned) {
  const auto memory = FreshStore();
  const State state{RandomBytes(3 * kMiB, 7), RandomBytes(1 * kMiB, 8)};
  ASSERT_TRUE(Save(*OpenOn(memory), state).ok());
  const auto objects = store::ListAll(kCtx, *memory, "");
  SeededRandom random(9);
  for (const store::ListedObject& object : *objects) {
    const std::string& key = object.key.str();
    if (!key.starts_with("pack/") && !key.starts_with("meta/")) continue;
    for (int round = 0; round < 40; ++round) {
      const uint64_t offset = random.Between(0, object.bytes - 1);
      ASSERT_TRUE(memory->Damage(key, offset));
      const auto lake = OpenOn(memory);
      State got;
      const Status loaded = LoadInto(*lake, "llama", got);
      if (loaded.ok()) {
        EXPECT_TRUE(got.weights == state.weights && got.moments == state.moments)
            << key << " " << offset;
      } else {
        EXPECT_EQ(loaded.error().code(), ErrorCode::kCorrupt) << loaded.error().ToString();
        if (key.starts_with("pack/")) {
          EXPECT_NE(loaded.error().message().find("chunk"), std::string::npos);
          EXPECT_FALSE(lake->Verify(kCtx, "llama")->damage.empty());
        }
      }
      ASSERT_TRUE(memory->Damage(key, offset));  // Heals it.
    }
  }
}

TEST(Lake, ConcurrentSaversLoseNothingAndNumberWithoutAGap) {
  const auto memory = FreshStore();
  ThreadPool pool({.name = "savers", .threads = 7, .queue_max = 64, .background = false});
  const auto save_one = [&](size_t i) -> Status {
    const auto lake = OpenOn(memory);
    for (uint64_t round = 0; round < 5; ++round) {
      VARVE_TRY(const auto report,
                Save(*lake, {RandomBytes(1000 * 8, i * 10 + round), RandomBytes(80, 1)}));
      static_cast<void>(report);
    }
    return OkStatus();
  };
  const Status saved = ParallelFor(kCtx, pool, 8, 8, save_one);
  ASSERT_TRUE(saved.ok()) << saved.error().ToString();
  const auto history = OpenOn(memory)->History(kCtx, "llama", 1000);
  ASSERT_EQ(history->size(), 40u);
  for (size_t i = 0; i < 40; ++i) EXPECT_EQ((*history)[i].entry.version, 40 - i);
}

TEST(Lake, HistoryFoldsAndStaysReachable) {
  const auto memory = FreshStore();
  const auto lake = OpenOn(memory);
  for (int64_t i = 1; i <= 200; ++i) {
    SaveOptions options;
    options.step = i;
    ASSERT_TRUE(
        Save(*lake, {RandomBytes(80, 1), RandomBytes(80, static_cast<uint64_t>(i))}, options).ok());
  }
  EXPECT_EQ(lake->History(kCtx, "llama", 1000)->size(), 200u);
  for (const uint64_t version : {1UL, 63UL, 64UL, 65UL, 128UL, 137UL, 200UL}) {
    const auto info = lake->Describe(kCtx, "llama@v" + std::to_string(version));
    ASSERT_TRUE(info.ok()) << info.error().ToString();
    EXPECT_EQ(info->entry.step, static_cast<int64_t>(version));
    ExpectLoads(*lake, "llama@v" + std::to_string(version),
                {RandomBytes(80, 1), RandomBytes(80, version)});
  }
}

TEST(Lake, LabelsAndForgetting) {
  const auto lake = OpenOn(FreshStore());
  for (uint64_t i = 1; i <= 3; ++i)
    ASSERT_TRUE(Save(*lake, {RandomBytes(80, i), RandomBytes(80, i)}).ok());
  ASSERT_TRUE(lake->SetAlias(kCtx, "llama", "best", "llama@v2").ok());
  ASSERT_TRUE(lake->SetTag(kCtx, "llama", "paper", "llama@best").ok());
  EXPECT_EQ(lake->SetTag(kCtx, "llama", "paper", "llama@v3").error().code(),
            ErrorCode::kAlreadyExists);
  EXPECT_EQ(lake->Forget(kCtx, "llama@best", "old").error().code(), ErrorCode::kConflict);
  ASSERT_TRUE(lake->Forget(kCtx, "llama@v3", "diverged").ok());
  EXPECT_EQ(lake->OpenAt(kCtx, "llama@v3").error().code(), ErrorCode::kGone);
  ExpectLoads(*lake, "llama@latest", {RandomBytes(80, 2), RandomBytes(80, 2)});
  const auto missing = lake->OpenAt(kCtx, "lama");
  EXPECT_EQ(missing.error().code(), ErrorCode::kNotFound);
  EXPECT_NE(missing.error().message().find("'llama'"), std::string::npos);
  EXPECT_EQ(Save(*lake, {RandomBytes(80, 1), RandomBytes(80, 1)})->version, 4u)
      << "numbers are never reused";
}

TEST(Lake, CopiesKeepCommitIds) {
  const auto source = OpenOn(FreshStore()), destination = OpenOn(FreshStore());
  const State state{RandomBytes(9 * kMiB, 1), RandomBytes(kMiB, 2)};
  const auto saved = Save(*source, state);
  ASSERT_TRUE(Save(*source, {state.weights, RandomBytes(kMiB, 3)}).ok());
  const auto copied = destination->CopyFrom(kCtx, *source, "llama");
  ASSERT_TRUE(copied.ok()) << copied.error().ToString();
  EXPECT_EQ(copied->versions_copied, 2u);
  EXPECT_EQ(destination->Describe(kCtx, "llama@v1")->entry.commit_id, saved->commit_id);
  ExpectLoads(*destination, "llama@v1", state);
  EXPECT_EQ(destination->CopyFrom(kCtx, *source, "llama")->versions_skipped, 2u);
}

TEST(Lake, ADamagedVersionIsNoBaseAndNoReasonToLoseTheNext) {
  const auto memory = FreshStore();
  const State state{RandomBytes(80, 1), RandomBytes(80, 2)};
  const auto first = Save(*OpenOn(memory), state);
  ASSERT_TRUE(first.ok());
  const std::string key = store::ListAll(kCtx, *memory, "meta/")->front().key.str();
  ASSERT_TRUE(memory->Damage(key, 40));
  EXPECT_EQ(OpenOn(memory)->OpenAt(kCtx, "llama").error().code(), ErrorCode::kCorrupt);
  const auto second = Save(*OpenOn(memory), state);
  ASSERT_TRUE(second.ok()) << second.error().ToString();
  ExpectLoads(*OpenOn(memory), "llama@v2", state);
}

TEST(Lake, APackThatWasCutShortIsNotReused) {
  const auto memory = FreshStore();
  const State state{RandomBytes(80, 1), RandomBytes(80, 2)};
  ASSERT_TRUE(Save(*OpenOn(memory), state).ok());
  const store::Key pack = store::ListAll(kCtx, *memory, "pack/")->front().key;
  const auto whole = memory->Get(kCtx, pack, {});
  ASSERT_TRUE(memory->Delete(kCtx, std::vector<store::Key>{pack}).ok());
  ASSERT_TRUE(memory->PutNew(kCtx, pack, ByteView(whole->body).first(100)).ok());
  ASSERT_TRUE(Save(*OpenOn(memory), state).ok());
  ExpectLoads(*OpenOn(memory), "llama@v2", state);
}

// A lifecycle rule or an operator, between two saves of one training run.
TEST(Lake, APackDeletedBehindAnOpenLakeIsNotReused) {
  const auto memory = FreshStore();
  const auto lake = OpenOn(memory);
  const State state{RandomBytes(80, 1), RandomBytes(80, 2)};
  for (int saves = 0; saves < 3; ++saves) ASSERT_TRUE(Save(*lake, state).ok());
  const auto packs = store::ListAll(kCtx, *memory, "pack/");
  for (const store::ListedObject& pack : *packs)
    ASSERT_TRUE(memory->Delete(kCtx, std::vector<store::Key>{pack.key}).ok());
  ASSERT_TRUE(Save(*lake, state).ok());
  ExpectLoads(*OpenOn(memory), "llama@v4", state);
}

TEST(Lake, InitRefusesAnOccupiedPlace) {
  const auto memory = FreshStore();
  EXPECT_EQ(Lake::Init(kCtx, *memory).error().code(), ErrorCode::kAlreadyExists);
  MemoryStore used;
  ASSERT_TRUE(used.PutNew(kCtx, store::Key("other/file"), {}).ok());
  EXPECT_EQ(Lake::Init(kCtx, used).error().code(), ErrorCode::kInvalidArgument);
  EXPECT_EQ(Lake::Open(kCtx, std::make_shared<MemoryStore>(), kSmall).error().code(),
            ErrorCode::kNotFound);
}

}  // namespace
}  // namespace varve::lake
