// The workers, memory and buffers that all transfers of one open lake share.
//
// A worker moves one object or range at a time, so workers are connections; their number follows
// from the bandwidth that is wanted, and grows with the part of their time in which they only wait
// for a store that is far away. Back-pressure is a queue of named length and a ticket taken
// before a buffer: nothing is scheduled that has no memory, and what the store itself buffers per
// request counts too.
// Invariant: tickets, and what they do not count, never exceed memory_bytes. Nothing that runs in a
// worker waits for another worker. Threads: any. Fork: a child is refused (kUnsupported). Cancel:
// reaches the socket; reads leave unspecified bytes in their places, puts may or may not have
// landed.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>

#include "varve/exec/memory_budget.h"
#include "varve/exec/parallel.h"
#include "varve/store/object_store.h"
#include "varve/transfer/buffer_pool.h"

namespace varve::transfer {

struct EngineOptions {
  uint32_t connections = 0;      // Requests that move bytes at once. 0: from target_gbps.
  uint32_t connections_max = 0;  // In flight at most, with those that wait. 0: `connections`.
  double target_gbps = 0;        // 0: VARVE_S3_TARGET_GBPS, and the least without that.
  uint64_t memory_bytes = 1 * kGiB;
};

// The connections that the options come to. kInvalidArgument when VARVE_S3_TARGET_GBPS is no
// positive number.
Result<uint32_t> Connections(const EngineOptions& options);

// One range of one object.
struct RangeRead {
  store::Key key;
  uint64_t offset = 0, bytes = 0;
};
struct RangeHandlers {
  // In a worker, in any order; the view dies with the call. The first error ends the rest.
  std::function<Status(size_t index, ByteView bytes)> deliver;
  // May give the error of a failed read a better name, or swallow it.
  std::function<Status(size_t index, Error error)> failed;
  // Where the bytes of this read are to lie in the end, or an empty view for a buffer.
  std::function<MutableByteView(size_t index)> place;
};

class Engine {
 public:
  Engine(std::shared_ptr<store::ObjectStore> store, EngineOptions options);
  ~Engine();  // Stop(kCancel).
  Engine(const Engine&) = delete;
  Engine& operator=(const Engine&) = delete;

  store::ObjectStore& store() { return *store_; }
  BufferPool& buffers() { return buffers_; }
  MemoryBudget& memory() { return memory_; }
  uint32_t connections() const { return connections_; }
  // How many requests are to be in flight now; as many workers are there.
  uint32_t InFlight();

  // Runs fn(0..n-1) in the workers, at most InFlight() at once. See ParallelFor.
  Status ForEach(const OpContext& ctx, size_t n, const std::function<Status(size_t index)>& fn);

  // Queues a task for a worker; blocks while the queue is full. kCancelled after Stop.
  Status Submit(std::function<void()> task) { return pool_.Submit(std::move(task)); }

  // For use inside a task: one object from the caller's memory, ended by Stop(kCancel).
  Result<store::ObjectInfo> Put(const OpContext& ctx, const store::Key& key, ByteView body);

  // Reads all, each whole, with buffers of the engine or into the caller's places.
  Status ReadRanges(const OpContext& ctx, std::span<const RangeRead> reads,
                    const RangeHandlers& handlers);

  // A ticket for `bytes` of a caller's buffer and what the store buffers for one request.
  Result<MemoryBudget::Ticket> Reserve(const OpContext& ctx, uint64_t bytes);

  // Takes nothing new, then cancels what runs or lets it end, and joins the workers. Idempotent.
  enum class StopHow { kCancel, kDrain };
  void Stop(StopHow how);
  const CancelToken& stopping() const { return stopping_; }

 private:
  const std::shared_ptr<store::ObjectStore> store_;
  const uint64_t request_bytes_;  // What the store buffers for one request.
  const uint32_t connections_, connections_max_;
  MemoryBudget memory_;
  BufferPool buffers_;
  CancelToken stopping_;
  ThreadPool pool_;  // Last: its threads use the rest.
};

}  // namespace varve::transfer
