// Reusable buffers on huge pages where there are any: the first touch of a fresh page costs more
// than the copy into it.
//
// Invariant: buffers in use and idle ones together stay below `bytes_max` as far as idle ones can
// make room: they are freed before a fresh one is made, and one that comes back above it is.
// Threads: any.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <vector>

#include "varve/base/bytes.h"

namespace varve::transfer {

class BufferPool {
 public:
  explicit BufferPool(uint64_t bytes_max) : bytes_max_(bytes_max) {}
  ~BufferPool();
  BufferPool(const BufferPool&) = delete;
  BufferPool& operator=(const BufferPool&) = delete;

  // Move-only; goes back to the pool when it dies. Must not outlive the pool.
  class Buffer {
   public:
    Buffer() = default;
    Buffer(Buffer&& other) noexcept { *this = std::move(other); }
    Buffer& operator=(Buffer&& other) noexcept;
    ~Buffer() { Reset(); }
    std::byte* data() const { return data_; }
    uint64_t bytes() const { return bytes_; }  // As asked for.
    MutableByteView view() const { return {data_, bytes_}; }
    void Reset();

   private:
    friend class BufferPool;
    BufferPool* pool_ = nullptr;
    std::byte* data_ = nullptr;
    uint64_t bytes_ = 0, capacity_bytes_ = 0;
  };
  // Never fails: running out of address space ends the process. Content is unspecified.
  // kAll: the caller is about to write all of it, so fresh pages are asked of the kernel at once,
  // huge where it has them, instead of one fault each (400 against 60 ms for 256 MiB).
  enum class Touch { kSome, kAll };
  Buffer Take(uint64_t bytes, Touch touch = Touch::kSome);

  // Makes one more idle buffer of `bytes` with its pages in place; false when `total_bytes`, or the
  // pool's own limit, already wait.
  bool Warm(uint64_t bytes, uint64_t total_bytes);

 private:
  struct Idle {
    std::byte* data;
    uint64_t capacity_bytes;
  };
  void Return(std::byte* data, uint64_t capacity_bytes);
  // Takes idle buffers out until `bytes` more fit below the limit. Under mutex_.
  std::vector<Idle> MakeRoom(uint64_t bytes);

  const uint64_t bytes_max_;
  std::mutex mutex_;
  std::vector<Idle> idle_;  // Guarded by mutex_.
  uint64_t idle_bytes_ = 0, used_bytes_ = 0;
};

}  // namespace varve::transfer
