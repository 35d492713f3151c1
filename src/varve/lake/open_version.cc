// One resolved version: its tables in memory, its bytes on request.
#include <algorithm>

#include "varve/format/names.h"
#include "varve/lake/internal.h"
#include "varve/lake/local_files.h"

namespace varve::lake {
namespace {

constexpr int kPutTriesMax = 4;                   // Saves of one put that a collector may outrun.
constexpr uint64_t kFileWindowBytes = 64 * kMiB;  // Raw bytes of files held at once by a get.

// Appends the reads that fill `into` with chunks of one item.
void AppendReads(const format::Commit& commit, const std::vector<uint32_t>& chunks,
                 MutableByteView into, const std::string& item, std::vector<ChunkRead>& reads) {
  uint64_t offset = 0;
  for (const uint32_t chunk : chunks) {
    const uint64_t bytes = commit.chunks[chunk].raw_bytes;
    reads.push_back({chunk, into.subspan(offset, bytes), &item});
    offset += bytes;
  }
}

// kGone for an item whose component was let go; says which and what can still be read.
Status CheckHere(const std::string& address, const format::Commit& commit, size_t item,
                 const std::string& path) {
  const format::LetGo* row = commit.GoneBy(item);
  if (row == nullptr) return OkStatus();
  std::string message =
      "'" + path + "' of " + address + " was let go with all of '" + row->component + "'";
  if (!row->policy.empty()) message += " by policy '" + row->policy + "'";
  return Error(ErrorCode::kGone,
               message + "; load the rest by path, or within the grace: varve undelete " + address);
}

class Version final : public OpenVersion {
 public:
  Version(std::shared_ptr<Core> core, Resolved resolved, format::DecodedCommit decoded)
      : core_(std::move(core)),
        resolved_(std::move(resolved)),
        decoded_(std::move(decoded)),
        place_(resolved_.entry) {}

  const std::string& name() const override { return resolved_.snapshot.head.name; }
  const format::VersionEntry& entry() const override { return resolved_.entry; }
  const format::Commit& commit() const override { return decoded_.commit; }

  Status ReadTensors(const OpContext& ctx, const std::vector<TensorRead>& tensor_reads,
                     const std::function<void(Progress)>& on_progress) override {
    Progress progress;
    for (const TensorRead& read : tensor_reads) {
      const auto& tensors = commit().tensors;
      if (read.index >= tensors.size() || read.into.size() != tensors[read.index].raw_bytes) {
        return Error(ErrorCode::kInvalidArgument, "a tensor's place has the wrong length");
      }
      progress.bytes_total += tensors[read.index].raw_bytes;
    }
    const auto choose = [&](const format::Commit& now, std::vector<ChunkRead>& reads) -> Status {
      for (const TensorRead& read : tensor_reads) {
        const format::TensorRow& row = now.tensors[read.index];
        VARVE_CHECK_OK(CheckHere(Name(), now, read.index, row.name));
        AppendReads(now, row.chunks, read.into, row.name, reads);
      }
      return OkStatus();
    };
    return Read(ctx, choose, [&](uint64_t raw_bytes) {
      progress.bytes_done += raw_bytes;
      if (on_progress) on_progress(progress);
    });
  }

  Status ReadFile(const OpContext& ctx, size_t index, const std::string& local_path) override {
    if (index >= commit().files.size()) {
      return Error(ErrorCode::kInvalidArgument, "no such file in the version");
    }
    VARVE_TRY(FolderWriter writer, FolderWriter::Begin(local_path));
    VARVE_CHECK_OK(WriteFiles(ctx, writer, index, index + 1, {}));
    return writer.Finish();
  }

  // Files [first, last) through `writer`, a bounded window at a time.
  Status WriteFiles(const OpContext& ctx, FolderWriter& writer, size_t first, size_t last,
                    const std::function<void(uint64_t)>& on_bytes) {
    struct Piece {
      size_t file;
      size_t chunk_begin, chunk_end;
      uint64_t offset, bytes;
    };
    std::vector<Piece> window;
    uint64_t window_bytes = 0;
    const BufferPool::Buffer buffer = core_->buffers.Take(kFileWindowBytes);
    const auto flush = [&]() -> Status {
      const auto choose = [&](const format::Commit& now, std::vector<ChunkRead>& reads) -> Status {
        for (const Piece& piece : window) {
          const format::FileRow& row = now.files[piece.file];
          VARVE_CHECK_OK(CheckHere(Name(), now, now.tensors.size() + piece.file, row.path));
          const std::vector<uint32_t> chunks(
              row.chunks.begin() + static_cast<std::ptrdiff_t>(piece.chunk_begin),
              row.chunks.begin() + static_cast<std::ptrdiff_t>(piece.chunk_end));
          AppendReads(now, chunks, buffer.view().subspan(piece.offset, piece.bytes), row.path,
                      reads);
        }
        return OkStatus();
      };
      VARVE_CHECK_OK(Read(ctx, choose, on_bytes));
      for (const Piece& piece : window) {
        const format::FileRow& row = commit().files[piece.file];
        if (piece.chunk_begin == 0) VARVE_CHECK_OK(writer.Create(row.path, row.executable));
        VARVE_CHECK_OK(writer.Append(ByteView(buffer.view()).subspan(piece.offset, piece.bytes)));
      }
      window.clear();
      window_bytes = 0;
      return OkStatus();
    };
    for (size_t file = first; file < last; ++file) {
      const format::FileRow& row = commit().files[file];
      VARVE_CHECK_OK(CheckHere(Name(), commit(), commit().tensors.size() + file, row.path));
      Piece piece{file, 0, 0, window_bytes, 0};
      for (size_t i = 0; i < row.chunks.size(); ++i) {
        const uint64_t bytes = commit().chunks[row.chunks[i]].raw_bytes;
        if (window_bytes + bytes > buffer.bytes()) {
          if (piece.chunk_end > piece.chunk_begin) window.push_back(piece);
          VARVE_CHECK_OK(flush());
          piece = {file, i, i, 0, 0};
        }
        piece.chunk_end = i + 1;
        piece.bytes += bytes;
        window_bytes += bytes;
      }
      window.push_back(piece);
    }
    return flush();
  }

