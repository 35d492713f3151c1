// From chunks that are durable to a version that is visible.
#include <algorithm>
#include <optional>
#include <set>

#include "varve/base/planted.h"
#include "varve/lake/internal.h"

namespace varve::lake {
namespace {

constexpr size_t kHeadMessageBytesMax = 200;
constexpr int kRelocationsMax = 8;  // Times a collector may condemn one save's packs.

// A cut that leaves whole UTF-8 characters.
std::string Shorten(const std::string& text, size_t bytes_max) {
  if (text.size() <= bytes_max) return text;
  size_t end = bytes_max;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80) --end;
  return text.substr(0, end);
}

// The number under which another made this very version, of a copy or a join, already; 0: nobody.
Result<uint64_t> NumberOf(const OpContext& ctx, Core& core, const Publication& publication,
                          const format::Head& head, const hash::Digest& commit_id) {
  if (publication.joins_after.has_value()) {
    const uint64_t before = *publication.joins_after, last = head.last_version();
    if (last <= before || PLANTED(83)) return uint64_t{0};
    VARVE_TRY(const auto since, core.heads.Newest(ctx, head, last - before));
    for (const format::VersionEntry& each : since) {
      if (each.commit_id == commit_id) return each.version;
    }
    return uint64_t{0};
  }
  if (publication.logical == nullptr || PLANTED(41)) return uint64_t{0};
  for (const format::VersionEntry& each : head.versions) {
    if (each.commit_id == commit_id && !head.forgotten.contains(each.version)) return each.version;
  }
  return uint64_t{0};
}

Result<uint64_t> Append(const OpContext& ctx, Core& core, const Publication& publication,
                        format::VersionEntry entry, Condemned& condemned) {
  Heads::Change change;
  change.name = publication.name;
  change.create_type = publication.artifact_type;
  change.base_epoch = publication.base_epoch;
  if (!PLANTED(15)) change.used.push_back(entry.meta_id);
  for (const format::PackRow& pack : publication.commit->packs) {
    if (!PLANTED(14)) change.used.push_back(pack.id);
  }
  // The number it was sent with tells where it must be, also when it was folded since.
  change.done = [&](const format::Head& head) -> Result<bool> {
    if (head.last_version() < entry.version) return false;
    VARVE_TRY(const format::VersionEntry there, core.heads.Find(ctx, head, entry.version));
    return there.commit_id == entry.commit_id;
  };
  uint64_t there = 0;
  change.edit = [&](format::Head& head) -> Status {
    VARVE_TRY(there, NumberOf(ctx, core, publication, head, entry.commit_id));
    if (there != 0) {
      return Error(ErrorCode::kAlreadyExists, "'" + head.name + "' has that version");
    }
    if (head.state == format::HeadState::kSealed) {
      return Error(ErrorCode::kUnsupported,
                   "'" + head.name + "' is sealed; it takes no new version");
    }
    head.state = format::HeadState::kOpen;
    entry.version = head.last_version() + 1;
    const int64_t previous_ms = head.versions.empty() ? 0 : head.versions.back().time_ms;
    entry.time_ms = std::max(ctx.clock().WallMs(), PLANTED(17) ? 0 : previous_ms + 1);
    head.versions.push_back(entry);
    // A copy of a thinned version is one.
    for (const format::LetGo& row : publication.commit->let_go) {
      format::Layout& layout = head.layouts[entry.version];
      layout.meta_id = entry.meta_id;
      layout.let_go.push_back(row.component);
    }
    for (const std::string& alias : publication.aliases) {
      if (head.tags.contains(alias)) {
        return Error(ErrorCode::kAlreadyExists,
                     "'" + alias + "' is a tag of '" + head.name + "', which never moves");
      }
      head.aliases[alias] = entry.version;
    }
    return OkStatus();
  };
  auto head = core.heads.Commit(ctx, change, &condemned);
  if (head.ok()) return entry.version;
  if (there != 0) return there;
  return std::move(head).error();
}

// The bases as they lie by now: who condemned a pack that was shared may have laid its version out
// anew before. One that was let go, or cannot be read, is none.
std::vector<format::Commit> BasesNow(const OpContext& ctx, Core& core,
                                     const std::vector<std::string>& addresses) {
  std::vector<format::Commit> bases;
  for (const std::string& address : addresses) {
    auto base = ResolveCommit(ctx, core, address);
    if (base.ok()) bases.push_back(std::move(base->read.decoded.commit));
  }
  return bases;
}

// Chunks in condemned packs move to fresh ones, or to where a base has them; the tables follow.
Status Relocate(const OpContext& ctx, Core& core, const Publication& publication,
                const Condemned& condemned) {
  format::Commit& commit = *publication.commit;
  std::set<format::ObjectId> packs;
  for (const format::PackRow& pack : commit.packs) {
    if (condemned.Has(pack.id)) packs.insert(pack.id);
  }
  if (packs.empty()) return OkStatus();  // Only the commit object itself.
  VARVE_CHECK_OK(
      publication.writer->Relocate(packs, BasesNow(ctx, core, publication.base_addresses)));
  CommitBuilder builder(*publication.writer);
  for (const format::ChunkRow& row : commit.chunks) builder.Ordinal(row.digest);  // Same ordinals.
  if (PLANTED(18)) return OkStatus();
  commit.chunks.clear();
  commit.packs.clear();
  builder.MoveTo(commit);
  return OkStatus();
}

}  // namespace

