// One save: names and shapes on this side, chunks through the ChunkWriter, then the commit.
#include <algorithm>
#include <set>

#include "varve/base/clock.h"
#include "varve/format/names.h"
#include "varve/lake/chunk_writer.h"
#include "varve/lake/internal.h"
#include "varve/plan/cdc.h"
#include "varve/plan/chunk_grid.h"
#include "varve/transfer/disk_file.h"

namespace varve::lake {
namespace {

constexpr uint64_t kWindowBytes = 16 * kMiB;  // Of a file being cut; a multiple of the largest cut.

class Session final : public SaveSession {
 public:
  Session(std::shared_ptr<Core> core, std::string name, SaveOptions options,
          std::unique_ptr<ChunkWriter> writer, uint64_t base_epoch, int64_t begun_ns)
      : core_(std::move(core)),
        name_(std::move(name)),
        options_(std::move(options)),
        writer_(std::move(writer)),
        base_epoch_(base_epoch),
        begun_ns_(begun_ns) {}

  // `named`: those of them that the caller named. `addresses`: of all, as versions.
  void SetParents(std::vector<hash::Digest> parents, std::vector<hash::Digest> named,
                  std::vector<std::string> addresses, uint64_t last_version) {
    parents_ = std::move(parents);
    named_parents_ = std::move(named);
    base_addresses_ = std::move(addresses);
    last_version_ = last_version;
  }

  Status AddTensor(const OpContext& ctx, std::string name, codec::DType dtype,
                   std::vector<uint64_t> shape, ByteView data, Hold hold) override {
    return Noted(AddChunks(ctx, std::move(name), dtype, std::move(shape), data.size(), 0,
                           From(data, dtype, hold)));
  }

  Status AddTensorSlab(const OpContext& ctx, std::string name, codec::DType dtype, SlabPlace place,
                       ByteView data, Hold hold) override {
    return Noted(AddSlab(ctx, std::move(name), dtype, std::move(place), data, hold));
  }

  Status AddTensorFrom(const OpContext& ctx, std::string name, codec::DType dtype,
                       std::vector<uint64_t> shape, uint64_t bytes, const Reader& read) override {
    const codec::ElementKind kind{.is_tensor = true, .dtype = dtype};
    return Noted(AddChunks(ctx, std::move(name), dtype, std::move(shape), bytes, 0,
                           [&](uint64_t offset, uint64_t chunk_bytes) {
                             return writer_->AddRead(chunk_bytes, kind, [&](MutableByteView into) {
                               return read(offset, into);
                             });
                           }));
  }

  Status AddTensorAlias(std::string name, std::string_view existing) override {
    return Noted(AddSecondName(std::move(name), existing));
  }

  Status AddFile(const OpContext& ctx, std::string path, const std::string& local_path) override {
    return Noted(AddPieces(ctx, std::move(path), local_path));
  }

  Result<SaveReport> Commit(const OpContext& ctx) override {
    if (options_.place.has_value()) {
      return Error(ErrorCode::kInvalidArgument,
                   "this save of '" + name_ +
                       "' is that of one rank; finish its part, and join those of all ranks");
    }
    VARVE_CHECK_OK(CheckWhole());
    return CommitWhole(ctx);
  }

  Result<PartReport> FinishPart(const OpContext& ctx) override {
    if (!options_.place.has_value()) {
      return Error(ErrorCode::kInvalidArgument,
                   "this save of '" + name_ + "' has no rank; commit it");
    }
    VARVE_CHECK_OK(CheckWhole());
    return FinishRank(ctx);
  }

  Progress progress() const override { return {writer_->bytes_done(), bytes_total_.load()}; }

 private:
  struct Item {
    uint64_t raw_bytes = 0;
    std::vector<size_t> slots;
  };

  Status CheckWhole() const {
    if (failed_.ok()) return OkStatus();
    return Error(ErrorCode::kInvalidArgument,
                 "a part of this save of '" + name_ +
                     "' was not taken, so there is no version of it; begin it again. cause=" +
                     failed_.error().message());
  }

  // What its caller was refused is not left out of the version in silence.
  Status Noted(Status status) {
    if (failed_.ok()) failed_ = status;
    return status;
  }

