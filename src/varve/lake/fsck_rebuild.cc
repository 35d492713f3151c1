// Versions that no head names: listing them, and making them addressable again.
#include <algorithm>
#include <atomic>

#include "varve/format/names.h"
#include "varve/lake/fsck_lost.h"
#include "varve/lake/fsck_packs.h"
#include "varve/lake/fsck_run.h"
#include "varve/lake/internal.h"
#include "varve/lake/relayout.h"

namespace varve::lake {
namespace {

constexpr size_t kBatchEntries = 64;   // Of one write of a head: as many as a fold takes.
constexpr uint64_t kGapMax = 100'000;  // Numbers in a row that nothing is left of.
constexpr int kRelocationsMax = 8;     // Times a collector may condemn what is brought back.

struct Found {
  LostVersion lost;
  format::VersionEntry entry;  // But for its time.
  std::string artifact_type;
  std::vector<format::ObjectId> used;
};

class Rebuilder {
 public:
  Rebuilder(const OpContext& ctx, Core& core, const RebuildOptions& options)
      : ctx_(ctx), core_(core), options_(options) {}

  Result<RebuildReport> Run() {
    VARVE_CHECK_OK(CheckMayRepair(ctx_, core_));
    report_.artifact = options_.as.empty() ? options_.artifact : options_.as;
    VARVE_CHECK_OK(format::CheckArtifactName(report_.artifact));
    VARVE_TRY(base_epoch_, core_.guard.Base(ctx_));
    VARVE_CHECK_OK(ReadHead());
    VARVE_TRY(const std::vector<LostVersion> lost, FindLostVersions(ctx_, core_));
    VARVE_TRY(std::vector<Found> found, Number(lost));
    if (found.empty() && report_.left.empty()) {
      return Error(ErrorCode::kNotFound, "no lost version says that it is one of '" +
                                             options_.artifact + "'; see varve find-lost");
    }
    std::vector<Found> batch;
    uint64_t next = last_version_ + 1;
    for (Found& each : found) {
      for (; next < each.entry.version; ++next) {
        VARVE_CHECK_OK(Add(batch, Filler(next)));
      }
      VARVE_CHECK_OK(Add(batch, std::move(each)));
      ++next;
    }
    VARVE_CHECK_OK(Write(batch));
    return std::move(report_);
  }

 private:
  Status ReadHead() {
    const auto head = core_.heads.Read(ctx_, report_.artifact);
    if (!head.ok()) {
      if (head.error().code() == ErrorCode::kNotFound) return OkStatus();
      if (head.error().code() != ErrorCode::kCorrupt) return head.error();
      return Error(ErrorCode::kCorrupt,
                   "the head of '" + report_.artifact +
                       "' is damaged and is not written over; move it out of the lake first, or "
                       "rebuild under a new name with --as");
    }
    if (!options_.as.empty()) {
      return Error(ErrorCode::kAlreadyExists,
                   "'" + options_.as + "' exists; --as wants a name that does not");
    }
    if (head->head.state != format::HeadState::kOpen) {
      return Error(ErrorCode::kUnsupported, "'" + report_.artifact +
                                                "' is sealed or was deleted; rebuild under a new "
                                                "name with --as");
    }
    last_version_ = head->head.last_version();
    return OkStatus();
  }

  void Leave(const LostVersion& lost, const std::string& why) {
    report_.left.push_back("v" + std::to_string(lost.version) + " (" + lost.object + "): " + why);
  }

  // Which come back under which number.
  Result<std::vector<Found>> Number(const std::vector<LostVersion>& lost) {
    // Of two that say one number, the one that another was saved on top of was it.
    std::map<uint64_t, int> claims, followed;
    for (const LostVersion& each : lost) {
      if (each.artifact != options_.artifact || each.given_up) continue;
      ++claims[each.version];
      if (each.followed) ++followed[each.version];
    }
    const auto doubtful = [&](const LostVersion& each) {
      return claims[each.version] > 1 && !(each.followed && followed[each.version] == 1);
    };
    std::vector<Found> found;
    uint64_t last = last_version_;
    for (const LostVersion& each : lost) {
      if (each.artifact != options_.artifact) continue;
      if (each.given_up) {
        Leave(each, "a collector gave it up");
        continue;
      }
      uint64_t number = last + 1;
      if (options_.as.empty()) {
        number = each.version;
        if (number <= last || doubtful(each)) {
          Leave(each, "its number is another's, or said by two; --as NEW numbers them anew");
          continue;
        }
        if (number - last > kGapMax) {
          Leave(each, "nothing is left of too many versions before it; --as NEW numbers them anew");
          continue;
        }
      }
      Found one;
      one.lost = each;
      VARVE_TRY(const std::string why, Examine(one));
      if (!why.empty()) {
        Leave(each, why);
        continue;
      }
      one.entry.version = last = number;
      found.push_back(std::move(one));
    }
    return found;
  }

