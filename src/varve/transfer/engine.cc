#include "varve/transfer/engine.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdlib>
#include <string_view>

#include "varve/plan/pacing.h"
#include "varve/transfer/linked_context.h"

namespace varve::transfer {
namespace {

constexpr uint64_t kIdleBufferBytesMax = 1 * kGiB;
constexpr uint32_t kQueueMax = 1024;
constexpr char kTargetVariable[] = "VARVE_S3_TARGET_GBPS";

// What no ticket counts comes out of the same memory: threads, connections, libraries, listings.
constexpr uint64_t kOwnBytesMax = 16 * kMiB, kOwnShare = 16;
uint64_t ForTickets(uint64_t memory_bytes) {
  return memory_bytes - std::min(kOwnBytesMax, memory_bytes / kOwnShare);
}

}  // namespace

Result<uint32_t> Connections(const EngineOptions& options) {
  if (options.connections != 0) return std::min(options.connections, plan::kConnectionsMax);
  double gbps = options.target_gbps;
  const char* text = std::getenv(kTargetVariable);
  if (gbps == 0 && text != nullptr && *text != 0) {
    const std::string_view value(text);
    const auto [end, failure] = std::from_chars(value.data(), value.data() + value.size(), gbps);
    if (failure != std::errc() || end != value.data() + value.size() || !(gbps > 0)) {
      return Error(ErrorCode::kInvalidArgument, std::string(kTargetVariable) +
                                                    " is the bandwidth of this machine in Gbit/s, "
                                                    "a number above 0");
    }
  }
  return plan::ConnectionsFor(gbps);
}

Engine::Engine(std::shared_ptr<store::ObjectStore> store, EngineOptions options)
    : store_(std::move(store)),
      request_bytes_(store_->features().buffered_bytes),
      connections_(std::clamp(options.connections, 1U, plan::kConnectionsMax)),
      connections_max_(std::clamp(options.connections_max, connections_, plan::kConnectionsMax)),
      memory_(ForTickets(options.memory_bytes)),
      buffers_(std::min(kIdleBufferBytesMax, memory_.limit_bytes())),
      pool_({.name = "varve-transfer",
             .threads = connections_,
             .queue_max = kQueueMax,
             .background = false}) {}

Engine::~Engine() { Stop(StopHow::kCancel); }

void Engine::Stop(StopHow how) {
  if (how == StopHow::kCancel) stopping_.Cancel();
  pool_.Stop();
}

Status Engine::ForEach(const OpContext& ctx, size_t n,
                       const std::function<Status(size_t index)>& fn) {
  return ParallelFor(ctx, pool_, n, [this] { return InFlight(); }, fn);
}

uint32_t Engine::InFlight() {
  if (connections_max_ == connections_) return connections_;
  const uint32_t wanted =
      std::min(connections_max_, plan::ConnectionsBeside(connections_, store_->WaitShare()));
  pool_.Grow(wanted);
  return wanted;
}

Result<MemoryBudget::Ticket> Engine::Reserve(const OpContext& ctx, uint64_t bytes) {
  return memory_.Acquire(ctx,
                         std::min(bytes + request_bytes_, std::max(bytes, memory_.limit_bytes())));
}

Result<store::ObjectInfo> Engine::Put(const OpContext& ctx, const store::Key& key, ByteView body) {
  const LinkedContext linked(ctx, stopping_);
  InFlight();
  return store_->PutNew(linked.ctx(), key, body);
}

Status Engine::ReadRanges(const OpContext& ctx, std::span<const RangeRead> reads,
                          const RangeHandlers& handlers) {
  const LinkedContext linked(ctx, stopping_);
  const auto read_one = [&](size_t index) -> Status {
    const RangeRead& read = reads[index];
    const MutableByteView place = handlers.place ? handlers.place(index) : MutableByteView();
    VARVE_TRY(const MemoryBudget::Ticket ticket,
              Reserve(linked.ctx(), place.empty() ? read.bytes : 0));
    BufferPool::Buffer buffer;
    if (place.empty()) buffer = buffers_.Take(read.bytes);
    const MutableByteView into = place.empty() ? buffer.view() : place;
    auto got = store_->GetRange(linked.ctx(), read.key, read.offset, into);
    if (!got.ok()) {
      return handlers.failed ? handlers.failed(index, std::move(got).error())
                             : Status(std::move(got).error());
    }
    return handlers.deliver(index, into);
  };
  return ForEach(linked.ctx(), reads.size(), read_one);
}

}  // namespace varve::transfer