 private:
  using Choose = std::function<Status(const format::Commit& now, std::vector<ChunkRead>& reads)>;

  // Reads what `choose` wants of the commit as its chunks lie now. The items and how they are cut
  // are the same in every layout.
  Status Read(const OpContext& ctx, const Choose& choose,
              const std::function<void(uint64_t)>& on_bytes) {
    uint64_t told_bytes = 0;
    for (int attempt = 1;; ++attempt) {
      const format::Commit& now = moved_.has_value() ? moved_->commit : decoded_.commit;
      std::vector<ChunkRead> reads;
      VARVE_CHECK_OK(choose(now, reads));
      uint64_t done_bytes = 0;
      const auto tell = [&](uint64_t raw_bytes) {
        done_bytes += raw_bytes;
        if (on_bytes && done_bytes > told_bytes) on_bytes(done_bytes - told_bytes);
        told_bytes = std::max(told_bytes, done_bytes);
      };
      Status read = ReadChunks(ctx, *core_, now, reads, tell);
      if (read.ok() || read.error().code() != ErrorCode::kCorrupt || attempt == kMovedTriesMax) {
        return read;
      }
      VARVE_TRY(const bool moved, Follow(ctx));
      if (!moved) return read;
    }
  }

  // True when the chunks lie elsewhere now.
  Result<bool> Follow(const OpContext& ctx) {
    for (int attempt = 1;; ++attempt) {
      VARVE_TRY(auto now, MovedTo(ctx, *core_, name(), place_));
      if (!now.has_value()) return false;
      place_ = *std::move(now);
      auto read = ReadCommit(ctx, *core_, place_);
      if (read.ok()) {
        moved_ = std::move(read->decoded);
        return true;
      }
      if (read.error().code() != ErrorCode::kCorrupt || attempt == kMovedTriesMax) {
        return std::move(read).error();
      }
    }
  }

  std::string Name() const { return format::VersionAddress(name(), entry().version); }

  std::shared_ptr<Core> core_;
  const Resolved resolved_;
  const format::DecodedCommit decoded_;
  format::VersionEntry place_;                  // Where its chunks lie now,
  std::optional<format::DecodedCommit> moved_;  // and that commit object; none: decoded_.
};

Result<std::unique_ptr<Version>> Open(const OpContext& ctx, const std::shared_ptr<Core>& core,
                                      std::string_view address) {
  VARVE_TRY(ResolvedCommit found, ResolveCommit(ctx, *core, address));
  return std::make_unique<Version>(core, std::move(found.at), std::move(found.read.decoded));
}

}  // namespace

Result<std::unique_ptr<OpenVersion>> OpenVersionAt(const OpContext& ctx,
                                                   const std::shared_ptr<Core>& core,
                                                   std::string_view address) {
  VARVE_TRY(std::unique_ptr<Version> version, Open(ctx, core, address));
  return std::unique_ptr<OpenVersion>(std::move(version));
}

Result<SaveReport> PutPath(const OpContext& ctx, const std::shared_ptr<Core>& core,
                           std::string name, const std::string& local_path, SaveOptions options,
                           const std::function<void(Progress)>& on_progress) {
  VARVE_TRY(const std::vector<FoundFile> files, FindFiles(local_path));
  // Every name is checked before anything is sent.
  Progress progress;
  for (const FoundFile& file : files) {
    VARVE_CHECK_OK(format::CheckPath(file.path));
    progress.bytes_total += file.bytes;
  }
  const auto save = [&]() -> Result<SaveReport> {
    progress.bytes_done = 0;
    VARVE_TRY(auto session, BeginSession(ctx, core, name, options));
    for (const FoundFile& file : files) {
      VARVE_CHECK_OK(session->AddFile(ctx, file.path, file.local_path));
      progress.bytes_done += file.bytes;
      if (on_progress) on_progress(progress);
    }
    return session->Commit(ctx);
  };
  // The files are still there, so a collector that was faster than this save costs another try.
  Result<SaveReport> saved = save();
  for (int again = 1; again < kPutTriesMax; ++again) {
    if (saved.ok() || saved.error().code() != ErrorCode::kConflict) break;
    saved = save();
  }
  return saved;
}

Status GetPath(const OpContext& ctx, const std::shared_ptr<Core>& core, std::string_view address,
               const std::string& destination, const std::function<void(Progress)>& on_progress) {
  VARVE_TRY(const std::unique_ptr<Version> version, Open(ctx, core, address));
  const format::Commit& commit = version->commit();
  if (commit.files.empty() && !commit.tensors.empty()) {
    return Error(ErrorCode::kUnsupported,
                 "'" + std::string(address) + "' holds tensors, not files; load it instead");
  }
  VARVE_TRY(FolderWriter writer, FolderWriter::Begin(destination));
  Progress progress;
  for (const format::FileRow& row : commit.files) progress.bytes_total += row.raw_bytes;
  VARVE_CHECK_OK(version->WriteFiles(ctx, writer, 0, commit.files.size(), [&](uint64_t raw_bytes) {
    progress.bytes_done += raw_bytes;
    if (on_progress) on_progress(progress);
  }));
  return writer.Finish();
}

}  // namespace varve::lake
