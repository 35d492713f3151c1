// Reads and hashes again everything a version names; tells damage apart from trouble with the
// store.
#include <mutex>

#include "varve/format/names.h"
#include "varve/lake/internal.h"
#include "varve/lake/retention.h"
#include "varve/plan/read_plan.h"

namespace varve::lake {
namespace {

// Every item that uses a chunk, so that damage is reported by the names people know.
std::vector<std::vector<const std::string*>> UsersOf(const format::Commit& commit) {
  std::vector<std::vector<const std::string*>> users(commit.chunks.size());
  const auto note = [&](const std::string& item, const std::vector<uint32_t>& chunks) {
    for (const uint32_t chunk : chunks) {
      if (users[chunk].empty() || users[chunk].back() != &item) users[chunk].push_back(&item);
    }
  };
  for (const format::TensorRow& row : commit.tensors) note(row.name, row.chunks);
  for (const format::FileRow& row : commit.files) note(row.path, row.chunks);
  return users;
}

Result<VerifyReport> VerifyOnce(const OpContext& ctx, Core& core, const ReadCommitReply& read,
                                const std::function<void(Progress)>& on_progress) {
  const format::Commit& commit = read.decoded.commit;
  const auto users = UsersOf(commit);
  VerifyReport report;
  report.items = commit.tensors.size() + commit.files.size();
  report.chunks = commit.chunks.size();
  report.read_bytes = read.object.size();
  std::vector<plan::ChunkRef> refs;
  Progress progress;
  for (size_t i = 0; i < commit.chunks.size(); ++i) {
    const format::ChunkRow& row = commit.chunks[i];
    refs.push_back({row.pack, row.offset, row.payload_bytes, i});
    progress.bytes_total += row.raw_bytes;
  }
  std::mutex mutex;
  const auto damaged = [&](size_t chunk, const std::string& pack_key, const std::string& what) {
    const std::lock_guard lock(mutex);
    for (const std::string* item : users[chunk]) {
      if (report.damage.size() >= kDamageMax) return;
      report.damage.push_back({*item, commit.chunks[chunk].digest.Hex(), pack_key, what});
    }
  };
  const std::vector<plan::PlannedRead> plan = plan::PlanReads(std::move(refs));
  const std::vector<transfer::RangeRead> ranges = RangesOf(commit, plan);
  transfer::RangeHandlers handlers;
  handlers.failed = [&](size_t index, Error error) -> Status {
    const ErrorCode code = error.code();
    if (code != ErrorCode::kNotFound && code != ErrorCode::kCorrupt) return error;
    const std::string what =
        code == ErrorCode::kNotFound ? "its pack is gone" : "its pack is cut short";
    for (const size_t chunk : plan[index].chunks) damaged(chunk, ranges[index].key.str(), what);
    return OkStatus();
  };
  handlers.deliver = [&](size_t index, ByteView bytes) -> Status {
    const plan::PlannedRead& planned = plan[index];
    const std::string& pack_key = ranges[index].key.str();
    uint64_t raw_bytes = 0;
    for (const size_t chunk : planned.chunks) {
      const format::ChunkRow& row = commit.chunks[chunk];
      const BufferPool::Buffer raw = core.buffers.Take(row.raw_bytes);
      const ByteView payload = bytes.subspan(row.offset - planned.offset, row.payload_bytes);
      const Status decoded = codec::DecodeChunk(row.codec, payload, raw.view());
      if (!decoded.ok()) {
        damaged(chunk, pack_key, "does not decode: " + decoded.error().message());
      } else if (hash::Blake3Of(raw.view()) != row.digest) {
        damaged(chunk, pack_key, "has another digest");
      }
      raw_bytes += row.raw_bytes;
    }
    const std::lock_guard lock(mutex);
    report.read_bytes += planned.bytes;
    report.raw_bytes += raw_bytes;
    progress.bytes_done += raw_bytes;
    if (on_progress) on_progress(progress);
    return OkStatus();
  };
  VARVE_CHECK_OK(core.transfers.ReadRanges(ctx, ranges, handlers));
  return report;
}

}  // namespace

Result<VerifyReport> VerifyVersion(const OpContext& ctx, Core& core, std::string_view address,
                                   const std::function<void(Progress)>& on_progress) {
  VARVE_TRY(ResolvedCommit found, ResolveCommit(ctx, core, address));
  const std::string name = found.at.snapshot.head.name;
  for (int attempt = 1;; ++attempt) {
    VARVE_TRY(VerifyReport report, VerifyOnce(ctx, core, found.read, on_progress));
    if (report.damage.empty()) {
      const Status recorded = MarkVerified(ctx, core, found.at.snapshot, found.at.entry);
      report.recorded = recorded.ok();
      if (!recorded.ok()) report.not_recorded = recorded.error().message();
      return report;
    }
    if (attempt == kMovedTriesMax) return report;
    // Collected under our eyes: gone, or whole where it lies now.
    VARVE_TRY(const auto now, MovedTo(ctx, core, name, found.at.entry));
    if (!now.has_value()) return report;
    VARVE_TRY(found, ResolveCommit(ctx, core, format::VersionAddress(name, now->version)));
  }
}

}  // namespace varve::lake