  Status AddSecondName(std::string name, std::string_view existing) {
    VARVE_CHECK_OK(CheckNew(name));
    const auto found = tensor_index_.find(std::string(existing));
    if (found == tensor_index_.end()) {
      return Error(
          ErrorCode::kInvalidArgument,
          "tensor '" + name + "' shares '" + std::string(existing) + "', which was not added");
    }
    format::TensorRow row = tensors_[found->second];
    row.name = name;
    Item item = tensor_items_[found->second];
    const auto slab = std::ranges::lower_bound(slabs_, found->second, {}, &format::Slab::tensor);
    if (slab != slabs_.end() && slab->tensor == found->second) {
      format::Slab second = *slab;
      second.tensor = static_cast<uint32_t>(tensors_.size());
      slabs_.push_back(std::move(second));
    }
    tensor_index_.emplace(std::move(name), tensors_.size());
    tensors_.push_back(std::move(row));
    tensor_items_.push_back(std::move(item));
    return OkStatus();
  }

  Status AddSlab(const OpContext& ctx, std::string name, codec::DType dtype, SlabPlace place,
                 ByteView data, Hold hold) {
    const std::vector<uint64_t>& global = place.global_shape;
    uint64_t row_bytes = codec::ElementBytes(dtype), bytes = 0, first_byte = 0;
    bool fits = options_.place.has_value() && !global.empty() && place.first_row <= global[0] &&
                place.rows <= global[0] - place.first_row;
    for (size_t i = 1; i < global.size(); ++i) {
      if (__builtin_mul_overflow(row_bytes, global[i], &row_bytes)) fits = false;
    }
    if (!fits || __builtin_mul_overflow(row_bytes, global[0], &bytes) ||
        __builtin_mul_overflow(row_bytes, place.first_row, &first_byte)) {
      return Error(
          ErrorCode::kInvalidArgument,
          "tensor '" + name + "': rows of it are for a save by ranks, and lie inside of its shape");
    }
    std::vector<uint64_t> shape = global;
    shape[0] = place.rows;
    const size_t tensor = tensors_.size();
    VARVE_CHECK_OK(AddChunks(ctx, std::move(name), dtype, std::move(shape), data.size(), first_byte,
                             From(data, dtype, hold)));
    slabs_.push_back(
        {static_cast<uint32_t>(tensor), place.first_row, std::move(place.global_shape)});
    return OkStatus();
  }

  using Add = std::function<Result<size_t>(uint64_t offset, uint64_t bytes)>;
  Add From(ByteView data, codec::DType dtype, Hold hold) {
    const codec::ElementKind kind{.is_tensor = true, .dtype = dtype};
    return [this, data, kind, hold](uint64_t offset, uint64_t bytes) {
      const ByteView raw = data.subspan(offset, bytes);
      return hold == Hold::kBorrow ? writer_->AddBorrowed(raw, kind)
                                   : writer_->AddCopied(raw, kind);
    };
  }

  Status AddPieces(const OpContext& ctx, std::string path, const std::string& local_path) {
    VARVE_CHECK_OK(CheckNew(path));
    VARVE_TRY(transfer::DiskFile file, transfer::DiskFile::OpenForRead(local_path));
    Item item;
    BufferPool::Buffer window =
        core_->buffers.Take(std::clamp<uint64_t>(file.bytes(), 1, kWindowBytes));
    uint64_t held_bytes = 0;
    bool ended = false;
    while (!ended || held_bytes > 0) {
      VARVE_CHECK_OK(ctx.Check());
      while (!ended && held_bytes < window.bytes()) {
        VARVE_TRY(const uint64_t got,
                  file.ReadSome(item.raw_bytes + held_bytes, window.view().subspan(held_bytes)));
        held_bytes += got;
        ended = got == 0;
        if (item.raw_bytes + held_bytes >= file.bytes()) ended = true;
      }
      uint64_t at = 0;
      while (at < held_bytes && (ended || held_bytes - at >= plan::kCutBytesMax)) {
        const ByteView rest = ByteView(window.view()).subspan(at, held_bytes - at);
        const uint64_t bytes = plan::NextCut(rest, ended);
        VARVE_TRY(const size_t slot, writer_->AddCopied(rest.first(bytes), {}));
        item.slots.push_back(slot);
        item.raw_bytes += bytes;
        at += bytes;
      }
      std::copy(window.data() + at, window.data() + held_bytes, window.data());
      held_bytes -= at;
    }
    VARVE_CHECK_OK(file.CheckUnchanged());
    bytes_total_ += item.raw_bytes;
    format::FileRow row;
    row.path = path;
    row.raw_bytes = item.raw_bytes;
    row.executable = file.executable();
    names_.insert(std::move(path));
    files_.emplace_back(std::move(row), std::move(item));
    staged_ns_ = ctx.clock().SteadyNs();
    return OkStatus();
  }

