// From one lake to another: the logical half of a commit unchanged, so its id stays; the chunks as
// they are stored, checked on the way.
#include <algorithm>
#include <map>

#include "varve/base/planted.h"
#include "varve/format/names.h"
#include "varve/lake/copy_labels.h"
#include "varve/lake/internal.h"
#include "varve/lake/retention.h"

namespace varve::lake {
namespace {

// Brings one version over. Returns the bytes that were sent.
Result<uint64_t> CopyOne(const OpContext& ctx, Core& source, Core& destination,
                         const std::string& name, const format::VersionEntry& entry) {
  VARVE_TRY(const uint64_t base_epoch, destination.guard.Base(ctx));
  VARVE_TRY(const ReadCommitReply read, ReadCommit(ctx, source, entry));
  const format::Commit& commit = read.decoded.commit;
  VARVE_TRY(auto writer, ChunkWriter::Make(destination, ctx, {.target = name}));
  std::vector<std::string> addresses;
  auto previous = destination.heads.Read(ctx, name);
  if (previous.ok() && previous->head.last_version() > 0) {
    auto latest = LatestLive(ctx, destination, previous->head);
    if (latest.ok()) {
      VARVE_TRY(const ReadCommitReply base, ReadCommit(ctx, destination, *latest));
      writer->AddBase(base.decoded.commit);
      addresses.push_back(format::VersionAddress(name, latest->version));
    }
  }
  std::vector<std::string> items(commit.chunks.size());
  for (const format::TensorRow& row : commit.tensors) {
    for (const uint32_t chunk : row.chunks) items[chunk] = row.name;
  }
  for (const format::FileRow& row : commit.files) {
    for (const uint32_t chunk : row.chunks) items[chunk] = row.path;
  }
  for (size_t i = 0; i < commit.chunks.size(); ++i) {
    const format::ChunkRow& row = commit.chunks[i];
    VARVE_TRY(const std::optional<size_t> known, writer->AddKnown(row.digest));
    if (known.has_value()) continue;
    const std::string pack_key = format::PackKey(commit.packs[row.pack].id);
    const BufferPool::Buffer payload = source.buffers.Take(row.payload_bytes);
    const auto got = source.store->GetRange(ctx, store::Key(pack_key), row.offset, payload.view());
    if (!got.ok() && got.error().code() != ErrorCode::kNotFound) return got.error();
    if (!got.ok()) {
      return std::move(Error(ErrorCode::kCorrupt, "'" + items[i] + "' lost its pack in the source")
                           .At("copy chunk", pack_key));
    }
    const BufferPool::Buffer raw = source.buffers.Take(row.raw_bytes);
    const Status decoded = codec::DecodeChunk(row.codec, payload.view(), raw.view());
    if ((!decoded.ok() || hash::Blake3Of(raw.view()) != row.digest) && !PLANTED(42)) {
      return std::move(
          Error(ErrorCode::kCorrupt,
                "'" + items[i] + "' is damaged in the source: chunk " + row.digest.Hex())
              .At("copy chunk", pack_key));
    }
    VARVE_TRY(const size_t slot, writer->AddEncoded(row, payload.view()));
    static_cast<void>(slot);
  }
  VARVE_CHECK_OK(writer->Finish());
  format::Commit moved = commit;
  moved.chunks.clear();
  moved.packs.clear();
  CommitBuilder builder(*writer);
  for (const format::ChunkRow& row : commit.chunks) builder.Ordinal(row.digest);  // Same ordinals.
  builder.MoveTo(moved);
  moved.origin = {name, previous.ok() ? previous->head.last_version() + 1 : 1};
  VARVE_TRY(const Published published, Publish(ctx, destination,
                                               {.name = name,
                                                .artifact_type = moved.header.artifact_type,
                                                .commit = &moved,
                                                .writer = writer.get(),
                                                .logical = &read.decoded.logical,
                                                .base_epoch = base_epoch,
                                                .base_addresses = std::move(addresses),
                                                .aliases = {},
                                                .named_parents = entry.parents}));
  if (published.commit_id != entry.commit_id) {
    return Error(ErrorCode::kInternal, "copying changed the commit id of '" + name + "'");
  }
  return published.stored_bytes;
}

// The same from wherever the version lies by then.
Result<uint64_t> CopyFollowing(const OpContext& ctx, Core& source, Core& destination,
                               const std::string& name, format::VersionEntry entry) {
  for (int attempt = 1;; ++attempt) {
    auto sent = CopyOne(ctx, source, destination, name, entry);
    if (sent.ok() || sent.error().code() != ErrorCode::kCorrupt || attempt == kMovedTriesMax) {
      return sent;
    }
    VARVE_TRY(auto now, MovedTo(ctx, source, name, entry));
    if (!now.has_value()) return sent;
    entry = *std::move(now);
  }
}

Result<std::vector<format::VersionEntry>> LiveVersions(const OpContext& ctx, Core& core,
                                                       const format::Head& head) {
  VARVE_TRY(std::vector<format::VersionEntry> live, core.heads.Newest(ctx, head, SIZE_MAX));
  std::erase_if(live, [&](const auto& entry) { return head.forgotten.contains(entry.version); });
  return live;
}

// The newest live version of each commit.
Result<std::map<hash::Digest, uint64_t>> LiveByCommit(const OpContext& ctx, Core& core,
                                                      const format::Head& head) {
  VARVE_TRY(const auto live, LiveVersions(ctx, core, head));  // Newest first.
  std::map<hash::Digest, uint64_t> numbers;
  for (const format::VersionEntry& entry : live)
    numbers.try_emplace(entry.commit_id, entry.version);
  return numbers;
}

// Labels of the versions that are there by now. Returns how many were set; nothing new is no
// request.
Result<uint64_t> CopyLabels(const OpContext& ctx, Core& destination, const format::Head& source,
                            const std::vector<format::VersionEntry>& wanted) {
  VARVE_TRY(const HeadSnapshot snapshot, ResolveHead(ctx, destination, source.name));
  VARVE_TRY(const auto present, LiveByCommit(ctx, destination, snapshot.head));
  std::map<uint64_t, uint64_t> copies;
  for (const format::VersionEntry& entry : wanted) {
    const auto copy = present.find(entry.commit_id);
    if (copy != present.end()) copies.emplace(entry.version, copy->second);
  }
  format::Head edited = snapshot.head;
  uint64_t set = CarryLabels(source, copies, edited);
  if (set == 0 && edited.late_metrics == snapshot.head.late_metrics) return set;
  VARVE_CHECK_OK(EditHead(ctx, destination, source.name, [&](format::Head& head) {
    std::map<uint64_t, uint64_t> alive = copies;
    std::erase_if(alive, [&](const auto& copy) { return !CheckLive(head, copy.second).ok(); });
    set = CarryLabels(source, alive, head);
    return OkStatus();
  }));
  return set;
}

}  // namespace

Result<Lake::CopyReport> CopyVersions(const OpContext& ctx, const std::shared_ptr<Core>& source,
                                      const std::shared_ptr<Core>& destination,
                                      std::string_view address,
                                      const std::function<void(Progress)>& on_progress) {
  VARVE_CHECK_OK(destination->CheckWritable());
  VARVE_TRY(const format::Address parsed, format::ParseAddress(address));
  std::vector<format::VersionEntry> wanted;  // Oldest first.
  format::Head head;
  const bool one = address.find('@') != std::string_view::npos;
  if (one) {
    VARVE_TRY(Resolved at, Resolve(ctx, *source, address));
    wanted.push_back(at.entry);
    head = std::move(at.snapshot.head);
  } else {
    VARVE_TRY(HeadSnapshot snapshot, ResolveHead(ctx, *source, parsed.name));
    VARVE_TRY(wanted, LiveVersions(ctx, *source, snapshot.head));
    std::reverse(wanted.begin(), wanted.end());
    head = std::move(snapshot.head);
  }
  std::map<hash::Digest, uint64_t> present;
  auto there = destination->heads.Read(ctx, parsed.name);
  if (there.ok()) {
    VARVE_TRY(present, LiveByCommit(ctx, *destination, there->head));
  } else if (there.error().code() != ErrorCode::kNotFound) {
    return std::move(there).error();
  }
  Lake::CopyReport report;
  Progress progress;
  for (const format::VersionEntry& entry : wanted) progress.bytes_total += entry.logical_bytes;
  for (const format::VersionEntry& entry : wanted) {
    if (present.contains(entry.commit_id) && !PLANTED(41)) {
      ++report.versions_skipped;
    } else {
      auto sent = CopyFollowing(ctx, *source, *destination, parsed.name, entry);
      // Let go meanwhile: of all live versions it is none.
      if (!sent.ok() && (one || sent.error().code() != ErrorCode::kGone)) return sent.error();
      if (!sent.ok()) continue;
      report.bytes_sent += *sent;
      ++report.versions_copied;
    }
    progress.bytes_done += entry.logical_bytes;
    if (on_progress) on_progress(progress);
  }
  if (report.versions_copied + report.versions_skipped > 0) {
    VARVE_TRY(report.labels_set, CopyLabels(ctx, *destination, head, wanted));
  }
  return report;
}

}  // namespace varve::lake
