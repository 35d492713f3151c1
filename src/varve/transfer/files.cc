#include "varve/transfer/files.h"

#include <algorithm>
#include <atomic>
#include <filesystem>
#include <memory>
#include <optional>

#include "varve/exec/sync.h"
#include "varve/hash/hash.h"
#include "varve/plan/part_plan.h"
#include "varve/transfer/disk_file.h"
#include "varve/transfer/linked_context.h"
#include "varve/transfer/upload.h"

namespace varve::transfer {
namespace {

// One worker's next piece of work: a part of a large file, or a whole small one.
struct Item {
  size_t file = 0;
  uint32_t part = 0;
};

class Teller {
 public:
  Teller(const OnFileProgress& on_progress, uint64_t files_total) : on_progress_(on_progress) {
    progress_.files_total = files_total;
  }
  void AddTotal(uint64_t bytes) { progress_.bytes_total += bytes; }
  void Done(uint64_t bytes, bool file_done) {
    if (!on_progress_) return;
    const std::lock_guard lock(mutex_);
    progress_.bytes_done += bytes;
    progress_.files_done += file_done ? 1 : 0;
    on_progress_(progress_);
  }

 private:
  const OnFileProgress& on_progress_;
  Mutex mutex_;
  FileProgress progress_;  // Guarded by mutex_ once work began.
};

Result<uint64_t> BytesOf(const std::string& path) {
  std::error_code failure;
  const uint64_t bytes = std::filesystem::file_size(path, failure);
  if (failure)
    return Error(ErrorCode::kNotFound, "cannot read '" + path + "': " + failure.message());
  return bytes;
}

std::string RecordPath(const std::string& folder, Engine& engine, const store::Key& key) {
  if (folder.empty()) return "";
  const std::string name =
      engine.store().Endpoint() + " " + engine.store().Describe() + " " + key.str();
  return folder + "/" + hash::Blake3Of(AsBytes(name)).Hex().substr(0, 32) + ".upload";
}

Status SendWhole(const OpContext& ctx, Engine& engine, const FileUpload& file, uint64_t bytes) {
  VARVE_TRY(DiskFile source, DiskFile::OpenForRead(file.path));
  if (source.bytes() != bytes) return FileChanged(file.path);
  VARVE_TRY(const MemoryBudget::Ticket ticket, engine.Reserve(ctx, bytes));
  const BufferPool::Buffer buffer = engine.buffers().Take(bytes, BufferPool::Touch::kAll);
  VARVE_CHECK_OK(source.ReadAt(0, buffer.view()));
  VARVE_CHECK_OK(source.CheckUnchanged());
  VARVE_TRY(const store::ObjectInfo info, engine.store().PutNew(ctx, file.key, buffer.view()));
  static_cast<void>(info);
  return OkStatus();
}

// The parts of up to `group` files at a time, each file's in turn. Workers that write to one file
// wait for each other in the kernel, and those that send parts of one for the beginning of its
// upload, so they had better work on several. Files join a few at a time, as they end later: a
// beginning and an end move no bytes, and all at once would leave the link idle.
std::vector<Item> InTurn(const std::vector<plan::PartPlan>& plans, size_t group) {
  std::vector<Item> items, open;
  for (size_t next = 0; next < plans.size() || !open.empty();) {
    for (size_t room = group; room > 0 && open.size() < group && next < plans.size();) {
      room -= std::clamp<size_t>(plans[next].count, 1, room);
      open.push_back({next++, 0});
    }
    for (Item& item : open) {
      if (item.part < plans[item.file].count) items.push_back(item);
      ++item.part;
    }
    std::erase_if(open, [&](const Item& item) { return item.part >= plans[item.file].count; });
  }
  return items;
}

// A file that several workers fill; the one that writes the last range moves it into place.
struct Arriving {
  Mutex writing;  // The kernel writes one piece of a file at a time, and spins; this one sleeps.
  Mutex mutex;
  std::optional<DiskFile> file;  // Guarded by mutex, as all below.
  store::Etag etag;
  uint32_t left = 0;
};

Status Receive(const OpContext& ctx, Engine& engine, const FileDownload& wanted, Arriving& arriving,
               uint64_t offset, uint64_t bytes) {
  DiskFile* file = nullptr;
  {
    const std::lock_guard lock(arriving.mutex);
    if (!arriving.file.has_value()) {
      VARVE_TRY(DiskFile made, DiskFile::Create(wanted.path, wanted.bytes));
      arriving.file.emplace(std::move(made));
    }
    file = &*arriving.file;
  }
  store::ObjectInfo info;
  if (bytes > 0) {
    VARVE_TRY(const MemoryBudget::Ticket ticket,
              engine.Reserve(ctx, std::min(bytes, store::kPieceBytesMax)));
    // Straight from where it was received, while it is in the processor's cache.
    const auto write = [&](uint64_t at, ByteView piece) {
      const std::lock_guard lock(arriving.writing);
      return file->WriteAt(offset + at, piece);
    };
    // Or from the socket by a pipe, without passing through this process.
    const auto pipe = [&](uint64_t at, int from, uint64_t count) {
      const std::lock_guard lock(arriving.writing);
      return file->WriteFromPipe(offset + at, from, count);
    };
    const store::TakePiece take(write, pipe);
    VARVE_TRY(info, engine.store().GetPieces(ctx, wanted.key, offset, bytes, take));
    if (info.bytes != 0 && info.bytes != wanted.bytes) {
      return std::move(Error(ErrorCode::kCorrupt,
                             "the object does not have the length that was "
                             "listed; list again")
                           .At("get", wanted.key.str()));
    }
  }
  const std::lock_guard lock(arriving.mutex);
  if (arriving.etag.empty()) arriving.etag = info.etag;
  if (!info.etag.empty() && info.etag != arriving.etag) {
    return std::move(Error(ErrorCode::kCorrupt, "the object changed while it was read")
                         .At("get", wanted.key.str()));
  }
  if (--arriving.left > 0) return OkStatus();
  VARVE_CHECK_OK(arriving.file->Publish());
  arriving.file.reset();
  return OkStatus();
}

}  // namespace

Status UploadFiles(const OpContext& ctx, Engine& engine, const std::vector<FileUpload>& files,
                   const FileOptions& options) {
  const LinkedContext linked(ctx, engine.stopping());
  const bool parted = engine.store().features().multipart;
  Teller teller(options.on_progress, files.size());
  std::vector<uint64_t> bytes(files.size());
  std::vector<std::unique_ptr<PartedUpload>> large(files.size());
  std::vector<plan::PartPlan> plans(files.size());
  for (size_t i = 0; i < files.size(); ++i) {
    VARVE_TRY(bytes[i], BytesOf(files[i].path));
    teller.AddTotal(bytes[i]);
    plans[i] = {.object_bytes = bytes[i], .part_bytes = bytes[i], .count = 1};
    if (parted && bytes[i] > options.part_bytes) {
      VARVE_TRY(plans[i], plan::PlanParts({.object_bytes = bytes[i],
                                           .part_bytes_wanted = options.part_bytes,
                                           .limits = {}}));
      large[i] =
          std::make_unique<PartedUpload>(engine, files[i].path, files[i].key, plans[i],
                                         RecordPath(options.resume_folder, engine, files[i].key));
    }
  }
  const std::vector<Item> items = InTurn(plans, engine.connections());
  std::vector<std::atomic<uint32_t>> done(files.size());
  const Status sent = engine.ForEach(linked.ctx(), items.size(), [&](size_t index) -> Status {
    const auto [file, part] = items[index];
    VARVE_CHECK_OK(large[file] != nullptr
                       ? large[file]->SendPart(linked.ctx(), part)
                       : SendWhole(linked.ctx(), engine, files[file], bytes[file]));
    teller.Done(plans[file].PartBytes(part), ++done[file] == plans[file].count);
    return OkStatus();
  });
  for (const auto& upload : large) {
    if (!sent.ok() && upload != nullptr) upload->Abandon(ctx);
  }
  return sent;
}

Status DownloadFiles(const OpContext& ctx, Engine& engine, const std::vector<FileDownload>& files,
                     const FileOptions& options) {
  const LinkedContext linked(ctx, engine.stopping());
  Teller teller(options.on_progress, files.size());
  std::vector<std::unique_ptr<Arriving>> arriving(files.size());
  std::vector<plan::PartPlan> plans(files.size());
  for (size_t i = 0; i < files.size(); ++i) {
    teller.AddTotal(files[i].bytes);
    plan::PartLimits limits;
    limits.part_bytes_min = 1;
    limits.part_count_max = UINT32_MAX;
    VARVE_TRY(plans[i], plan::PlanParts({.object_bytes = files[i].bytes,
                                         .part_bytes_wanted = options.part_bytes,
                                         .limits = limits}));
    arriving[i] = std::make_unique<Arriving>();
    arriving[i]->left = plans[i].count;
  }
  const std::vector<Item> items = InTurn(plans, engine.connections());
  std::vector<std::atomic<uint32_t>> done(files.size());
  return engine.ForEach(linked.ctx(), items.size(), [&](size_t index) -> Status {
    const auto [file, part] = items[index];
    const plan::PartPlan& parts = plans[file];
    VARVE_CHECK_OK(Receive(linked.ctx(), engine, files[file], *arriving[file], parts.Offset(part),
                           parts.PartBytes(part)));
    teller.Done(parts.PartBytes(part), ++done[file] == parts.count);
    return OkStatus();
  });
}

}  // namespace varve::transfer
