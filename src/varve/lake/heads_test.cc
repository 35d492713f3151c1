// Goal: a commit whose answer is lost ends as what it is: once, not at all, or said to be unknown.
// Method: the memory store behind one that, at our conditional write, does what a slow network and
// other writers may do.
#include "varve/lake/heads.h"

#include <gtest/gtest.h>

#include "varve/lake/lake.h"
#include "varve/store/fault/fault_store.h"
#include "varve/store/memory/memory_store.h"

namespace varve::lake {
namespace {

const OpContext kCtx;
constexpr LakeOptions kSmall{
    .cpu_threads = 1, .transfers = 1, .memory_bytes = 64 * kMiB, .compress = false};

std::unique_ptr<Lake> OpenOn(std::shared_ptr<store::ObjectStore> store) {
  return std::move(Lake::Open(kCtx, std::move(store), kSmall).value());
}

Result<SaveReport> Save(const OpContext& ctx, Lake& lake, int64_t step) {
  SaveOptions options;
  options.step = step;
  VARVE_TRY(auto session, lake.BeginSave(ctx, "llama", std::move(options)));
  VARVE_CHECK_OK(session->AddTensor(ctx, "step", codec::DType::kI64, {1},
                                    std::as_bytes(std::span(&step, 1)), SaveSession::Hold::kCopy));
  return session->Commit(ctx);
}

// Lets `strike` answer the first swap of a head that has versions.
class Struck final : public store::ForwardingStore {
 public:
  using Strike = std::function<Result<store::ObjectInfo>(const std::function<void()>& apply)>;
  Struck(std::shared_ptr<store::ObjectStore> inner, Strike strike)
      : ForwardingStore(std::move(inner)), strike_(std::move(strike)) {}
  Result<store::ObjectInfo> Cas(const OpContext& ctx, const store::Key& key, ByteView body,
                                const std::optional<store::Etag>& expected) override {
    ++swaps;
    if (!expected.has_value() || !strike_) return inner_->Cas(ctx, key, body, expected);
    const Strike strike = std::exchange(strike_, nullptr);
    return strike([&] { ASSERT_TRUE(inner_->Cas(kCtx, key, body, expected).ok()); });
  }
  Result<std::vector<store::DeleteReply>> Delete(const OpContext& ctx,
                                                 std::span<const store::Key> keys) override {
    ++deletes;
    return inner_->Delete(ctx, keys);
  }
  int swaps = 0, deletes = 0;

 private:
  Strike strike_;
};

std::shared_ptr<store::MemoryStore> LakeWithOneVersion() {
  auto memory = std::make_shared<store::MemoryStore>();
  EXPECT_TRUE(Lake::Init(kCtx, *memory).ok());
  EXPECT_TRUE(Save(kCtx, *OpenOn(memory), 1).ok());
  return memory;
}

size_t VersionsOfStep(store::MemoryStore& memory, int64_t step) {
  const auto lake = OpenOn(std::shared_ptr<store::MemoryStore>(&memory, [](auto*) {}));
  const auto history = lake->History(kCtx, "llama", 1000);
  EXPECT_TRUE(history.ok());
  size_t count = 0;
  for (const VersionInfo& info : *history) {
    count += info.entry.has_step && info.entry.step == step;
  }
  return count;
}

Error NoAnswer() { return Error(ErrorCode::kUnknownOutcome, "connection reset"); }

// Case 1 of docs/incidents.md. Also when so many others committed meanwhile that ours was folded
// into history: a saver that was stopped for a day wakes up to that.
TEST(Case01, ACommitThatLandedUnansweredIsNotMadeTwice) {
  for (const int others : {0, 1, 200}) {
    const auto memory = LakeWithOneVersion();
    const auto struck = std::make_shared<Struck>(memory, [&](const std::function<void()>& apply) {
      apply();
      const auto other = OpenOn(memory);
      for (int i = 0; i < others; ++i) EXPECT_TRUE(Save(kCtx, *other, 3).ok());
      return NoAnswer();
    });
    const auto saved = Save(kCtx, *OpenOn(struck), 2);
    ASSERT_TRUE(saved.ok()) << saved.error().ToString();
    EXPECT_EQ(saved->version, 2u);
    EXPECT_EQ(VersionsOfStep(*memory, 2), 1u) << others;
    EXPECT_EQ(struck->deletes, 0);
  }
}

TEST(Heads, ACommitThatGotLostIsMadeOnceMore) {
  for (const int others : {0, 1, 200}) {
    const auto memory = LakeWithOneVersion();
    const auto struck = std::make_shared<Struck>(memory, [&](const std::function<void()>&) {
      const auto other = OpenOn(memory);
      for (int i = 0; i < others; ++i) EXPECT_TRUE(Save(kCtx, *other, 3).ok());
      return NoAnswer();
    });
    const auto saved = Save(kCtx, *OpenOn(struck), 2);
    ASSERT_TRUE(saved.ok()) << saved.error().ToString();
    EXPECT_EQ(saved->version, static_cast<uint64_t>(others) + 2);
    EXPECT_EQ(VersionsOfStep(*memory, 2), 1u);
  }
}

class TestClock final : public Clock {
 public:
  int64_t WallMs() const override { return SystemClock().WallMs(); }
  int64_t SteadyNs() const override { return now_ns; }
  void SleepUntil(int64_t steady_ns) override { now_ns = std::max(now_ns.load(), steady_ns); }
  std::atomic<int64_t> now_ns{1};
};

// "The deadline passed; try again" would make it twice.
TEST(Heads, AnUnknownOutcomeDoesNotTurnIntoATimeout) {
  for (const bool lands : {true, false}) {
    const auto memory = LakeWithOneVersion();
    TestClock clock;
    const OpContext ctx = OpContext(clock, OsRandom()).WithTimeout(1000);
    const auto struck = std::make_shared<Struck>(memory, [&](const std::function<void()>& apply) {
      if (lands) apply();
      clock.now_ns += 2'000'000'000;
      return NoAnswer();
    });
    const auto saved = Save(ctx, *OpenOn(struck), 2);
    ASSERT_FALSE(saved.ok());
    EXPECT_EQ(saved.error().code(), ErrorCode::kUnknownOutcome) << saved.error().ToString();
    EXPECT_EQ(VersionsOfStep(*memory, 2), lands ? 1u : 0u);
  }
}

// Refuses the first `left` swaps as lost races that nobody won.
class Refusing final : public store::ForwardingStore {
 public:
  Refusing(std::shared_ptr<store::ObjectStore> inner, int& left)
      : ForwardingStore(std::move(inner)), left_(left) {}
  Result<store::ObjectInfo> Cas(const OpContext& ctx, const store::Key& key, ByteView body,
                                const std::optional<store::Etag>& expected) override {
    if (!expected.has_value() || left_ == 0) return inner_->Cas(ctx, key, body, expected);
    --left_;
    return Error(ErrorCode::kConflict, "another version is there");
  }