  Result<SaveReport> CommitWhole(const OpContext& ctx) {
    VARVE_CHECK_OK(writer_->Finish());
    const int64_t durable_ns = ctx.clock().SteadyNs();
    VARVE_TRY(format::Commit commit, Assemble(ctx));
    VARVE_TRY(const Published published, Publish(ctx, *core_,
                                                 {.name = name_,
                                                  .artifact_type = options_.artifact_type,
                                                  .commit = &commit,
                                                  .writer = writer_.get(),
                                                  .logical = nullptr,
                                                  .base_epoch = base_epoch_,
                                                  .base_addresses = base_addresses_,
                                                  .aliases = options_.aliases,
                                                  .named_parents = named_parents_}));
    SaveReport report;
    report.version = published.version;
    report.commit_id = published.commit_id;
    report.logical_bytes = commit.LogicalBytes();
    report.shared_bytes = writer_->shared_bytes();
    report.stored_bytes = published.stored_bytes;
    report.objects_written = writer_->packs_written() + 2;
    report.staged_s = Seconds(begun_ns_, staged_ns_ != 0 ? staged_ns_ : durable_ns);
    report.durable_s = Seconds(begun_ns_, durable_ns);
    report.committed_s = Seconds(begun_ns_, ctx.clock().SteadyNs());
    return report;
  }

  Result<PartReport> FinishRank(const OpContext& ctx) {
    VARVE_CHECK_OK(writer_->Finish());
    format::Part part;
    VARVE_TRY(part.commit, Assemble(ctx));
    part.commit.header.save_id = format::SaveIdOf(name_, options_.place->save_id);
    part.rank = options_.place->rank;
    part.ranks = options_.place->ranks;
    part.base_epoch = base_epoch_;
    part.stored_bytes = writer_->stored_bytes();
    part.shared_bytes = writer_->shared_bytes();
    part.objects_written = writer_->packs_written() + 1;
    for (size_t i = 0; i < parents_.size(); ++i) {
      const bool named = std::find(named_parents_.begin(), named_parents_.end(), parents_[i]) !=
                         named_parents_.end();
      if (named) part.named_parents |= 1U << i;
    }
    const std::set<std::string> aliases(options_.aliases.begin(), options_.aliases.end());
    part.aliases.assign(aliases.begin(), aliases.end());
    part.slabs = std::move(slabs_);
    VARVE_TRY(const WrittenPart written, WritePart(ctx, *core_, name_, part));
    PartReport report;
    report.token = written.token;
    report.logical_bytes = part.commit.LogicalBytes();
    report.stored_bytes = part.stored_bytes + written.object_bytes;
    report.shared_bytes = part.shared_bytes;
    report.objects_written = part.objects_written;
    const int64_t durable_ns = ctx.clock().SteadyNs();
    report.staged_s = Seconds(begun_ns_, staged_ns_ != 0 ? staged_ns_ : durable_ns);
    report.durable_s = Seconds(begun_ns_, durable_ns);
    return report;
  }

  Status AddChunks(const OpContext& ctx, std::string name, codec::DType dtype,
                   std::vector<uint64_t> shape, uint64_t data_bytes, uint64_t first_byte,
                   const Add& add) {
    VARVE_CHECK_OK(ctx.Check());
    VARVE_CHECK_OK(CheckNew(name));
    uint64_t raw_bytes = codec::ElementBytes(dtype);
    for (const uint64_t dim : shape) {
      if (__builtin_mul_overflow(raw_bytes, dim, &raw_bytes)) raw_bytes = UINT64_MAX;
    }
    if (shape.size() > format::kDimsMax || raw_bytes != data_bytes) {
      return Error(ErrorCode::kInvalidArgument,
                   "tensor '" + name +
                       "': shape and bytes do not agree. bytes=" + std::to_string(data_bytes));
    }
    Item item;
    item.raw_bytes = raw_bytes;
    uint64_t offset = 0;
    for (const uint64_t bytes :
         plan::SlabChunkSizes(first_byte, raw_bytes, core_->descriptor.chunk_bytes)) {
      VARVE_TRY(const size_t slot, add(offset, bytes));
      item.slots.push_back(slot);
      offset += bytes;
    }
    bytes_total_ += raw_bytes;
    format::TensorRow row;
    row.name = name;
    row.dtype = dtype;
    row.shape = std::move(shape);
    row.raw_bytes = raw_bytes;
    tensor_index_.emplace(std::move(name), tensors_.size());
    tensors_.push_back(std::move(row));
    tensor_items_.push_back(std::move(item));
    staged_ns_ = ctx.clock().SteadyNs();
    return OkStatus();
  }

