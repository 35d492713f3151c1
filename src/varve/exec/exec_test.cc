// Goal: nothing waits longer than it must, no task is lost, and no byte goes past the cap.
// Method: race threads against every blocking call and check what each of them saw.
#include <gtest/gtest.h>
#include <sched.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <future>
#include <thread>

#include "varve/exec/memory_budget.h"
#include "varve/exec/op_context.h"
#include "varve/exec/parallel.h"

namespace varve {
namespace {

using std::chrono::milliseconds;

ThreadPool::Options Pool(uint32_t threads, uint32_t queue_max = 1024) {
  return {.name = "test", .threads = threads, .queue_max = queue_max, .background = false};
}
OpContext Cancellable(const CancelToken& cancel) {
  return OpContext(SystemClock(), OsRandom(), cancel);
}
int64_t NowMs() { return SystemClock().SteadyNs() / 1'000'000; }

TEST(OpContext, ACancelWakesASleeper) {
  CancelToken cancel;
  const int64_t start_ms = NowMs();
  std::thread canceller([&] {
    std::this_thread::sleep_for(milliseconds(20));
    cancel.Cancel();
  });
  EXPECT_EQ(Cancellable(cancel).SleepMs(60'000).error().code(), ErrorCode::kCancelled);
  EXPECT_LT(NowMs() - start_ms, 30'000);
  canceller.join();
}

TEST(OpContext, ADeadlineEndsASleepAndChildrenOnlyShortenIt) {
  const OpContext parent = OpContext().WithTimeout(20);
  EXPECT_EQ(parent.WithTimeout(60'000).deadline_ns(), parent.deadline_ns());
  EXPECT_EQ(parent.WithTimeout(60'000).SleepMs(60'000).error().code(), ErrorCode::kTimeout);
  EXPECT_EQ(parent.LeftMs(), 0);
  EXPECT_EQ(OpContext().LeftMs(), INT64_MAX);
  EXPECT_TRUE(OpContext().WithTimeout(INT64_MAX).SleepMs(-1).ok());
  EXPECT_EQ(OpContext().WithTimeout(-5).Check().error().code(), ErrorCode::kTimeout);
}

TEST(CancelToken, RunsEachCallbackOnceAndNoneAfterItsRegistrationEnded) {
  for (int round = 0; round < 200; ++round) {
    CancelToken cancel;
    auto alive = std::make_unique<std::atomic<int>>(0);
    std::atomic<int> other{0};
    auto first = cancel.OnCancel([&alive] { ++*alive; });
    auto second = cancel.OnCancel([&other] { ++other; });
    std::thread one([&] { cancel.Cancel(); });
    std::thread two([&] { cancel.Cancel(); });
    first.reset();
    EXPECT_LE(alive->load(), 1);
    alive.reset();  // A callback that came later would touch freed memory.
    one.join();
    two.join();
    EXPECT_EQ(other.load(), 1);
  }
  CancelToken cancel;
  cancel.Cancel();
  int ran = 0;
  const auto late = cancel.OnCancel([&] { ++ran; });
  EXPECT_EQ(ran, 1);
}

TEST(CancelToken, ACallbackMayEndItsOwnRegistration) {
  CancelToken cancel;
  std::unique_ptr<CancelToken::Registration> handle;
  handle = cancel.OnCancel([&] { handle.reset(); });
  cancel.Cancel();
  EXPECT_EQ(handle, nullptr);
}

TEST(ThreadPool, StopRunsWhatIsQueuedAndJoins) {
  std::atomic<int> ran{0};
  ThreadPool pool(Pool(3, 4));  // Submit must wait for room many times.
  for (int i = 0; i < 200; ++i) {
    ASSERT_TRUE(pool.Submit([&] {
                      std::this_thread::sleep_for(std::chrono::microseconds(100));
                      ++ran;
                    })
                    .ok());
  }
  std::thread other([&] { pool.Stop(); });
  pool.Stop();
  EXPECT_EQ(ran.load(), 200);
  other.join();
  EXPECT_EQ(pool.Submit([&] { ++ran; }).error().code(), ErrorCode::kCancelled);
  EXPECT_EQ(ran.load(), 200);
}

TEST(ThreadPool, StopWakesASubmitterThatWaitsForRoom) {
  ThreadPool pool(Pool(1, 1));
  std::atomic<bool> go{false};
  ASSERT_TRUE(pool.Submit([&] {
                    while (!go) std::this_thread::sleep_for(milliseconds(1));
                  })
                  .ok());
  std::atomic<int> accepted{0}, ran{0};
  std::thread submitter([&] {
    while (pool.Submit([&] { ++ran; }).ok()) ++accepted;
  });
  std::this_thread::sleep_for(milliseconds(20));
  std::thread stopper([&] { pool.Stop(); });
  std::this_thread::sleep_for(milliseconds(5));
  go = true;
  stopper.join();
  submitter.join();
  EXPECT_EQ(ran.load(), accepted.load());
}

TEST(ThreadPool, ABackgroundThreadHasTheLowestPriority) {
  ThreadPool pool({.name = "quiet", .threads = 1, .queue_max = 4, .background = true});
  int policy = SCHED_OTHER;
  ASSERT_TRUE(pool.Submit([&] { policy = sched_getscheduler(0); }).ok());
  pool.Stop();
  EXPECT_EQ(policy, SCHED_IDLE);
  EXPECT_NE(sched_getscheduler(0), SCHED_IDLE) << "only the pool's threads";
}

// Tasks that a pool whose only thread is held up has queued, run while somebody hurries.
TEST(ThreadPool, AHurryRunsWhatIsQueuedAndWhatComesInTheHelper) {
  ThreadPool helper(Pool(1));
  ThreadPool pool(Pool(1));
  std::promise<void> held, begun;
  ASSERT_TRUE(pool.Submit([&] {
                    begun.set_value();
                    held.get_future().wait();
                  })
                  .ok());
  begun.get_future().wait();
  std::promise<void> before, meanwhile;
  ASSERT_TRUE(pool.Submit([&] { before.set_value(); }).ok());
  {
    const ThreadPool::Hurry hurry(pool, helper);
    before.get_future().wait();
    ASSERT_TRUE(pool.Submit([&] { meanwhile.set_value(); }).ok());
    meanwhile.get_future().wait();
  }
  std::atomic<bool> ran = false;
  ASSERT_TRUE(pool.Submit([&] { ran = true; }).ok());
  helper.Stop();
  EXPECT_FALSE(ran.load()) << "nobody hurries any more";
  held.set_value();
  pool.Stop();
  EXPECT_TRUE(ran.load());
}

TEST(ThreadPool, AForkedChildIsToldToOpenTheLakeAgain) {
  auto pool = std::make_unique<ThreadPool>(Pool(2));
  const pid_t child = fork();
  if (child == 0) {
    const Status status = pool->Submit([] {});
    const bool told = !status.ok() && status.error().code() == ErrorCode::kUnsupported &&
                      status.error().message().find("open the lake again") != std::string::npos;
    pool->Stop();
    pool.reset();  // Must not wait for threads that the child does not have.
    _exit(told ? 0 : 1);
  }
  int status = -1;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
}

TEST(ParallelFor, RunsEveryIndexOnceWithinTheLimit) {
  ThreadPool pool(Pool(8));
  std::vector<std::atomic<int>> ran(1000);
  std::atomic<int> now{0}, most{0};
  const auto once = [&](size_t i) -> Status {
    const int running = ++now;
    int seen = most.load();
    while (running > seen && !most.compare_exchange_weak(seen, running)) {
    }
    ++ran[i];
    --now;
    return OkStatus();
  };
  ASSERT_TRUE(ParallelFor(OpContext(), pool, ran.size(), 4, once).ok());
  for (const auto& count : ran) EXPECT_EQ(count.load(), 1);
  EXPECT_LE(most.load(), 4);
  EXPECT_TRUE(ParallelFor(OpContext(), pool, 0, 4, once).ok());
  EXPECT_TRUE(ParallelFor(OpContext(), pool, 3, 0, once).ok());
}

TEST(ParallelFor, ReturnsTheLowestIndexThatFailedAndStopsHandingOut) {
  ThreadPool pool(Pool(4));
  for (int round = 0; round < 50; ++round) {
    std::atomic<size_t> ran{0}, lowest{SIZE_MAX};
    const Status status = ParallelFor(OpContext(), pool, 100'000, 4, [&](size_t i) -> Status {
      ++ran;
      if (i < 10) return OkStatus();
      size_t seen = lowest.load();
      while (i < seen && !lowest.compare_exchange_weak(seen, i)) {
      }
      return Error(ErrorCode::kCorrupt, std::to_string(i));
    });
    ASSERT_FALSE(status.ok());
    EXPECT_EQ(status.error().message(), std::to_string(lowest.load()));
    EXPECT_LT(ran.load(), 1000u);
  }
}

TEST(ParallelFor, FollowsALimitThatRisesMeanwhile) {
  ThreadPool pool(Pool(2));
  std::atomic<uint32_t> limit{2};
  std::atomic<int> now{0}, most{0}, ran{0};
  const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  const auto meet = [&](size_t index) -> Status {
    const int running = ++now;
    int seen = most.load();
    while (running > seen && !most.compare_exchange_weak(seen, running)) {
    }
    if (index == 0) {
      pool.Grow(6);
      limit = 6;
    }
    // From the third on, all wait until six are there.
    while (index >= 2 && most < 6 && std::chrono::steady_clock::now() < until)
      std::this_thread::sleep_for(milliseconds(1));
    ++ran;
    --now;
    return OkStatus();
  };
  EXPECT_TRUE(ParallelFor(OpContext(), pool, 100, [&] { return limit.load(); }, meet).ok());
  EXPECT_EQ(ran, 100);
  EXPECT_EQ(most, 6);
  EXPECT_EQ(pool.threads(), 6U);
  pool.Stop();
  pool.Grow(9);
  EXPECT_EQ(pool.threads(), 6U) << "after Stop";
}

TEST(ParallelFor, ABusyPoolDoesNotHoldTheCallerUp) {
  ThreadPool pool(Pool(1));
  std::atomic<bool> go{false};
  ASSERT_TRUE(pool.Submit([&] {
                    while (!go) std::this_thread::sleep_for(milliseconds(1));
                  })
                  .ok());
  int ran = 0;
  EXPECT_TRUE(ParallelFor(OpContext(), pool, 10, 4, [&](size_t) {
                ++ran;
                return OkStatus();
              }).ok());
  EXPECT_EQ(ran, 10);
  go = true;
}

TEST(ParallelFor, ACancelStopsIt) {
  ThreadPool pool(Pool(2));
  CancelToken cancel;
  std::atomic<int> ran{0};
  const Status status = ParallelFor(Cancellable(cancel), pool, 10'000, 3, [&](size_t) {
    if (++ran == 5) cancel.Cancel();
    return OkStatus();
  });
  EXPECT_EQ(status.error().code(), ErrorCode::kCancelled);
  EXPECT_LT(ran.load(), 100);
}

TEST(MemoryBudget, HoldsTheCapUnderThreads) {
  MemoryBudget budget(1000);
  std::atomic<uint64_t> held{0};
  std::atomic<bool> exceeded{false};
  std::vector<std::thread> threads;
  for (uint64_t seed = 0; seed < 8; ++seed) {
    threads.emplace_back([&, seed] {
      SeededRandom random(seed);
      for (int i = 0; i < 300; ++i) {
        const uint64_t bytes = random.Between(0, 1000);
        auto ticket = budget.Acquire(OpContext(), bytes);
        ASSERT_TRUE(ticket.ok());
        if ((held += bytes) > 1000) exceeded = true;
        MemoryBudget::Ticket moved = std::move(*ticket);
        EXPECT_EQ(moved.bytes(), bytes);
        held -= bytes;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_FALSE(exceeded);
  EXPECT_LE(budget.peak_bytes(), 1000u);
  EXPECT_EQ(budget.held_bytes(), 0u);
}

TEST(MemoryBudget, RefusesWhatNeverFits) {
  MemoryBudget budget(10);
  EXPECT_EQ(budget.Acquire(OpContext(), 11).error().code(), ErrorCode::kInvalidArgument);
  EXPECT_EQ(budget.Acquire(OpContext(), UINT64_MAX).error().code(), ErrorCode::kInvalidArgument);
  EXPECT_TRUE(budget.Acquire(OpContext(), 10).ok());
}

TEST(MemoryBudget, ServesInOrderSoThatALargeRequestIsNotStarved) {
  MemoryBudget budget(100);
  auto first = budget.Acquire(OpContext(), 50);
  std::atomic<int> served{0};
  int large_place = 0, small_place = 0;
  std::thread large([&] {
    const auto ticket = budget.Acquire(OpContext(), 100);
    large_place = ++served;
  });
  std::this_thread::sleep_for(milliseconds(50));
  std::thread small([&] {
    const auto ticket = budget.Acquire(OpContext(), 10);  // Would fit at once, but came later.
    small_place = ++served;
  });
  std::this_thread::sleep_for(milliseconds(100));
  EXPECT_EQ(served.load(), 0);
  first->Release();
  large.join();
  small.join();
  EXPECT_EQ(large_place, 1);
  EXPECT_EQ(small_place, 2);
}

TEST(MemoryBudget, OneWhoGivesUpLeavesTheQueueAtOnce) {
  MemoryBudget budget(100);
  auto held = budget.Acquire(OpContext(), 50);
  std::thread front([&] { EXPECT_TRUE(budget.Acquire(OpContext(), 100).ok()); });
  std::this_thread::sleep_for(milliseconds(20));
  // Behind one that still waits, and then at the front with a smaller one behind it.
  EXPECT_EQ(budget.Acquire(OpContext().WithTimeout(10), 1).error().code(), ErrorCode::kTimeout);
  held->Release();
  front.join();
  auto again = budget.Acquire(OpContext(), 50);
  CancelToken cancel;
  std::thread gives_up([&] {
    EXPECT_EQ(budget.Acquire(Cancellable(cancel), 100).error().code(), ErrorCode::kCancelled);
  });
  std::this_thread::sleep_for(milliseconds(20));
  std::thread behind([&] { EXPECT_TRUE(budget.Acquire(OpContext(), 50).ok()); });
  std::this_thread::sleep_for(milliseconds(20));
  cancel.Cancel();
  gives_up.join();
  behind.join();  // Gets its bytes while `again` is still held.
  EXPECT_EQ(again->bytes(), 50u);
}

}  // namespace
}  // namespace varve
