// Reusable page-aligned buffers: the first touch of a fresh page costs more than the copy into it.
//
// Invariant: at most `idle_bytes_max` wait in the pool; what comes back above that is freed.
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
  explicit BufferPool(uint64_t idle_bytes_max) : idle_bytes_max_(idle_bytes_max) {}
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
  Buffer Take(uint64_t bytes);

 private:
  struct Idle {
    std::byte* data;
    uint64_t capacity_bytes;
  };
  void Return(std::byte* data, uint64_t capacity_bytes);

  const uint64_t idle_bytes_max_;
  std::mutex mutex_;
  std::vector<Idle> idle_;  // Guarded by mutex_.
  uint64_t idle_bytes_ = 0;
};

}  // namespace varve::transfer