  // Hashes all bytes of it. Why it cannot come back, or nothing.
  Result<std::string> Examine(Found& found) {
    VARVE_TRY(const format::ObjectId meta_id, MetaOf(found.lost));
    found.entry.commit_id = found.lost.commit_id;
    found.entry.meta_id = meta_id;
    const auto read = ReadCommit(ctx_, core_, found.entry);
    if (!read.ok()) {
      if (read.error().code() == ErrorCode::kCorrupt) return read.error().message();
      return read.error();
    }
    const format::Commit& commit = read->decoded.commit;
    std::atomic<uint64_t> damaged = 0;
    VARVE_CHECK_OK(core_.transfers.ForEach(ctx_, commit.chunks.size(), [&](size_t i) -> Status {
      const format::ChunkRow& row = commit.chunks[i];
      VARVE_TRY(const Bytes payload, ReadSoundPayload(ctx_, core_, commit.packs[row.pack].id, row));
      if (payload.empty()) ++damaged;
      return OkStatus();
    }));
    if (damaged > 0) return std::to_string(damaged.load()) + " of its chunks do not load";
    found.entry = EntryOf(commit, found.lost.commit_id, meta_id, read->object.size(), {});
    found.artifact_type = commit.header.artifact_type;
    found.used = {meta_id};
    for (const format::PackRow& pack : commit.packs) found.used.push_back(pack.id);
    return std::string();
  }

  static Result<format::ObjectId> MetaOf(const LostVersion& lost) {
    return format::ObjectId::FromText(
        std::string_view(lost.object).substr(lost.object.size() - 26));
  }

  // A number that nothing is left of: an entry that names nothing, let go for good.
  static Found Filler(uint64_t version) {
    Found filler;
    filler.entry.version = version;
    return filler;
  }

  Status Add(std::vector<Found>& batch, Found found) {
    batch.push_back(std::move(found));
    if (batch.size() < kBatchEntries) return OkStatus();
    VARVE_CHECK_OK(Write(batch));
    batch.clear();
    return OkStatus();
  }

  // Chunks and tables under fresh names: for what a collector may already have condemned.
  Status Renew(Found& found) {
    const auto read = ReadCommit(ctx_, core_, found.entry);
    if (!read.ok()) return read.error();
    const format::Commit& commit = read->decoded.commit;
    VARVE_TRY(auto writer, ChunkWriter::Make(core_, ctx_, {.target = report_.artifact}));
    for (const format::ChunkRow& row : commit.chunks) {
      VARVE_TRY(const Bytes payload, ReadSoundPayload(ctx_, core_, commit.packs[row.pack].id, row));
      if (payload.empty()) {
        return Error(ErrorCode::kConflict, "a collector took what was to be brought back");
      }
      VARVE_TRY(const size_t slot, writer->AddEncoded(row, payload));
      static_cast<void>(slot);
    }
    VARVE_CHECK_OK(writer->Finish());
    std::map<hash::Digest, format::ChunkPlace> moved;
    for (const format::ChunkRow& row : commit.chunks) {
      moved[row.digest] = writer->place(row.digest);
    }
    const format::Commit renewed = format::MoveChunks(commit, moved);
    VARVE_TRY(const WrittenCommit written, WriteAnew(ctx_, core_, report_.artifact, renewed,
                                                     read->decoded.logical, found.entry.commit_id));
    found.entry.meta_id = written.meta_id;
    found.used = {written.meta_id};
    for (const format::PackRow& pack : renewed.packs) found.used.push_back(pack.id);
    return OkStatus();
  }

  Status Write(std::vector<Found>& batch) {
    if (batch.empty()) return OkStatus();
    for (Found& each : batch) {
      if (each.used.empty()) {
        VARVE_TRY(each.entry.meta_id, core_.ids.Next(ctx_, report_.artifact));
      } else if (type_.empty()) {
        type_ = each.artifact_type;
      }
    }
    // Nobody knows for how long nothing named them: every list that there ever was counts.
    uint64_t base_epoch = 0;
    for (int round = 0;; ++round) {
      Condemned condemned;
      const Status written = TryWrite(batch, base_epoch, condemned);
      if (written.ok()) break;
      if (condemned.ids.empty() || round >= kRelocationsMax) return written;
      for (Found& each : batch) {
        if (!each.used.empty()) VARVE_CHECK_OK(Renew(each));
      }
      base_epoch = condemned.lists_gone ? condemned.fresh_base : base_epoch_;
    }
    for (const Found& each : batch) {
      if (each.used.empty()) continue;
      report_.rebuilt.push_back({each.lost.version, each.entry.version, each.lost.commit_id});
    }
    return OkStatus();
  }

