#include "varve/lake/chunk_writer.h"

#include <algorithm>
#include <cstring>
#include <optional>

#include "varve/base/planted.h"
#include "varve/plan/chunk_grid.h"

namespace varve::lake {
namespace {

constexpr uint64_t kPackBytesMin =
    24 * kMiB;  // Holds the largest chunk with its header and footer.
constexpr int64_t kCancelPollNs = 50'000'000;

// How much of the memory goes to packs: a quarter, so that a save stays far below its cap, but
// enough for every encoder to fill one while another is sent, if half of the memory allows that.
// A pack is as long as lets all encoders and transfers have one.
struct PackPlan {
  uint64_t pack_bytes = 0, packs_max = 0;
};
PackPlan PlanPacks(uint64_t wanted_bytes, uint64_t memory_bytes, uint32_t encoders,
                   uint32_t transfers) {
  PackPlan plan;
  plan.pack_bytes = std::clamp(memory_bytes / 4 / (encoders + transfers), kPackBytesMin,
                               std::max(wanted_bytes, kPackBytesMin));
  const uint64_t needed_bytes = std::min(memory_bytes / 2, (encoders + 1) * plan.pack_bytes);
  plan.packs_max =
      std::max<uint64_t>(1, std::max(memory_bytes / 4, needed_bytes) / plan.pack_bytes);
  return plan;
}

}  // namespace

struct ChunkWriter::Job {
  Slot* slot = nullptr;
  ByteView raw;  // Borrowed, or a view of `copy`.
  codec::ElementKind kind;
  BufferPool::Buffer copy;
  MemoryBudget::Ticket ticket;
  std::optional<format::ChunkRow> encoded;  // Set: `raw` is a payload, not raw bytes.
};

Result<std::unique_ptr<ChunkWriter>> ChunkWriter::Make(Core& core, const OpContext& ctx,
                                                       Options options) {
  if (options.memory_bytes == 0) options.memory_bytes = core.options.memory_bytes;
  if (options.memory_bytes < kSaveMemoryBytesMin) {
    return Error(ErrorCode::kInvalidArgument,
                 "memory_bytes must be at least 64 MiB. memory_bytes=" +
                     std::to_string(options.memory_bytes));
  }
  const ThreadPool& pool = options.background ? core.background_encoders : core.encoders;
  const PackPlan plan = PlanPacks(core.descriptor.pack_bytes, options.memory_bytes, pool.threads(),
                                  core.transfers.connections());
  return std::unique_ptr<ChunkWriter>(
      new ChunkWriter(core, ctx, std::move(options), plan.pack_bytes, plan.packs_max));
}

ChunkWriter::ChunkWriter(Core& core, const OpContext& ctx, Options options, uint64_t pack_bytes,
                         uint64_t packs_max)
    : core_(core),
      ctx_(ctx),
      options_(std::move(options)),
      pack_bytes_(pack_bytes),
      packs_max_(packs_max),
      stage_budget_(options_.memory_bytes - packs_max * pack_bytes),
      encoders_(options_.background ? core.background_encoders : core.encoders) {}

ChunkWriter::~ChunkWriter() {
  std::unique_lock lock(mutex_);
  if (!error_.has_value()) error_ = Error(ErrorCode::kCancelled, "the save was given up");
  idle_.Wait(lock, [&] { return tasks_ == 0; });
}

void ChunkWriter::AddBase(const format::Commit& base, const std::set<format::ObjectId>& without) {
  const std::lock_guard lock(mutex_);
  for (const format::ChunkRow& row : base.chunks) {
    const format::PackRow& pack = base.packs[row.pack];
    if (!without.contains(pack.id))
      base_.try_emplace(row.digest, ChunkPlace{pack.id, pack.object_bytes, row});
  }
}

void ChunkWriter::Adopt(const format::Commit& part) {
  const std::lock_guard lock(mutex_);
  for (const format::ChunkRow& row : part.chunks) {
    if (!claimed_.try_emplace(row.digest, true).second) continue;
    const format::PackRow& pack = part.packs[row.pack];
    places_.emplace(row.digest, ChunkPlace{pack.id, pack.object_bytes, row});
  }
}

Status ChunkWriter::CheckFailed() {
  VARVE_CHECK_OK(ctx_.Check());
  if (core_.closing.cancelled()) return Error(ErrorCode::kCancelled, "the lake was closed");
  const std::lock_guard lock(mutex_);
  if (error_.has_value()) return *error_;
  return OkStatus();
}

Result<size_t> ChunkWriter::Submit(Job job) {
  VARVE_CHECK_OK(CheckFailed());
  slots_.push_back(std::make_unique<Slot>());
  job.slot = slots_.back().get();
  {
    const std::lock_guard lock(mutex_);
    ++tasks_;
  }
  auto shared = std::make_shared<Job>(std::move(job));  // std::function wants a copyable task.
  const Status submitted = encoders_.Submit([this, shared] { Run(*shared); });
  if (!submitted.ok()) {
    TaskDone();
    return submitted.error();
  }
  return slots_.size() - 1;
}

Result<size_t> ChunkWriter::AddBorrowed(ByteView raw, codec::ElementKind kind) {
  Job job;
  job.raw = raw;
  job.kind = kind;
  VARVE_TRY(const size_t slot, Submit(std::move(job)));
  slots_[slot]->borrowed = raw;
  slots_[slot]->kind = kind;
  return slot;
}

Result<size_t> ChunkWriter::AddCopied(ByteView raw, codec::ElementKind kind) {
  return AddRead(raw.size(), kind, [&](MutableByteView into) {
    std::memcpy(into.data(), raw.data(), raw.size());
    return OkStatus();
  });
}

Result<size_t> ChunkWriter::AddRead(uint64_t raw_bytes, codec::ElementKind kind,
                                    const std::function<Status(MutableByteView into)>& read) {
  Job job;
  // Who calls is a training loop that a state larger than the memory it was given keeps waiting.
  std::optional<ThreadPool::Hurry> hurry;
  if (options_.background && stage_budget_.held_bytes() + raw_bytes > stage_budget_.limit_bytes()) {
    hurry.emplace(core_.background_encoders, core_.encoders);
  }
  VARVE_TRY(job.ticket, stage_budget_.Acquire(ctx_, raw_bytes));
  hurry.reset();
  job.copy = core_.buffers.Take(raw_bytes, BufferPool::Touch::kAll);
  VARVE_CHECK_OK(read(job.copy.view()));
  job.raw = job.copy.view();
  job.kind = kind;
  return Submit(std::move(job));
}

Result<size_t> ChunkWriter::AddEncoded(const format::ChunkRow& row, ByteView payload) {
  Job job;
  VARVE_TRY(job.ticket, stage_budget_.Acquire(ctx_, payload.size()));
  job.copy = core_.buffers.Take(payload.size());
  std::memcpy(job.copy.data(), payload.data(), payload.size());
  job.raw = job.copy.view();
  job.encoded = row;
  return Submit(std::move(job));
}

Result<std::optional<size_t>> ChunkWriter::AddKnown(const hash::Digest& digest) {
  uint64_t raw_bytes = 0;
  {
    const std::lock_guard lock(mutex_);
    const auto base = base_.find(digest);
    if (base == base_.end() && !claimed_.contains(digest)) return std::optional<size_t>();
    if (base != base_.end()) raw_bytes = base->second.row.raw_bytes;
  }
  VARVE_TRY(const bool held, Claim(digest, raw_bytes));
  if (!held) {
    const std::lock_guard lock(mutex_);
    claimed_.erase(digest);
    return std::optional<size_t>();
  }
  slots_.push_back(std::make_unique<Slot>(Slot{.digest = digest, .borrowed = {}, .kind = {}}));
  return std::optional<size_t>(slots_.size() - 1);
}

void ChunkWriter::Run(Job& job) {
  Status status = CheckFailed();
  if (status.ok()) status = Write(job);
  if (!status.ok()) Fail(std::move(status).error());
  job.copy.Reset();
  job.ticket.Release();
  TaskDone();
}

Status ChunkWriter::Write(Job& job) {
  const uint64_t raw_bytes = job.encoded.has_value() ? job.encoded->raw_bytes : job.raw.size();
  job.slot->digest = job.encoded.has_value() ? job.encoded->digest : hash::Blake3Of(job.raw);
  VARVE_TRY(const bool held, Claim(job.slot->digest, raw_bytes));
  if (held) {
    shared_bytes_ += raw_bytes;
    bytes_done_ += raw_bytes;
    return OkStatus();
  }
  const uint64_t payload_bytes_max =
      job.encoded.has_value() ? job.raw.size() : codec::PayloadBytesMax(raw_bytes);
  VARVE_TRY(std::unique_ptr<OpenPack> pack, TakePack(payload_bytes_max));
  const MutableByteView header =
      pack->buffer.view().subspan(pack->used_bytes, format::kPackFrameHeaderBytes);
  const uint64_t payload_offset = pack->used_bytes + format::kPackFrameHeaderBytes;
  const MutableByteView room = pack->buffer.view().subspan(payload_offset, payload_bytes_max);
  format::PackEntry entry;
  entry.digest = job.slot->digest;
  entry.offset = payload_offset;
  entry.raw_bytes = static_cast<uint32_t>(raw_bytes);
  if (job.encoded.has_value()) {
    std::memcpy(room.data(), job.raw.data(), job.raw.size());
    entry.payload_bytes = static_cast<uint32_t>(job.raw.size());
    entry.codec = job.encoded->codec;
  } else {
    VARVE_TRY(const codec::Encoded encoded, Encode(job, room));
    entry.payload_bytes = static_cast<uint32_t>(encoded.payload_bytes);
    entry.codec = encoded.codec;
  }
  format::WritePackFrameHeader(entry, header);
  pack->used_bytes = payload_offset + entry.payload_bytes;
  pack->entries.push_back(entry);
  bytes_done_ += raw_bytes;
  PutBack(std::move(pack));
  return OkStatus();
}

// What is stored decodes to what was hashed, or the save fails: neither an encoder's mistake nor
// memory that its owner changed meanwhile may pass for the chunk.
Result<codec::Encoded> ChunkWriter::Encode(const Job& job, MutableByteView room) {
  const bool ours = job.copy.bytes() > 0;  // Nobody else writes to it.
  const auto holds = [&](const codec::Encoded& encoded) {
    if (encoded.payload_bytes > room.size()) return false;
    const ByteView payload = room.first(encoded.payload_bytes);
    if (ours && encoded.codec == codec::CodecId::kRaw) return std::ranges::equal(payload, job.raw);
    const auto digest = codec::DigestOfDecoded(encoded.codec, payload, job.raw.size());
    return digest.ok() && *digest == job.slot->digest;
  };
  const codec::Effort effort = options_.compress ? codec::Effort::kDefault : codec::Effort::kNone;
  const codec::Encoded encoded = options_.encode(job.raw, job.kind, effort, room);
  if (holds(encoded)) return encoded;
  std::ranges::copy(job.raw, room.begin());
  const codec::Encoded raw{codec::CodecId::kRaw, job.raw.size()};
  if (holds(raw)) return raw;
  return Error(ErrorCode::kConflict,
               "the memory of '" + options_.target +
                   "' changed while it was saved; leave it alone until the save ends");
}

Result<bool> ChunkWriter::Claim(const hash::Digest& digest, uint64_t raw_bytes) {
  std::optional<ChunkPlace> base;
  {
    const std::lock_guard lock(mutex_);
    if (!claimed_.try_emplace(digest, true).second) return true;
    if (const auto found = base_.find(digest); found != base_.end()) base = found->second;
  }
  if (!base.has_value() || base->row.raw_bytes != raw_bytes) return false;
  VARVE_TRY(const bool exists, PackExists(*base));
  if (!exists) return false;
  const std::lock_guard lock(mutex_);
  places_.emplace(digest, *base);
  return true;
}

Result<bool> ChunkWriter::PackExists(const ChunkPlace& place) {
  {
    const std::lock_guard lock(mutex_);
    if (found_packs_.contains(place.pack)) return true;
  }
  const auto info = core_.store->Head(ctx_, store::Key(format::PackKey(place.pack)));
  if (!info.ok()) {
    if (info.error().code() == ErrorCode::kNotFound) return false;
    return info.error();
  }
  // Its length is all that one request tells, and enough for what may happen to a name that is
  // written once, whole and against a checksum: the object is there, or gone, or cut short behind
  // our back. A bit that rots later is not seen here, as it is not in the version that has the
  // chunk already; fsck --deep finds it, for all versions that share it.
  if (info->bytes != place.pack_object_bytes) return false;
  const std::lock_guard lock(mutex_);
  found_packs_.insert(place.pack);
  return true;
}

Result<std::unique_ptr<ChunkWriter::OpenPack>> ChunkWriter::TakePack(uint64_t payload_bytes_max) {
  const uint64_t needed_bytes = format::kPackFrameHeaderBytes + payload_bytes_max;
  for (;;) {
    VARVE_CHECK_OK(CheckFailed());
    std::unique_ptr<OpenPack> pack;
    {
      std::unique_lock lock(mutex_);
      if (!open_packs_.empty()) {
        pack = std::move(open_packs_.back());
        open_packs_.pop_back();
      } else if (packs_ < packs_max_) {
        ++packs_;
      } else {
        // Bounded, so that a cancel is noticed.
        pack_ready_.WaitFor(lock, kCancelPollNs);
        continue;
      }
    }
    if (pack == nullptr) {
      pack = std::make_unique<OpenPack>();
      pack->buffer = core_.buffers.Take(pack_bytes_);
      format::WritePackHeader(pack->buffer.view().first(format::kPackHeaderBytes));
      pack->used_bytes = format::kPackHeaderBytes;
      return pack;
    }
    const uint64_t footer_bytes = format::PackFooterBytesMax(pack->entries.size() + 1);
    if (pack->used_bytes + needed_bytes + footer_bytes <= pack->buffer.bytes()) return pack;
    VARVE_CHECK_OK(Seal(std::move(pack)));
  }
}

void ChunkWriter::PutBack(std::unique_ptr<OpenPack> pack) {
  const std::lock_guard lock(mutex_);
  open_packs_.push_back(std::move(pack));
  pack_ready_.NotifyOne();
}

void ChunkWriter::DropPack(OpenPack& pack) {
  pack.buffer.Reset();
  const std::lock_guard lock(mutex_);
  --packs_;
  pack_ready_.NotifyOne();
}

Status ChunkWriter::Seal(std::unique_ptr<OpenPack> pack) {
  const Bytes footer = format::EncodePackFooter(pack->entries);
  std::memcpy(pack->buffer.data() + pack->used_bytes, footer.data(), footer.size());
  pack->used_bytes += footer.size();
  {
    const std::lock_guard lock(mutex_);
    ++tasks_;
  }
  const std::shared_ptr<OpenPack> shared = std::move(pack);
  const Status submitted = core_.transfers.Submit([this, shared] {
    Upload(*shared);
    DropPack(*shared);
    TaskDone();
  });
  if (!submitted.ok()) TaskDone();
  return submitted;
}

void ChunkWriter::Upload(OpenPack& pack) {
  if (auto status = CheckFailed(); !status.ok()) return Fail(std::move(status).error());
  auto id = core_.ids.Next(ctx_, options_.target);
  if (!id.ok()) return Fail(std::move(id).error());
  const store::Key key(format::PackKey(*id));
  auto put = core_.transfers.Put(ctx_, key, pack.buffer.view().first(pack.used_bytes));
  if (!put.ok() && !PLANTED(20)) return Fail(std::move(put).error());
  stored_bytes_ += pack.used_bytes;
  ++packs_written_;
  const std::lock_guard lock(mutex_);
  for (const format::PackEntry& entry : pack.entries) {
    ChunkPlace place{*id, pack.used_bytes, RowOf(entry)};
    if (PLANTED(21)) place.row.offset -= format::kPackFrameHeaderBytes;
    places_.insert_or_assign(entry.digest, place);
  }
}

void ChunkWriter::Fail(Error error) {
  const std::lock_guard lock(mutex_);
  if (!error_.has_value()) error_ = std::move(error);
  pack_ready_.NotifyAll();
}

void ChunkWriter::TaskDone() {
  const std::lock_guard lock(mutex_);
  if (--tasks_ == 0 && !PLANTED(24)) idle_.NotifyAll();
}

Status ChunkWriter::Finish() {
  const auto wait = [&] {
    std::unique_lock lock(mutex_);
    idle_.Wait(lock, [&] { return tasks_ == 0; });
  };
  wait();
  VARVE_CHECK_OK(CheckFailed());
  std::vector<std::unique_ptr<OpenPack>> left;
  {
    const std::lock_guard lock(mutex_);
    left.swap(open_packs_);
  }
  Status sealed;
  for (std::unique_ptr<OpenPack>& pack : left) {
    if (sealed.ok() && !pack->entries.empty()) sealed = Seal(std::move(pack));
  }
  wait();
  VARVE_CHECK_OK(std::move(sealed));
  return CheckFailed();
}

Status ChunkWriter::Relocate(const std::set<format::ObjectId>& packs,
                             const std::vector<format::Commit>& bases) {
  std::vector<ChunkPlace> moved;
  {
    const std::lock_guard lock(mutex_);
    std::erase_if(base_, [&](const auto& each) { return packs.contains(each.second.pack); });
    for (const auto& [digest, place] : places_) {
      if (packs.contains(place.pack)) moved.push_back(place);
    }
    for (const ChunkPlace& place : moved) {
      places_.erase(place.row.digest);
      claimed_.erase(place.row.digest);
    }
  }
  for (const format::Commit& base : bases) AddBase(base, packs);
  std::unordered_map<hash::Digest, const Slot*, hash::DigestHasher> borrowed;
  for (const std::unique_ptr<Slot>& slot : slots_) {
    if (!slot->borrowed.empty()) borrowed.emplace(slot->digest, slot.get());
  }
  for (const ChunkPlace& place : moved) {
    VARVE_TRY(const auto known, AddKnown(place.row.digest));
    if (known.has_value()) continue;
    const auto held = borrowed.find(place.row.digest);
    if (held == borrowed.end()) {
      VARVE_CHECK_OK(MoveChunk(place));
    } else {
      VARVE_TRY(const size_t slot, AddBorrowed(held->second->borrowed, held->second->kind));
      static_cast<void>(slot);
    }
  }
  return Finish();
}

Status ChunkWriter::MoveChunk(const ChunkPlace& place) {
  const store::Key key(format::PackKey(place.pack));
  const BufferPool::Buffer payload = core_.buffers.Take(place.row.payload_bytes);
  const auto got = core_.store->GetRange(ctx_, key, place.row.offset, payload.view());
  if (!got.ok() && got.error().code() == ErrorCode::kNotFound) {
    return Error(ErrorCode::kConflict,
                 "the collector removed what this save had written before it could commit; save "
                 "again, and collect with a longer --grace. object=" +
                     place.pack.Text());
  }
  if (!got.ok()) return got.error();
  const BufferPool::Buffer raw = core_.buffers.Take(place.row.raw_bytes);
  const Status decoded = codec::DecodeChunk(place.row.codec, payload.view(), raw.view());
  if (!decoded.ok() || hash::Blake3Of(raw.view()) != place.row.digest) {
    return std::move(Error(ErrorCode::kCorrupt, "a chunk this save wrote reads back damaged")
                         .At("move chunk", key.str()));
  }
  VARVE_TRY(const size_t slot, AddEncoded(place.row, payload.view()));
  static_cast<void>(slot);
  return OkStatus();
}

}  // namespace varve::lake