format::VersionEntry EntryOf(const format::Commit& commit, const hash::Digest& commit_id,
                             const format::ObjectId& meta_id, uint64_t stored_bytes,
                             const std::vector<hash::Digest>& named_parents) {
  format::VersionEntry entry;
  entry.commit_id = commit_id;
  entry.meta_id = meta_id;
  entry.has_step = commit.header.has_step;
  entry.step = commit.header.step;
  entry.logical_bytes = commit.LogicalBytes();
  entry.stored_bytes = stored_bytes;
  entry.message = Shorten(commit.header.message, kHeadMessageBytesMax);
  for (const auto& [metric, value] : commit.header.metrics) {
    if (entry.metrics.size() < format::kEntryMetricsMax) entry.metrics.emplace(metric, value);
  }
  entry.parents = named_parents;
  return entry;
}

uint32_t CommitBuilder::Ordinal(const hash::Digest& digest) {
  const auto [found, fresh] = ordinals_.try_emplace(digest, static_cast<uint32_t>(digests_.size()));
  if (fresh) digests_.push_back(digest);
  return found->second;
}

void CommitBuilder::MoveTo(format::Commit& commit) {
  std::map<format::ObjectId, format::PackRow> packs;
  for (const hash::Digest& digest : digests_) {
    const ChunkPlace& place = writer_.place(digest);
    format::PackRow& pack = packs[place.pack];
    pack.id = place.pack;
    pack.object_bytes = place.pack_object_bytes;
    pack.live_bytes += place.row.payload_bytes;
  }
  std::map<format::ObjectId, uint32_t> pack_ordinals;
  for (auto& [id, pack] : packs) {
    pack_ordinals.emplace(id, static_cast<uint32_t>(commit.packs.size()));
    commit.packs.push_back(pack);
  }
  for (const hash::Digest& digest : digests_) {
    const ChunkPlace& place = writer_.place(digest);
    commit.chunks.push_back(place.row);
    commit.chunks.back().pack = pack_ordinals.at(place.pack);
  }
}

Result<Published> Publish(const OpContext& ctx, Core& core, const Publication& publication) {
  Publication attempt = publication;
  Published published;
  uint64_t meta_bytes = 0;
  if (PLANTED(31)) {
    VARVE_TRY(attempt.base_epoch, core.guard.Base(ctx));
  }
  for (int round = 0;; ++round) {
    VARVE_TRY(const format::EncodedCommit encoded,
              format::EncodeCommit(*attempt.commit, attempt.logical));
    VARVE_TRY(const format::ObjectId meta_id, core.ids.Next(ctx, attempt.name));
    const store::Key key(format::MetaKey(meta_id));
    const auto put = core.store->PutNew(ctx, key, encoded.object);
    if (!put.ok() && !PLANTED(13)) return put.error();
    meta_bytes += encoded.object.size();
    published.commit_id = encoded.commit_id;
    published.stored_bytes =
        attempt.stored_before_bytes + attempt.writer->stored_bytes() + meta_bytes;
    Condemned condemned;
    const auto version = Append(ctx, core, attempt,
                                EntryOf(*attempt.commit, encoded.commit_id, meta_id,
                                        published.stored_bytes, publication.named_parents),
                                condemned);
    if (version.ok()) {
      published.version = *version;
      return published;
    }
    if (PLANTED(16)) static_cast<void>(core.store->Delete(ctx, std::span(&key, 1)));
    if (condemned.ids.empty() || round >= kRelocationsMax) return version.error();
    VARVE_CHECK_OK(Relocate(ctx, core, attempt, condemned));
    // With its lists gone nothing written so far is known to be sound, and all of it was moved.
    if (condemned.lists_gone) attempt.base_epoch = condemned.fresh_base;
  }
}

}  // namespace varve::lake