  Status CheckNew(const std::string& name) {
    VARVE_CHECK_OK(format::CheckPath(name));
    if (tensor_index_.contains(name) || names_.contains(name)) {
      return Error(ErrorCode::kInvalidArgument, "'" + name + "' is named twice in one version");
    }
    return OkStatus();
  }

  Result<format::Commit> Assemble(const OpContext& ctx) {
    CommitBuilder builder(*writer_);
    const auto place = [&](const Item& item, uint64_t raw_bytes, std::vector<uint32_t>& chunks) {
      std::vector<hash::Digest> digests;
      for (const size_t slot : item.slots) {
        digests.push_back(writer_->digest(slot));
        chunks.push_back(builder.Ordinal(digests.back()));
      }
      return format::ItemDigest(raw_bytes, digests);
    };
    format::Commit commit;
    commit.tensors = std::move(tensors_);
    for (size_t i = 0; i < commit.tensors.size(); ++i) {
      format::TensorRow& row = commit.tensors[i];
      row.digest = place(tensor_items_[i], row.raw_bytes, row.chunks);
    }
    std::sort(files_.begin(), files_.end(),
              [](const auto& a, const auto& b) { return a.first.path < b.first.path; });
    for (auto& [row, item] : files_) {
      row.digest = place(item, row.raw_bytes, row.chunks);
      commit.files.push_back(std::move(row));
    }
    builder.MoveTo(commit);
    format::LogicalHeader& header = commit.header;
    header.artifact_type = options_.artifact_type;
    header.parents = parents_;
    for (size_t i = 0; i < header.save_id.size(); i += 8) {
      const uint64_t word = ctx.random().Next64();
      for (size_t j = 0; j < 8; ++j)
        header.save_id[i + j] = static_cast<std::byte>(word >> (8 * j));
    }
    header.created_ms = ctx.clock().WallMs();
    header.has_step = options_.step.has_value();
    header.step = options_.step.value_or(0);
    header.message = options_.message;
    header.metadata_json = options_.metadata_json;
    header.metrics = options_.metrics;
    header.tree_json = options_.tree_json;
    commit.origin = {name_, last_version_ + 1};
    return commit;
  }

