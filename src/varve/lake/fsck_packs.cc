#include "varve/lake/fsck_packs.h"

#include <algorithm>
#include <mutex>

#include "varve/lake/internal.h"

namespace varve::lake {
namespace {

using plan::Damage;

constexpr size_t kBatchPacks = 64;
constexpr uint64_t kFooterSuffixBytes = 64 * kKiB;  // Of the first read.
constexpr int kFooterReadsMax = 3;
constexpr size_t kNamedByMax = 8;

}  // namespace

Result<Bytes> ReadSoundPayload(const OpContext& ctx, Core& core, const format::ObjectId& pack,
                               const format::ChunkRow& row) {
  VARVE_TRY(const auto ticket,
            core.transfers.Reserve(ctx, uint64_t{row.payload_bytes} + row.raw_bytes));
  Bytes payload(row.payload_bytes);
  const auto got =
      core.store->GetRange(ctx, store::Key(format::PackKey(pack)), row.offset, payload);
  if (!got.ok()) return IsDamage(got.error()) ? Result<Bytes>(Bytes()) : got.error();
  VARVE_TRY(const bool sound, IsSound(core, row, payload));
  return sound ? std::move(payload) : Bytes();
}

Result<FoundPack> ReadPackIndex(const OpContext& ctx, Core& core, const format::ObjectId& id) {
  FoundPack found;
  uint64_t suffix_bytes = kFooterSuffixBytes;
  for (int read = 0; read < kFooterReadsMax; ++read) {
    const auto reply =
        core.store->Get(ctx, store::Key(format::PackKey(id)),
                        {.suffix_bytes = suffix_bytes, .if_none_match = std::nullopt});
    if (!reply.ok()) {
      if (!IsDamage(reply.error())) return reply.error();
      found.there = reply.error().code() != ErrorCode::kNotFound;
      return found;
    }
    found.bytes = reply->info.bytes;
    found.read_bytes += reply->body.size();
    auto index = format::DecodePackIndex(reply->body, reply->info.bytes);
    if (!index.ok()) return found;
    found.footer_sound = index->suffix_bytes_needed == 0;
    if (found.footer_sound) {
      found.entries = std::move(index->entries);
      return found;
    }
    suffix_bytes = index->suffix_bytes_needed;
  }
  return found;
}

bool FsckPacks::Looked(const format::ObjectId& pack) const {
  const auto begin = survey_.packs.begin() + static_cast<std::ptrdiff_t>(first_);
  const auto end = survey_.packs.begin() + static_cast<std::ptrdiff_t>(end_);
  const auto at = std::lower_bound(
      begin, end, pack, [](const FsckPack& a, const format::ObjectId& b) { return a.id < b; });
  return at != end && at->id == pack;
}

Status FsckPacks::Look(const OpContext& ctx, const FsckOptions& options, int64_t until_ns) {
  std::vector<uint64_t> costs;
  for (const FsckPack& pack : survey_.packs) {
    costs.push_back(options.deep ? pack.object_bytes
                                 : std::min(pack.object_bytes, kFooterSuffixBytes));
  }
  if (!options.cursor.empty()) {
    auto after = format::ObjectId::FromText(options.cursor);
    if (!after.ok()) return Error(ErrorCode::kInvalidArgument, "this is no cursor of a check");
    while (first_ < survey_.packs.size() && !(*after < survey_.packs[first_].id)) ++first_;
  }
  end_ = first_;
  plan::PassBudget budget{options.budget_bytes, options.budget_requests, options.budget_bytes > 0,
                          options.budget_requests > 0};
  while (end_ < survey_.packs.size()) {
    const bool late = ctx.clock().SteadyNs() >= until_ns;
    if (end_ > first_ && (budget.Spent() || late)) break;
    const size_t begin = end_;
    const size_t end = plan::PassEnd(costs, begin, kBatchPacks, budget);
    VARVE_CHECK_OK(core_.transfers.ForEach(ctx, end - begin, [&](size_t index) {
      return LookAt(ctx, survey_.packs[begin + index], options.deep);
    }));
    for (size_t i = begin; i < end; ++i) budget.Spend(costs[i], 1);
    end_ = end;
    // The next one would not fit any more.
    if (budget.bytes_limited && end_ < costs.size() && costs[end_] > budget.bytes_left) break;
  }
  report_.packs_checked = end_ - first_;
  report_.complete = end_ == survey_.packs.size();
  if (!report_.complete) report_.cursor = survey_.packs[end_ - 1].id.Text();
  return OkStatus();
}

Status FsckPacks::LookAt(const OpContext& ctx, const FsckPack& pack, bool deep) {
  plan::PackLook look;
  look.stated_bytes = pack.object_bytes;
  VARVE_TRY(const FoundPack found, ReadPackIndex(ctx, core_, pack.id));
  look.there = found.there;
  look.footer_sound = found.footer_sound;
  look.bytes = found.bytes;
  const std::vector<format::PackEntry>& entries = found.entries;
  const uint64_t footer_bytes = format::PackFooterBytesMax(entries.size());
  uint64_t read_bytes = found.read_bytes;
  if (look.there && survey_.Find(format::IdKind::kPack, pack.id) == nullptr) {
    findings_.Add(Damage::kListingPartial, format::PackKey(pack.id), "");
  }
  if (look.footer_sound && deep) {
    VARVE_CHECK_OK(ReadFrames(ctx, pack, entries, look.bytes - footer_bytes, look));
    read_bytes = look.bytes;
  }
  Damage kind;
  const std::lock_guard lock(mutex_);
  report_.read_bytes += read_bytes;
  if (look.footer_sound && !deep) {
    for (const format::PackEntry& entry : entries) {
      survey_.rows.Meet(RowFingerprint(pack.id, entry.digest, entry.offset, entry.payload_bytes,
                                       entry.raw_bytes, entry.codec, survey_.salt));
    }
  }
  if (plan::JudgePack(look, deep, kind)) hurt_[pack.id].look = look;
  return OkStatus();
}

Status FsckPacks::ReadFrames(const OpContext& ctx, const FsckPack& pack,
                             const std::vector<format::PackEntry>& entries, uint64_t footer_offset,
                             plan::PackLook& look) {
  const store::Key key(format::PackKey(pack.id));
  std::vector<plan::FrameSpan> spans;
  std::vector<plan::ChunkRef> refs;
  for (size_t i = 0; i < entries.size(); ++i) {
    spans.push_back({entries[i].offset, entries[i].payload_bytes});
    refs.push_back({0, entries[i].offset - format::kPackFrameHeaderBytes,
                    entries[i].payload_bytes + format::kPackFrameHeaderBytes, i});
  }
  look.header_sound = plan::FramesCover(std::move(spans), format::kPackHeaderBytes,
                                        format::kPackFrameHeaderBytes, footer_offset);
  Bytes header(format::kPackHeaderBytes), written(format::kPackHeaderBytes);
  format::WritePackHeader(written);
  const auto got = core_.store->GetRange(ctx, key, 0, header);
  if (!got.ok() && !IsDamage(got.error())) return got.error();
  if (!got.ok() || header != written) look.header_sound = false;
  std::vector<uint64_t> sound;
  for (const plan::PlannedRead& planned : plan::PlanReads(std::move(refs), 0)) {
    VARVE_TRY(const auto ticket,
              core_.transfers.Reserve(ctx, planned.bytes + codec::kChunkRawBytesMax));
    const BufferPool::Buffer buffer = core_.buffers.Take(planned.bytes);
    const auto read = core_.store->GetRange(ctx, key, planned.offset, buffer.view());
    if (!read.ok() && !IsDamage(read.error())) return read.error();
    for (const size_t i : planned.chunks) {
      const format::PackEntry& entry = entries[i];
      if (!read.ok()) {
        ++look.chunks_damaged;
        continue;
      }
      const ByteView frame =
          ByteView(buffer.view())
              .subspan(entry.offset - format::kPackFrameHeaderBytes - planned.offset,
                       format::kPackFrameHeaderBytes + entry.payload_bytes);
      Bytes frame_header(format::kPackFrameHeaderBytes);
      format::WritePackFrameHeader(entry, frame_header);
      const ByteView there = frame.first(format::kPackFrameHeaderBytes);
      if (!std::equal(there.begin(), there.end(), frame_header.begin())) ++look.frames_damaged;
      VARVE_TRY(const bool whole,
                IsSound(core_, RowOf(entry), frame.subspan(format::kPackFrameHeaderBytes)));
      if (!whole) {
        ++look.chunks_damaged;
        continue;
      }
      sound.push_back(RowFingerprint(pack.id, entry.digest, entry.offset, entry.payload_bytes,
                                     entry.raw_bytes, entry.codec, survey_.salt));
    }
  }
  const std::lock_guard lock(mutex_);
  for (const uint64_t row : sound) survey_.rows.Meet(row);
  return OkStatus();
}

Status FsckPacks::Judge(const OpContext& ctx, bool deep) {
  // A pass that was cut short cannot tell from the count whether a place is unconfirmed.
  const bool unconfirmed = !report_.complete || first_ > 0 || survey_.rows.unmet() > 0;
  if (hurt_.empty() && !unconfirmed) return OkStatus();
  VARVE_CHECK_OK(core_.transfers.ForEach(ctx, survey_.commits.size(), [&](size_t index) {
    return JudgeCommit(ctx, survey_.commits[index], deep);
  }));
  for (auto& [id, hurt] : hurt_) {
    FsckFinding finding;
    if (!plan::JudgePack(hurt.look, deep, finding.kind)) continue;
    bool named = false;
    for (const FsckCommit& commit : hurt.named_by) {
      if (named) break;
      VARVE_TRY(named,
                StillNamed(ctx, core_, survey_.names[commit.name], commit.meta_id, survey_.now_ms));
    }
    if (!named) continue;  // Let go since the survey began.
    const plan::PackLook& look = hurt.look;
    finding.object = format::PackKey(id);
    if (look.there && look.bytes != look.stated_bytes) {
      finding.detail =
          std::to_string(look.bytes) + " bytes of " + std::to_string(look.stated_bytes) + "; ";
    }
    if (look.rows_damaged > 0) {
      finding.detail += std::to_string(look.rows_damaged) + " chunks do not load";
    } else if (look.rows_unconfirmed > 0 && !deep) {
      finding.detail += std::to_string(look.rows_unconfirmed) +
                        " chunks could not be confirmed; --deep reads them";
    } else {
      finding.detail += "every chunk that versions name loads";
    }
    finding.affected = std::move(hurt.affected);
    finding.affected_total = hurt.affected_total;
    if (finding.kind != Damage::kPackUnused) bad_.insert(id);
    findings_.Add(std::move(finding));
  }
  return OkStatus();
}

// A place that no frame of its pack confirmed: read by itself, once, when the check is deep.
Result<bool> FsckPacks::JudgeRow(const OpContext& ctx, const FsckCommit& commit,
                                 const format::PackRow& pack, const format::ChunkRow& row,
                                 bool deep, uint64_t print) {
  bool there = true;
  {
    const std::lock_guard lock(mutex_);
    if (const auto known = rows_.find(print); known != rows_.end()) return known->second;
    const auto hurt = hurt_.find(pack.id);
    there = hurt == hurt_.end() || hurt->second.look.there;
  }
  bool sound = false;
  if (deep && there) {
    VARVE_TRY(const Bytes payload, ReadSoundPayload(ctx, core_, pack.id, row));
    sound = !payload.empty();
  }
  const std::lock_guard lock(mutex_);
  const auto [known, fresh] = rows_.emplace(print, sound);
  if (!fresh) return known->second;
  const auto [hurt, first] = hurt_.try_emplace(pack.id);
  if (first) {  // Its length and footer are sound; only places are not.
    hurt->second.look.stated_bytes = hurt->second.look.bytes = pack.object_bytes;
    hurt->second.named_by.push_back(commit);
  }
  ++hurt->second.look.rows_unconfirmed;
  if ((deep || !there) && !sound) ++hurt->second.look.rows_damaged;
  return sound;
}

Status FsckPacks::JudgeCommit(const OpContext& ctx, const FsckCommit& commit, bool deep) {
  const auto read = ReadCommit(ctx, core_, commit.meta_id, commit.commit_id, commit.version);
  if (!read.ok()) return IsDamage(read.error()) ? OkStatus() : Status(read.error());
  const format::Commit& tables = read->decoded.commit;
  std::map<uint32_t, std::vector<uint32_t>> suspects;  // By pack ordinal: chunks.
  {
    const std::lock_guard lock(mutex_);
    for (uint32_t i = 0; i < tables.chunks.size(); ++i) {
      const format::ChunkRow& row = tables.chunks[i];
      const format::ObjectId& pack = tables.packs[row.pack].id;
      if (!Looked(pack)) continue;
      const uint64_t print = RowFingerprint(pack, row.digest, row.offset, row.payload_bytes,
                                            row.raw_bytes, row.codec, survey_.salt);
      if (survey_.rows.IsUnmet(print)) suspects[row.pack].push_back(i);
    }
    for (const format::PackRow& pack : tables.packs) {
      const auto hurt = hurt_.find(pack.id);
      if (hurt != hurt_.end() && hurt->second.named_by.size() < kNamedByMax)
        hurt->second.named_by.push_back(commit);
    }
  }
  std::set<uint32_t> damaged;
  for (const auto& [ordinal, chunks] : suspects) {
    const format::ObjectId& pack = tables.packs[ordinal].id;
    for (const uint32_t i : chunks) {
      const format::ChunkRow& row = tables.chunks[i];
      const uint64_t print = RowFingerprint(pack, row.digest, row.offset, row.payload_bytes,
                                            row.raw_bytes, row.codec, survey_.salt);
      VARVE_TRY(const bool sound, JudgeRow(ctx, commit, tables.packs[ordinal], row, deep, print));
      if (!sound) damaged.insert(i);
    }
  }
  if (damaged.empty()) return OkStatus();
  const auto tell = [&](const std::string& item, const std::vector<uint32_t>& chunks) {
    std::set<format::ObjectId> told;
    for (const uint32_t chunk : chunks) {
      const format::ObjectId& pack = tables.packs[tables.chunks[chunk].pack].id;
      if (!damaged.contains(chunk) || !told.insert(pack).second) continue;
      Hurt& hurt = hurt_[pack];
      ++hurt.affected_total;
      if (hurt.affected.size() < kFsckAffectedMax)
        hurt.affected.push_back(AddressOf(survey_, commit) + ": " + item);
    }
  };
  const std::lock_guard lock(mutex_);
  for (const format::TensorRow& row : tables.tensors) tell(row.name, row.chunks);
  for (const format::FileRow& row : tables.files) tell(row.path, row.chunks);
  return OkStatus();
}

}  // namespace varve::lake