 private:
  int& left_;
};

TEST(Heads, ARefusalIsSaidAsItIs) {
  const auto memory = LakeWithOneVersion();
  const auto struck = std::make_shared<Struck>(memory, [](const std::function<void()>&) {
    return Error(ErrorCode::kPermissionDenied, "no");
  });
  EXPECT_EQ(Save(kCtx, *OpenOn(struck), 2).error().code(), ErrorCode::kPermissionDenied);
  EXPECT_EQ(struck->swaps, 1);
}

// A store that lost its quorum acknowledges a commit and forgets it, or lets another writer have
// its number. Who committed it stops at the next commit instead of building on what is there.
TEST(Case20, AnAcknowledgedCommitThatTheStoreLostIsNoticed) {
  for (const bool another_took_it : {false, true}) {
    const auto memory = LakeWithOneVersion();
    const auto saver = OpenOn(memory);
    const store::Key key(format::HeadKey("llama"));
    const auto before = memory->Get(kCtx, key, {});
    ASSERT_TRUE(Save(kCtx, *saver, 2).ok());
    const auto after = memory->Get(kCtx, key, {});
    ASSERT_TRUE(memory->Cas(kCtx, key, before->body, after->info.etag).ok());  // Rolled back.
    if (another_took_it) {
      ASSERT_TRUE(Save(kCtx, *OpenOn(memory), 7).ok());
    }
    const auto now = memory->Get(kCtx, key, {});
    for (int tries = 0; tries < 2; ++tries) {
      const auto saved = Save(kCtx, *saver, 3);
      ASSERT_FALSE(saved.ok());
      EXPECT_EQ(saved.error().code(), ErrorCode::kCorrupt) << saved.error().ToString();
      EXPECT_NE(saved.error().message().find("lost an acknowledged write: v2 of 'llama'"),
                std::string::npos)
          << saved.error().message();
    }
    EXPECT_EQ(memory->Get(kCtx, key, {})->body, now->body) << "the head did not move";
  }
}

// As a bucket with versioning on some servers: every condition is refused, whatever it says.
TEST(Heads, AStoreThatRefusesWithoutReasonEndsTheCommitAtOnce) {
  for (const int refusals : {1, 1000}) {
    const auto memory = LakeWithOneVersion();
    int left = refusals;
    const auto refusing = std::make_shared<Refusing>(memory, left);
    TestClock clock;
    const auto saved = Save(OpContext(clock, OsRandom()), *OpenOn(refusing), 2);
    if (refusals == 1) {
      EXPECT_TRUE(saved.ok()) << saved.error().ToString();
      continue;
    }
    ASSERT_FALSE(saved.ok());
    EXPECT_EQ(saved.error().code(), ErrorCode::kUnsupported) << saved.error().ToString();
    EXPECT_NE(saved.error().message().find("run: varve doctor " + memory->Describe()),
              std::string::npos)
        << saved.error().message();
    EXPECT_EQ(refusals - left, kSameRefusalsMax);
    EXPECT_EQ(VersionsOfStep(*memory, 2), 0u);
  }
}

// What was put under that name may be there: other bytes under it would be an overwrite.
TEST(IdSource, AReservationWithoutAnAnswerIsNotWrittenAgainUnderItsName) {
  const auto memory = std::make_shared<store::MemoryStore>();
  const auto faulty = std::make_shared<store::FaultStore>(memory);
  faulty->Plan(store::Fault::kLoseAnswer, 1);
  IdSource ids(*faulty);
  EXPECT_EQ(ids.Next(kCtx, "first").error().code(), ErrorCode::kUnavailable);
  const auto id = ids.Next(kCtx, "second");
  ASSERT_TRUE(id.ok()) << id.error().ToString();
  EXPECT_EQ(store::ListAll(kCtx, *memory, "sess/")->size(), 2u);
}

}  // namespace
}  // namespace varve::lake