  Status TryWrite(std::vector<Found>& batch, uint64_t base_epoch, Condemned& condemned) {
    Heads::Change change;
    change.name = report_.artifact;
    change.create_type = type_.empty() ? "checkpoint" : type_;
    change.base_epoch = base_epoch;
    for (const Found& each : batch) {
      change.used.insert(change.used.end(), each.used.begin(), each.used.end());
    }
    const format::VersionEntry& last = batch.back().entry;
    change.done = [&](const format::Head& head) -> Result<bool> {
      if (head.last_version() < last.version) return false;
      VARVE_TRY(const format::VersionEntry there, core_.heads.Find(ctx_, head, last.version));
      return there.meta_id == last.meta_id;
    };
    change.edit = [&](format::Head& head) -> Status {
      if (head.last_version() + 1 != batch.front().entry.version) {
        return Error(ErrorCode::kConflict,
                     "'" + head.name + "' moved while it was rebuilt; look at it again");
      }
      const int64_t now_ms = ctx_.clock().WallMs();
      for (Found& each : batch) {
        const int64_t before_ms = head.versions.empty() ? 0 : head.versions.back().time_ms;
        each.entry.time_ms = std::max(each.lost.created_ms, before_ms + 1);
        head.versions.push_back(each.entry);
        format::Tombstone tombstone{
            now_ms, "nothing of it was left when the head was rebuilt", options_.by, "", 0, 0};
        if (!each.used.empty()) {
          tombstone.reason = "found by a rebuild; varve undelete brings it back";
          tombstone.until_ms = now_ms + options_.grace_ms;
          tombstone.gc_epoch = base_epoch_;
        }
        head.forgotten[each.entry.version] = tombstone;
      }
      return OkStatus();
    };
    const auto head = core_.heads.Commit(ctx_, change, &condemned);
    return head.ok() ? OkStatus() : Status(head.error());
  }

  const OpContext& ctx_;
  Core& core_;
  const RebuildOptions& options_;
  RebuildReport report_;
  uint64_t base_epoch_ = 0;    // Of what is written anew, and of bringing back what is found.
  uint64_t last_version_ = 0;  // Of the head as it is.
  std::string type_;
};

}  // namespace

Result<std::vector<LostVersion>> FindLostVersions(const OpContext& ctx, Core& core) {
  FsckFindings ignored;
  FsckReport report;
  VARVE_TRY(const FsckSurvey survey, Survey(ctx, core, ignored, report));
  VARVE_TRY(const std::vector<LostCommit> scanned, ScanLost(ctx, core, survey));
  std::map<hash::Digest, const LostCommit*> best;
  const auto better = [](const LostCommit& a, const LostCommit& b) {
    return std::tuple(a.given_up, !a.complete, a.thinned) <
           std::tuple(b.given_up, !b.complete, b.thinned);
  };
  for (const LostCommit& each : scanned) {
    if (survey.known_commits.contains(each.commit_id)) continue;
    const auto [at, fresh] = best.try_emplace(each.commit_id, &each);
    if (!fresh && better(each, *at->second)) at->second = &each;
  }
  std::map<std::string, bool> heads;
  std::vector<LostVersion> lost;
  for (const LostCommit& each : scanned) {
    const auto at = best.find(each.commit_id);
    if (at == best.end() || at->second != &each) continue;
    LostVersion version;
    version.artifact = each.origin.artifact;
    version.version = each.origin.version;
    version.commit_id = each.commit_id;
    version.object = format::MetaKey(each.meta_id);
    version.created_ms = each.created_ms;
    version.logical_bytes = each.logical_bytes;
    version.complete = each.complete;
    version.given_up = each.given_up;
    version.thinned = each.thinned;
    version.followed = each.followed;
    if (!version.artifact.empty()) {
      const auto [head, fresh] = heads.try_emplace(version.artifact, false);
      if (fresh) {
        const auto there = core.store->Head(ctx, store::Key(format::HeadKey(version.artifact)));
        if (!there.ok() && there.error().code() != ErrorCode::kNotFound) return there.error();
        head->second = there.ok();
      }
      version.head_there = head->second;
    }
    lost.push_back(std::move(version));
  }
  return lost;
}

Result<RebuildReport> RebuildArtifact(const OpContext& ctx, Core& core,
                                      const RebuildOptions& options) {
  return Rebuilder(ctx, core, options).Run();
}

}  // namespace varve::lake
