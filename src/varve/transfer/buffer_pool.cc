#include "varve/transfer/buffer_pool.h"

#include <sys/mman.h>

#include <algorithm>
#include <bit>
#include <cstdlib>
#include <utility>

namespace varve::transfer {
namespace {

constexpr uint64_t kPageBytes = 4096;
constexpr uint64_t kClassBytesMin = 1 * kMiB;

constexpr uint64_t kHugePageBytes = 2 * kMiB;
// From here on a buffer is a mapping of its own: what is given back leaves the process.
constexpr uint64_t kMappedBytesMin = kHugePageBytes;
#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23  // Linux 5.14; an older one refuses it.
#endif

// Capacities are whole pages, and powers of two from 1 MiB on, so that a few buffers fit all reads
// of a load, whose lengths differ. Pages that nobody touches cost nothing.
uint64_t RoundUp(uint64_t bytes) {
  if (bytes > kClassBytesMin) return std::bit_ceil(bytes);
  return std::max(kPageBytes, (bytes + kPageBytes - 1) / kPageBytes * kPageBytes);
}

// `bytes` of fresh pages, aligned for huge ones.
std::byte* Map(uint64_t bytes) {
  void* mapped = ::mmap(nullptr, bytes + kHugePageBytes, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (mapped == MAP_FAILED) std::abort();
  auto* begin = static_cast<std::byte*>(mapped);
  const uint64_t front_bytes =
      (kHugePageBytes - reinterpret_cast<uintptr_t>(begin) % kHugePageBytes) % kHugePageBytes;
  if (front_bytes != 0) ::munmap(begin, front_bytes);
  ::munmap(begin + front_bytes + bytes, kHugePageBytes - front_bytes);
  return begin + front_bytes;
}

// The first `ready_bytes` have their pages in place.
std::byte* Allocate(uint64_t bytes, uint64_t ready_bytes) {
  if (bytes < kMappedBytesMin) {
    auto* data = static_cast<std::byte*>(std::aligned_alloc(kPageBytes, bytes));
    if (data == nullptr) std::abort();
    return data;
  }
  std::byte* data = Map(bytes);
  if (ready_bytes >= kHugePageBytes) {
    // Best effort, and only together: huge pages that fault one by one were slower than small ones.
    ready_bytes = (ready_bytes + kPageBytes - 1) / kPageBytes * kPageBytes;
    ::madvise(data, ready_bytes, MADV_HUGEPAGE);
    if (::madvise(data, ready_bytes, MADV_POPULATE_WRITE) != 0) {
      ::madvise(data, ready_bytes, MADV_NOHUGEPAGE);
    }
  }
  return data;
}

void Free(std::byte* data, uint64_t bytes) {
  if (bytes < kMappedBytesMin) return std::free(data);
  ::munmap(data, bytes);
}

}  // namespace

BufferPool::~BufferPool() {
  for (const Idle& idle : idle_) Free(idle.data, idle.capacity_bytes);
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

BufferPool::Buffer BufferPool::Take(uint64_t bytes, Touch touch) {
  Buffer buffer;
  buffer.pool_ = this;
  buffer.bytes_ = bytes;
  const uint64_t wanted = RoundUp(bytes);
  std::vector<Idle> unfit;
  {
    const std::lock_guard lock(mutex_);
    const auto fits = std::find_if(idle_.rbegin(), idle_.rend(), [&](const Idle& idle) {
      return idle.capacity_bytes >= wanted && idle.capacity_bytes <= 2 * wanted;
    });
    if (fits != idle_.rend()) {
      buffer.data_ = fits->data;
      buffer.capacity_bytes_ = fits->capacity_bytes;
      idle_bytes_ -= fits->capacity_bytes;
      used_bytes_ += fits->capacity_bytes;
      idle_.erase(std::next(fits).base());
      return buffer;
    }
    unfit = MakeRoom(wanted);
    used_bytes_ += wanted;
  }
  for (const Idle& idle : unfit) Free(idle.data, idle.capacity_bytes);
  buffer.capacity_bytes_ = wanted;
  buffer.data_ = Allocate(wanted, touch == Touch::kAll ? bytes : 0);
  return buffer;
}

bool BufferPool::Warm(uint64_t bytes, uint64_t total_bytes) {
  const uint64_t capacity_bytes = RoundUp(bytes);
  {
    const std::lock_guard lock(mutex_);
    if (idle_bytes_ + capacity_bytes > total_bytes ||
        used_bytes_ + idle_bytes_ + capacity_bytes > bytes_max_) {
      return false;
    }
    used_bytes_ += capacity_bytes;
  }
  Return(Allocate(capacity_bytes, bytes), capacity_bytes);
  return true;
}

std::vector<BufferPool::Idle> BufferPool::MakeRoom(uint64_t bytes) {
  auto end = idle_.begin();  // The longest unused ones are in front.
  while (end != idle_.end() && used_bytes_ + idle_bytes_ + bytes > bytes_max_) {
    idle_bytes_ -= end->capacity_bytes;
    ++end;
  }
  std::vector<Idle> unfit(idle_.begin(), end);
  idle_.erase(idle_.begin(), end);
  return unfit;
}

void BufferPool::Return(std::byte* data, uint64_t capacity_bytes) {
  {
    const std::lock_guard lock(mutex_);
    used_bytes_ -= capacity_bytes;
    if (used_bytes_ + idle_bytes_ + capacity_bytes <= bytes_max_) {
      idle_.push_back({data, capacity_bytes});
      idle_bytes_ += capacity_bytes;
      return;
    }
  }
  Free(data, capacity_bytes);
}

}  // namespace varve::transfer
