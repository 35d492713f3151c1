#include "varve/transfer/buffer_pool.h"

#include <algorithm>
#include <cstdlib>
#include <utility>

namespace varve::transfer {
namespace {

constexpr uint64_t kPageBytes = 4096;
constexpr uint64_t kGrainBytes = 1 * kMiB;  // Capacities are multiples, so that buffers fit again.

uint64_t RoundUp(uint64_t bytes) {
  const uint64_t grain = bytes < kGrainBytes ? kPageBytes : kGrainBytes;
  return std::max<uint64_t>(grain, (bytes + grain - 1) / grain * grain);
}

}  // namespace

BufferPool::~BufferPool() {
  for (const Idle& idle : idle_) std::free(idle.data);
}

BufferPool::Buffer& BufferPool::Buffer::operator=(Buffer&& other) noexcept {
  if (this == &other) return *this;
  Reset();
  pool_ = std::exchange(other.pool_, nullptr);
  data_ = std::exchange(other.data_, nullptr);
  bytes_ = std::exchange(other.bytes_, 0);
  capacity_bytes_ = std::exchange(other.capacity_bytes_, 0);
  return *this;
}

void BufferPool::Buffer::Reset() {
  if (pool_ != nullptr) pool_->Return(data_, capacity_bytes_);
  pool_ = nullptr;
  data_ = nullptr;
  bytes_ = capacity_bytes_ = 0;
}

BufferPool::Buffer BufferPool::Take(uint64_t bytes) {
  Buffer buffer;
  buffer.pool_ = this;
  buffer.bytes_ = bytes;
  const uint64_t wanted = RoundUp(bytes);
  {
    const std::lock_guard lock(mutex_);
    const auto fits = std::find_if(idle_.rbegin(), idle_.rend(), [&](const Idle& idle) {
      return idle.capacity_bytes >= wanted && idle.capacity_bytes <= 2 * wanted;
    });
    if (fits != idle_.rend()) {
      buffer.data_ = fits->data;
      buffer.capacity_bytes_ = fits->capacity_bytes;
      idle_bytes_ -= fits->capacity_bytes;
      idle_.erase(std::next(fits).base());
      return buffer;
    }
  }
  buffer.capacity_bytes_ = wanted;
  buffer.data_ = static_cast<std::byte*>(std::aligned_alloc(kPageBytes, wanted));
  if (buffer.data_ == nullptr) std::abort();
  return buffer;
}

void BufferPool::Return(std::byte* data, uint64_t capacity_bytes) {
  {
    const std::lock_guard lock(mutex_);
    if (idle_bytes_ + capacity_bytes <= idle_bytes_max_) {
      idle_.push_back({data, capacity_bytes});
      idle_bytes_ += capacity_bytes;
      return;
    }
  }
  std::free(data);
}

}  // namespace varve::transfer
