// Fetch, decode, verify: every byte that a load returns passes through here.
#include <algorithm>
#include <cstring>
#include <mutex>

#include "varve/exec/memory_budget.h"
#include "varve/lake/internal.h"
#include "varve/plan/read_plan.h"

namespace varve::lake {
namespace {

struct Wanted {
  std::vector<const ChunkRead*> reads;  // One chunk may be wanted in several places.
};

Error Damaged(const format::ChunkRow& row, const std::string& item, const std::string& pack_key,
              const std::string& what) {
  return std::move(Error(ErrorCode::kCorrupt,
                         "'" + item + "' is damaged: chunk " + row.digest.Hex() + " " + what)
                       .At("read chunk", pack_key));
}

Status Deliver(const format::ChunkRow& row, const Wanted& wanted, ByteView payload,
               const std::string& pack_key) {
  const ChunkRead& first = *wanted.reads.front();
  if (first.into.size() != row.raw_bytes) {
    return Error(ErrorCode::kInternal, "a chunk's place has the wrong length");
  }
  const Status decoded = codec::DecodeChunk(row.codec, payload, first.into);
  if (!decoded.ok()) {
    if (decoded.error().code() == ErrorCode::kUnsupported) return decoded;
    return Damaged(row, *first.item, pack_key, "does not decode: " + decoded.error().message());
  }
  if (hash::Blake3Of(first.into) != row.digest) {
    return Damaged(row, *first.item, pack_key, "has another digest");
  }
  for (size_t i = 1; i < wanted.reads.size(); ++i) {
    std::memcpy(wanted.reads[i]->into.data(), first.into.data(), first.into.size());
  }
  return OkStatus();
}

}  // namespace

Status ReadChunks(const OpContext& ctx, Core& core, const format::Commit& commit,
                  const std::vector<ChunkRead>& reads,
                  const std::function<void(uint64_t raw_bytes)>& on_bytes) {
  std::unordered_map<uint32_t, Wanted> by_chunk;
  for (const ChunkRead& read : reads) by_chunk[read.chunk].reads.push_back(&read);
  std::vector<plan::ChunkRef> refs;
  refs.reserve(by_chunk.size());
  for (const auto& [chunk, wanted] : by_chunk) {
    const format::ChunkRow& row = commit.chunks[chunk];
    refs.push_back({row.pack, row.offset, row.payload_bytes, chunk});
  }
  const std::vector<plan::PlannedRead> plan = plan::PlanReads(std::move(refs));
  MemoryBudget budget(std::max(core.options.memory_bytes, plan::kReadBytesMax));
  std::mutex progress_mutex;
  const auto read_one = [&](size_t index) -> Status {
    const plan::PlannedRead& planned = plan[index];
    const std::string pack_key = format::PackKey(commit.packs[planned.pack].id);
    const uint32_t first_chunk = static_cast<uint32_t>(planned.chunks.front());
    const std::string& item = *by_chunk.at(first_chunk).reads.front()->item;
    VARVE_TRY(const MemoryBudget::Ticket ticket, budget.Acquire(ctx, planned.bytes));
    const BufferPool::Buffer buffer = core.buffers.Take(planned.bytes);
    auto got = core.store->GetRange(ctx, store::Key(pack_key), planned.offset, buffer.view());
    if (!got.ok()) {
      const format::ChunkRow& row = commit.chunks[first_chunk];
      if (got.error().code() == ErrorCode::kNotFound)
        return Damaged(row, item, pack_key, "lost its pack");
      if (got.error().code() == ErrorCode::kCorrupt) {
        return Damaged(row, item, pack_key, "is cut short: " + got.error().message());
      }
      return std::move(got.error().Prefix("reading '" + item + "'"));
    }
    uint64_t raw_bytes = 0;
    for (const size_t chunk : planned.chunks) {
      const format::ChunkRow& row = commit.chunks[chunk];
      const ByteView payload =
          ByteView(buffer.view()).subspan(row.offset - planned.offset, row.payload_bytes);
      const Wanted& wanted = by_chunk.at(static_cast<uint32_t>(chunk));
      VARVE_CHECK_OK(Deliver(row, wanted, payload, pack_key));
      raw_bytes += row.raw_bytes * wanted.reads.size();
    }
    if (on_bytes) {
      const std::lock_guard lock(progress_mutex);
      on_bytes(raw_bytes);
    }
    return OkStatus();
  };
  return ParallelFor(ctx, core.transfers, plan.size(), core.options.transfers, read_one);
}

}  // namespace varve::lake
