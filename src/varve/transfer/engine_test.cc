// Goal: transfers stay inside their memory and their number, and stop when they are told to.
// Method: stores in memory that watch what is asked of them at once, or that answer only to a
// cancel.
#include "varve/transfer/engine.h"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <thread>

#include "varve/store/forwarding.h"
#include "varve/store/memory/memory_store.h"

namespace varve::transfer {
namespace {

const OpContext kCtx;

Bytes Content(size_t bytes) {
  Bytes content(bytes);
  for (size_t i = 0; i < bytes; ++i) content[i] = static_cast<std::byte>(i * 31 + i / 255);
  return content;
}

// Answers a read only when it is cancelled.
class Silent final : public store::ForwardingStore {
 public:
  using ForwardingStore::ForwardingStore;
  Result<store::ObjectInfo> GetRange(const OpContext& ctx, const store::Key&, uint64_t,
                                     MutableByteView) override {
    ++waiting;
    VARVE_CHECK_OK(ctx.SleepMs(1'000'000));
    return Error(ErrorCode::kInternal, "nobody cancelled");
  }
  std::atomic<int> waiting{0};
};

// Holds what a client buffers for each request, and counts requests at once.
class Watched final : public store::ForwardingStore {
 public:
  using ForwardingStore::ForwardingStore;
  store::Features features() const override {
    store::Features features = ForwardingStore::features();
    features.buffered_bytes = 1000;
    return features;
  }
  Result<store::ObjectInfo> GetRange(const OpContext& ctx, const store::Key& key, uint64_t offset,
                                     MutableByteView into) override {
    const int now = ++at_once_;
    int most = most_.load();
    while (now > most && !most_.compare_exchange_weak(most, now)) {
    }
    auto got = ForwardingStore::GetRange(ctx, key, offset, into);
    --at_once_;
    return got;
  }
  int most() const { return most_; }

