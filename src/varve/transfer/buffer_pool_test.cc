// Goal: buffers are reused, aligned, and never keep more memory than the pool may hold.
// Method: sizes of several classes, taken and returned in turn, also from many threads.
#include "varve/transfer/buffer_pool.h"

#include <gtest/gtest.h>

#include <cstring>
#include <thread>

namespace varve::transfer {
namespace {

using Touch = BufferPool::Touch;

TEST(BufferPool, WhatComesBackIsHandedOutAgain) {
  BufferPool pool(64 * kMiB);
  for (const uint64_t bytes : {uint64_t{1}, 5 * kKiB, 3 * kMiB, 8 * kMiB}) {
    for (const Touch touch : {Touch::kSome, Touch::kAll}) {
      BufferPool::Buffer buffer = pool.Take(bytes, touch);
      std::memset(buffer.data(), 1, bytes);
      EXPECT_EQ(reinterpret_cast<uintptr_t>(buffer.data()) % 4096, 0U);
      EXPECT_EQ(buffer.view().size(), bytes);
      const std::byte* data = buffer.data();
      buffer.Reset();
      EXPECT_EQ(pool.Take(bytes).data(), data);
    }
  }
}

TEST(BufferPool, IdleBuffersMakeRoomForOthers) {
  BufferPool pool(16 * kMiB);
  const auto kept = [&] {  // Whether an idle buffer of 8 MiB is there.
    return !pool.Warm(8 * kMiB, 8 * kMiB);
  };
  EXPECT_FALSE(kept());
  EXPECT_TRUE(kept());
  {
    const BufferPool::Buffer large = pool.Take(16 * kMiB);  // 8 MiB is no fit for it.
    EXPECT_FALSE(pool.Warm(1 * kMiB, 16 * kMiB));           // All is in use now.
  }
  EXPECT_FALSE(pool.Warm(8 * kMiB, 64 * kMiB));  // The large one waits and fills the pool.
  const BufferPool::Buffer small = pool.Take(1 * kMiB);
  EXPECT_TRUE(pool.Warm(8 * kMiB, 64 * kMiB));  // The large one went.
}

TEST(BufferPool, WarmStopsAtWhatWasAsked) {
  BufferPool pool(64 * kMiB);
  int warmed = 0;
  while (pool.Warm(8 * kMiB, 24 * kMiB)) ++warmed;
  EXPECT_EQ(warmed, 3);
}

TEST(BufferPool, ThreadsNeverShareABuffer) {
  BufferPool pool(8 * kMiB);
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&pool, t] {
      for (int i = 0; i < 200; ++i) {
        const BufferPool::Buffer buffer = pool.Take(uint64_t(i % 7 + 1) * 512 * kKiB, Touch::kAll);
        std::memset(buffer.data(), t, 4096);
        std::this_thread::yield();
        EXPECT_EQ(buffer.data()[4095], static_cast<std::byte>(t));
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
}

}  // namespace
}  // namespace varve::transfer
