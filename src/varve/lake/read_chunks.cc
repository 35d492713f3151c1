// Fetch, decode, verify: every byte that a load returns passes through here.
#include <algorithm>
#include <cstring>
#include <mutex>

#include "varve/base/planted.h"
#include "varve/lake/internal.h"

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
  if (hash::Blake3Of(first.into) != row.digest && !PLANTED(32)) {
    return Damaged(row, *first.item, pack_key, "has another digest");
  }
  for (size_t i = 1; i < wanted.reads.size() && !PLANTED(33); ++i) {
    std::memcpy(wanted.reads[i]->into.data(), first.into.data(), first.into.size());
  }
  return OkStatus();
}

}  // namespace

std::vector<transfer::RangeRead> RangesOf(const format::Commit& commit,
                                          const std::vector<plan::PlannedRead>& plan) {
  std::vector<transfer::RangeRead> ranges;
  ranges.reserve(plan.size());
  for (const plan::PlannedRead& planned : plan) {
    ranges.push_back({store::Key(format::PackKey(commit.packs[planned.pack].id)), planned.offset,
                      planned.bytes});
  }
  return ranges;
}

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
  const std::vector<transfer::RangeRead> ranges = RangesOf(commit, plan);
  std::mutex progress_mutex;
  transfer::RangeHandlers handlers;
  handlers.failed = [&](size_t index, Error error) -> Status {
    const auto first_chunk = static_cast<uint32_t>(plan[index].chunks.front());
    const format::ChunkRow& row = commit.chunks[first_chunk];
    const std::string& item = *by_chunk.at(first_chunk).reads.front()->item;
    const std::string& pack_key = ranges[index].key.str();
    if (error.code() == ErrorCode::kNotFound) return Damaged(row, item, pack_key, "lost its pack");
    if (error.code() == ErrorCode::kCorrupt)
      return Damaged(row, item, pack_key, "is cut short: " + error.message());
    return std::move(error.Prefix("reading '" + item + "'"));
  };
  handlers.deliver = [&](size_t index, ByteView bytes) -> Status {
    const plan::PlannedRead& planned = plan[index];
    uint64_t raw_bytes = 0;
    for (const size_t chunk : planned.chunks) {
      const format::ChunkRow& row = commit.chunks[chunk];
      const ByteView payload = bytes.subspan(row.offset - planned.offset, row.payload_bytes);
      const Wanted& wanted = by_chunk.at(static_cast<uint32_t>(chunk));
      VARVE_CHECK_OK(Deliver(row, wanted, payload, ranges[index].key.str()));
      raw_bytes += row.raw_bytes * wanted.reads.size();
    }
    if (on_bytes) {
      const std::lock_guard lock(progress_mutex);
      on_bytes(raw_bytes);
    }
    return OkStatus();
  };
  return core.transfers.ReadRanges(ctx, ranges, handlers);
}

Result<bool> IsSound(Core& core, const format::ChunkRow& row, ByteView payload) {
  const BufferPool::Buffer raw = core.buffers.Take(row.raw_bytes);
  const Status decoded = codec::DecodeChunk(row.codec, payload, raw.view());
  if (!decoded.ok() && decoded.error().code() == ErrorCode::kUnsupported) return decoded.error();
  return decoded.ok() && hash::Blake3Of(raw.view()) == row.digest;
}

}  // namespace varve::lake