 private:
  std::atomic<int> at_once_{0}, most_{0};
};

std::vector<RangeRead> Ranges(size_t count, uint64_t bytes) {
  std::vector<RangeRead> reads;
  for (size_t i = 0; i < count; ++i) reads.push_back({store::Key("pack/a"), i * bytes, bytes});
  return reads;
}

TEST(Connections, ComeFromTheCallerTheTargetOrTheEnvironment) {
  unsetenv("VARVE_S3_TARGET_GBPS");
  EXPECT_EQ(*Connections({}), 8U);
  EXPECT_EQ(*Connections({.connections = 3}), 3U);
  EXPECT_EQ(*Connections({.connections = 100'000}), 256U);
  EXPECT_EQ(*Connections({.connections = 0, .target_gbps = 40}), 100U);
  setenv("VARVE_S3_TARGET_GBPS", "25", 1);
  EXPECT_EQ(*Connections({}), 63U);
  EXPECT_EQ(*Connections({.connections = 0, .target_gbps = 10}), 25U);
  for (const char* wrong : {"fast", "-1", "0", "10 Gbit", "nan"}) {
    setenv("VARVE_S3_TARGET_GBPS", wrong, 1);
    const auto refused = Connections({});
    ASSERT_FALSE(refused.ok()) << wrong;
    EXPECT_EQ(refused.error().code(), ErrorCode::kInvalidArgument);
  }
  unsetenv("VARVE_S3_TARGET_GBPS");
}

TEST(Engine, ReadsAllRangesWithinItsMemoryAndItsNumber) {
  const auto memory = std::make_shared<store::MemoryStore>();
  const auto watched = std::make_shared<Watched>(memory);
  const Bytes content = Content(100'000);
  ASSERT_TRUE(memory->PutNew(kCtx, store::Key("pack/a"), content).ok());
  // Room for three reads and what the client buffers for them, with four workers.
  Engine engine(watched, {.connections = 4, .target_gbps = 0, .memory_bytes = 3 * 2000});
  const auto reads = Ranges(100, 1000);
  std::atomic<int> delivered{0}, wrong{0};
  RangeHandlers handlers;
  handlers.deliver = [&](size_t index, ByteView bytes) {
    ++delivered;
    if (!std::ranges::equal(bytes, ByteView(content).subspan(index * 1000, 1000))) ++wrong;
    return OkStatus();
  };
  const Status read = engine.ReadRanges(kCtx, reads, handlers);
  ASSERT_TRUE(read.ok()) << read.error().ToString();
  EXPECT_EQ(delivered, 100);
  EXPECT_EQ(wrong, 0);
  EXPECT_LE(watched->most(), 3);
  EXPECT_LE(engine.memory().peak_bytes(), 6000U);
  EXPECT_GE(engine.memory().peak_bytes(), 2000U);
  EXPECT_EQ(engine.memory().held_bytes(), 0U);
}

// Far away, or so it says; a read goes on once so many are under way, or after a while.
class Far final : public store::ForwardingStore {
 public:
  Far(std::shared_ptr<store::ObjectStore> inner, int wanted)
      : ForwardingStore(std::move(inner)), wanted_(wanted) {}
  double WaitShare() const override { return 0.6; }
  Result<store::ObjectInfo> GetRange(const OpContext& ctx, const store::Key& key, uint64_t offset,
                                     MutableByteView into) override {
    const int now = ++at_once_;
    int most = most_.load();
    while (now > most && !most_.compare_exchange_weak(most, now)) {
    }
    for (int i = 0; i < 2000 && most_ < wanted_; ++i) VARVE_CHECK_OK(ctx.SleepMs(1));
    auto got = ForwardingStore::GetRange(ctx, key, offset, into);
    --at_once_;
    return got;
  }
  int most() const { return most_; }

 private:
  const int wanted_;
  std::atomic<int> at_once_{0}, most_{0};
};

TEST(Engine, HasMoreInFlightAtAStoreFarAwayIfItMayAndHasTheMemory) {
  const auto memory = std::make_shared<store::MemoryStore>();
  ASSERT_TRUE(memory->PutNew(kCtx, store::Key("pack/a"), Content(100'000)).ok());
  RangeHandlers handlers;
  handlers.deliver = [](size_t, ByteView) { return OkStatus(); };
  const auto most = [&](int wanted, EngineOptions options) {
    const auto far = std::make_shared<Far>(memory, wanted);
    Engine engine(far, options);
    EXPECT_TRUE(engine.ReadRanges(kCtx, Ranges(100, 1000), handlers).ok());
    EXPECT_LE(engine.memory().peak_bytes(), options.memory_bytes);
    return far->most();
  };
  const auto options = [](uint32_t connections_max, uint64_t memory_bytes) {
    return EngineOptions{
        .connections = 2, .connections_max = connections_max, .memory_bytes = memory_bytes};
  };
  EXPECT_EQ(most(5, options(256, kMiB)), 5);
  EXPECT_EQ(most(4, options(4, kMiB)), 4) << "no more than it may";
  EXPECT_EQ(most(2, options(0, kMiB)), 2) << "its number, and no more";
  EXPECT_EQ(most(3, options(256, 3 * 1000 + 1000)), 3) << "what memory there is for";
}

TEST(Engine, ReadsIntoTheCallersPlaces) {
  const auto memory = std::make_shared<store::MemoryStore>();
  const Bytes content = Content(10'000);
  ASSERT_TRUE(memory->PutNew(kCtx, store::Key("pack/a"), content).ok());
  Engine engine(memory, {.connections = 2, .target_gbps = 0, .memory_bytes = 100});
  Bytes into(10'000);
  RangeHandlers handlers;
  handlers.place = [&](size_t index) { return MutableByteView(into).subspan(index * 1000, 1000); };
  handlers.deliver = [&](size_t index, ByteView bytes) {
    EXPECT_EQ(bytes.data(), into.data() + index * 1000);
    return OkStatus();
  };
  ASSERT_TRUE(engine.ReadRanges(kCtx, Ranges(10, 1000), handlers).ok());
  EXPECT_EQ(into, content);
  EXPECT_EQ(engine.memory().peak_bytes(), 0U) << "no buffer was needed";
}

TEST(Engine, AFailedReadEndsTheRestUnlessItIsSwallowed) {
  const auto memory = std::make_shared<store::MemoryStore>();
  ASSERT_TRUE(memory->PutNew(kCtx, store::Key("pack/a"), Content(1500)).ok());
  Engine engine(memory, {.connections = 2, .target_gbps = 0, .memory_bytes = kMiB});
  std::atomic<int> delivered{0}, failed{0};
  RangeHandlers handlers;
  handlers.deliver = [&](size_t, ByteView) {
    ++delivered;
    return OkStatus();
  };
  EXPECT_EQ(engine.ReadRanges(kCtx, Ranges(3, 1000), handlers).error().code(), ErrorCode::kCorrupt);
  delivered = 0;
  handlers.failed = [&](size_t index, const Error&) {
    EXPECT_GE(index, 1U);
    ++failed;
    return OkStatus();
  };
  EXPECT_TRUE(engine.ReadRanges(kCtx, Ranges(3, 1000), handlers).ok());
  EXPECT_EQ(delivered, 1);
  EXPECT_EQ(failed, 2);
}

TEST(Engine, StopCancelsWhatRunsAndRefusesMore) {
  const auto silent = std::make_shared<Silent>(std::make_shared<store::MemoryStore>());
  Engine engine(silent, {.connections = 2, .target_gbps = 0, .memory_bytes = kMiB});
  Status read;
  RangeHandlers handlers;
  handlers.deliver = [](size_t, ByteView) { return OkStatus(); };
  std::thread reader([&] { read = engine.ReadRanges(kCtx, Ranges(4, 10), handlers); });
  while (silent->waiting == 0) std::this_thread::yield();
  engine.Stop(Engine::StopHow::kCancel);
  reader.join();
  ASSERT_FALSE(read.ok());
  EXPECT_EQ(read.error().code(), ErrorCode::kCancelled);
  engine.Stop(Engine::StopHow::kCancel);
  engine.Stop(Engine::StopHow::kDrain);
  EXPECT_EQ(engine.Submit([] {}).error().code(), ErrorCode::kCancelled);
  EXPECT_FALSE(engine.ReadRanges(kCtx, Ranges(4, 10), handlers).ok());
}

TEST(Engine, ACallersCancelAndDeadlineReachTheStore) {
  const auto silent = std::make_shared<Silent>(std::make_shared<store::MemoryStore>());
  Engine engine(silent, {.connections = 2, .target_gbps = 0, .memory_bytes = kMiB});
  RangeHandlers handlers;
  handlers.deliver = [](size_t, ByteView) { return OkStatus(); };
  const Status late = engine.ReadRanges(kCtx.WithTimeout(20), Ranges(2, 10), handlers);
  EXPECT_EQ(late.error().code(), ErrorCode::kTimeout);
  CancelToken cancel;
  silent->waiting = 0;
  std::thread stopper([&] {
    while (silent->waiting == 0) std::this_thread::yield();
    cancel.Cancel();
  });
  const OpContext cancelled(SystemClock(), OsRandom(), cancel);
  EXPECT_EQ(engine.ReadRanges(cancelled, Ranges(2, 10), handlers).error().code(),
            ErrorCode::kCancelled);
  stopper.join();
}

TEST(Engine, StopMayLetEndWhatWasBegun) {
  Engine engine(std::make_shared<store::MemoryStore>(),
                {.connections = 2, .target_gbps = 0, .memory_bytes = kMiB});
  std::atomic<int> ended{0};
  for (int i = 0; i < 20; ++i) {
    ASSERT_TRUE(engine
                    .Submit([&, i] {
                      if (engine.Put(kCtx, store::Key("pack/" + std::to_string(i)), {}).ok())
                        ++ended;
                    })
                    .ok());
  }
  engine.Stop(Engine::StopHow::kDrain);
  EXPECT_EQ(ended, 20);
}

TEST(Engine, AForkedChildIsRefused) {
  auto engine = std::make_unique<Engine>(
      std::make_shared<store::MemoryStore>(),
      EngineOptions{.connections = 2, .target_gbps = 0, .memory_bytes = kMiB});
  ASSERT_TRUE(engine->Submit([] {}).ok());
  const pid_t child = fork();
  if (child == 0) {
    const Status refused = engine->Submit([] {});
    const bool right = !refused.ok() && refused.error().code() == ErrorCode::kUnsupported;
    engine.reset();
    _exit(right ? 0 : 1);
  }
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
}

}  // namespace
}  // namespace varve::transfer
