// Goal: one fetch for all threads, renewal before the end, and an old set that outlives failures.
// Method: a scripted provider and a clock that the test moves.
#include "varve/store/s3/credentials/credential_cache.h"

#include <gtest/gtest.h>

#include <atomic>

#include "varve/exec/parallel.h"

namespace varve::store {
namespace {

class HandClock final : public Clock {
 public:
  int64_t WallMs() const override { return 1'900'000'000'000 + now_ms_.load(); }
  int64_t SteadyNs() const override { return now_ms_.load() * 1'000'000; }
  void SleepUntil(int64_t) override {}
  void Pass(int64_t ms) { now_ms_ += ms; }

 private:
  std::atomic<int64_t> now_ms_{1000};
};

struct Script {
  std::atomic<int> fetches{0};
  std::atomic<bool> fails{false};
  std::atomic<int64_t> lives_ms{3'600'000};
};

class ScriptedProvider final : public Provider {
 public:
  ScriptedProvider(Script& script, Clock& clock) : script_(script), clock_(clock) {}
  Result<std::optional<Credentials>> Fetch(const OpContext&) override {
    const int number = ++script_.fetches;
    SystemClock().SleepUntil(SystemClock().SteadyNs() + 20'000'000);  // So that others come too.
    if (script_.fails) return Error(ErrorCode::kUnavailable, "nobody there");
    return std::optional(Credentials{"key" + std::to_string(number), "s", "t",
                                     clock_.WallMs() + script_.lives_ms.load()});
  }

 private:
  Script& script_;
  Clock& clock_;
};

class CredentialCacheTest : public testing::Test {
 protected:
  std::string Key() {
    const auto found = cache_.Get(ctx_);
    return found.ok() ? (*found)->access_key : found.error().message();
  }
  HandClock clock_;
  Script script_;
  const OpContext ctx_{clock_, OsRandom()};
  CredentialCache cache_{std::make_unique<ScriptedProvider>(script_, clock_)};
};

TEST_F(CredentialCacheTest, OneFetchForAllThreads) {
  ThreadPool pool({.name = "creds", .threads = 15, .queue_max = 64, .background = false});
  std::atomic<int> good{0};
  const auto ask = [&](size_t) -> Status {
    good += Key() == "key1" ? 1 : 0;
    return OkStatus();
  };
  ASSERT_TRUE(ParallelFor(ctx_, pool, 16, 16, ask).ok());
  EXPECT_EQ(good.load(), 16);
  EXPECT_EQ(script_.fetches.load(), 1);
}

TEST_F(CredentialCacheTest, AFailureAnswersAllWhoWaited) {
  script_.fails = true;
  ThreadPool pool({.name = "creds", .threads = 15, .queue_max = 64, .background = false});
  const auto ask = [&](size_t) -> Status {
    EXPECT_EQ(Key(), "nobody there");
    return OkStatus();
  };
  ASSERT_TRUE(ParallelFor(ctx_, pool, 16, 16, ask).ok());
  EXPECT_LT(script_.fetches.load(), 5) << "not one by one";
}

TEST_F(CredentialCacheTest, RenewsEarlyAndKeepsTheOldSetWhenThatFails) {
  EXPECT_EQ(Key(), "key1");
  clock_.Pass(3'600'000 - CredentialCache::kRenewEarlyMs - CredentialCache::kRenewJitterMs - 1000);
  EXPECT_EQ(Key(), "key1");
  EXPECT_EQ(script_.fetches.load(), 1);
  clock_.Pass(CredentialCache::kRenewJitterMs + 2000);
  script_.fails = true;
  EXPECT_EQ(Key(), "key1") << "kept";
  EXPECT_EQ(script_.fetches.load(), 2);
  EXPECT_EQ(Key(), "key1");
  EXPECT_EQ(script_.fetches.load(), 2) << "not asked again at once";
  EXPECT_EQ(cache_.last_failure(), "nobody there");
  clock_.Pass(CredentialCache::kRenewEarlyMs + 1000);
  EXPECT_EQ(Key(), "key1") << "also past its end: the server decides";
  script_.fails = false;
  clock_.Pass(CredentialCache::kRetryAfterMs);
  EXPECT_EQ(Key(), "key4");
  EXPECT_EQ(cache_.last_failure(), "");
}

TEST_F(CredentialCacheTest, RenewFetchesOnlyForTheSetThatWasRefused) {
  const auto first = *cache_.Get(ctx_);
  clock_.Pass(CredentialCache::kRetryAfterMs);
  const auto second = cache_.Renew(ctx_, *first);
  ASSERT_TRUE(second.ok());
  EXPECT_EQ((*second)->access_key, "key2");
  EXPECT_EQ((*cache_.Renew(ctx_, *first))->access_key, "key2") << "another thread did it";
  EXPECT_EQ((*cache_.Renew(ctx_, **second))->access_key, "key2") << "just fetched";
  EXPECT_EQ(script_.fetches.load(), 2);
}

TEST_F(CredentialCacheTest, ACancelledWaitEnds) {
  CancelToken cancel;
  cancel.Cancel();
  const OpContext cancelled(clock_, OsRandom(), cancel);
  EXPECT_EQ(Key(), "key1");
  EXPECT_TRUE(cache_.Get(cancelled).ok()) << "what is there costs nothing";
}

}  // namespace
}  // namespace varve::store