  std::shared_ptr<Core> core_;
  const std::string name_;
  const SaveOptions options_;
  std::unique_ptr<ChunkWriter> writer_;
  const uint64_t base_epoch_;
  const int64_t begun_ns_;
  int64_t staged_ns_ = 0;
  std::vector<hash::Digest> parents_, named_parents_;
  std::vector<std::string> base_addresses_;
  uint64_t last_version_ = 0;  // Of the artifact when the save began.
  std::vector<format::TensorRow> tensors_;
  std::vector<Item> tensor_items_;
  std::map<std::string, size_t> tensor_index_;
  std::vector<format::Slab> slabs_;  // By tensor, ascending.
  std::set<std::string> names_;      // Of files.
  std::vector<std::pair<format::FileRow, Item>> files_;
  std::atomic<uint64_t> bytes_total_{0};
  Status failed_;  // Of the first Add that failed.
};

Status CheckPlace(const SaveOptions& options) {
  if (!options.place.has_value()) return OkStatus();
  const RankPlace& place = *options.place;
  if (place.ranks == 0 || place.ranks > format::kRanksMax || place.rank >= place.ranks) {
    return Error(ErrorCode::kInvalidArgument,
                 "a rank is less than the number of ranks, of which a save has at most 65,536");
  }
  if (place.save_id.empty() || place.save_id.size() > format::kSaveIdTextBytesMax) {
    return Error(ErrorCode::kInvalidArgument,
                 "the save id of ranks is 1 to 1,024 bytes, the same on all of them");
  }
  if (options.aliases.size() > format::kPartAliasesMax) {
    return Error(ErrorCode::kInvalidArgument, "a save moves at most 1,024 aliases");
  }
  return OkStatus();
}

struct Previous {
  format::VersionEntry entry;
  std::optional<ReadCommitReply> read;  // Nothing: it is damaged.
};

// The newest live version, or nothing. One that is forgotten and collected between its head and its
// commit object makes room for the one before it, one that was laid out anew for its new layout. A
// damaged one is no base, and no reason to lose the next.
Result<std::optional<Previous>> ReadPrevious(const OpContext& ctx, Core& core,
                                             const std::string& name, uint64_t& last_version) {
  std::optional<format::ObjectId> missing;
  for (int attempt = 1;; ++attempt) {
    auto snapshot = core.heads.Read(ctx, name);
    if (!snapshot.ok()) {
      if (snapshot.error().code() == ErrorCode::kNotFound) return std::optional<Previous>();
      return std::move(snapshot).error();
    }
    last_version = snapshot->head.last_version();
    auto latest = LatestLive(ctx, core, snapshot->head);
    if (!latest.ok()) {
      if (latest.error().code() == ErrorCode::kNotFound) return std::optional<Previous>();
      return std::move(latest).error();
    }
    auto read = ReadCommit(ctx, core, *latest);
    if (read.ok()) return std::optional(Previous{*std::move(latest), *std::move(read)});
    if (read.error().code() != ErrorCode::kCorrupt) return std::move(read).error();
    // Missing twice is missing while it is live; one that moves again and again is no base either.
    if (missing == latest->meta_id || attempt == kMovedTriesMax) {
      return std::optional(Previous{*std::move(latest), {}});
    }
    missing = latest->meta_id;
  }
}

}  // namespace

Result<std::unique_ptr<SaveSession>> BeginSession(const OpContext& ctx,
                                                  const std::shared_ptr<Core>& core,
                                                  std::string name, SaveOptions options) {
  const int64_t begun_ns = ctx.clock().SteadyNs();
  VARVE_CHECK_OK(core->CheckWritable());
  VARVE_CHECK_OK(format::CheckArtifactName(name));
  VARVE_CHECK_OK(format::CheckLabel(options.artifact_type));
  for (const std::string& alias : options.aliases) VARVE_CHECK_OK(format::CheckLabel(alias));
  VARVE_CHECK_OK(CheckPlace(options));
  // Before any head is read: what is learned from heads counts from this epoch on.
  VARVE_TRY(const uint64_t base_epoch, core->guard.Base(ctx));
  VARVE_TRY(auto writer, ChunkWriter::Make(*core, ctx,
                                           {.target = name,
                                            .memory_bytes = options.memory_bytes,
                                            .background = options.background,
                                            .compress = core->options.compress}));
  std::vector<hash::Digest> parents;
  std::vector<std::string> addresses;
  uint64_t last_version = 0;
  VARVE_TRY(const std::optional<Previous> previous, ReadPrevious(ctx, *core, name, last_version));
  if (previous.has_value()) {
    if (previous->read.has_value()) writer->AddBase(previous->read->decoded.commit);
    addresses.push_back(format::VersionAddress(name, previous->entry.version));
    parents.push_back(previous->entry.commit_id);
  }
  std::vector<hash::Digest> named;
  for (const std::string& address : options.parents) {
    VARVE_TRY(const ResolvedCommit parent, ResolveCommit(ctx, *core, address));
    const hash::Digest& commit_id = parent.at.entry.commit_id;
    if (std::find(named.begin(), named.end(), commit_id) == named.end()) named.push_back(commit_id);
    writer->AddBase(parent.read.decoded.commit);
    addresses.push_back(
        format::VersionAddress(parent.at.snapshot.head.name, parent.at.entry.version));
    if (std::find(parents.begin(), parents.end(), commit_id) == parents.end()) {
      parents.push_back(commit_id);
    }
  }
  if (parents.size() > format::kParentsMax) {
    return Error(ErrorCode::kInvalidArgument, "a version has at most 16 parents");
  }
  auto session = std::make_unique<Session>(core, std::move(name), std::move(options),
                                           std::move(writer), base_epoch, begun_ns);
  session->SetParents(std::move(parents), std::move(named), std::move(addresses), last_version);
  return std::unique_ptr<SaveSession>(std::move(session));
}

}  // namespace varve::lake
