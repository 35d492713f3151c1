// Choosing, copying, and moving heads; a race with others costs another round.
#include "varve/lake/repack.h"

#include <algorithm>
#include <mutex>

#include "varve/base/planted.h"
#include "varve/format/object_key.h"
#include "varve/format/pack.h"
#include "varve/lake/chunk_writer.h"
#include "varve/lake/gc_mark.h"
#include "varve/lake/internal.h"
#include "varve/lake/relayout.h"
#include "varve/lake/repack_survey.h"

namespace varve::lake {
namespace {

using plan::RepackVerdict;
using Survey = RepackSurvey;

constexpr int kRoundsMax = 4;
constexpr int kRelocationsMax = 8;           // Times a collector may condemn what was copied.
constexpr uint64_t kBatchBytes = 64 * kMiB;  // Read before it is handed to the writer.
constexpr int64_t kDayMs = 86'400'000;
// Of a pack that holds these chunks alone.
uint64_t PackBytes(uint64_t chunks, uint64_t payload_bytes) {
  return format::kPackHeaderBytes + chunks * format::kPackFrameHeaderBytes + payload_bytes +
         format::PackFooterBytesMax(chunks);
}

uint64_t LiveBytes(const Survey::Pack& pack) {
  uint64_t bytes = 0;
  for (const auto& [digest, chunk] : pack.chunks) bytes += chunk.row.payload_bytes;
  return PackBytes(pack.chunks.size(), bytes);
}

class Repacker {
 public:
  Repacker(const OpContext& ctx, Core& core, const RepackOptions& options)
      : ctx_(ctx), core_(core), options_(options) {}

  Result<RepackReport> Run() {
    if (options_.dead_percent > 99) {
      return Error(ErrorCode::kInvalidArgument,
                   "a pack is written again when at least 0 to 99 % of it is dead, such as 50");
    }
    if (options_.apply) VARVE_CHECK_OK(core_.CheckWritable());
    VARVE_CHECK_OK(CheckMayCollect(ctx_, core_, options_.apply));
    report_.applied = options_.apply;
    for (int round = 1;; ++round) {
      const auto done = Round();
      if (done.ok() && (*done || round == kRoundsMax)) return std::move(report_);
      if (done.ok()) continue;
      if (done.error().code() != ErrorCode::kConflict) return done.error();
      if (round < kRoundsMax) continue;
      return Error(ErrorCode::kConflict,
                   "other writers or collectors move the lake faster than it can be repacked; what "
                   "was moved stays sound, run it again");
    }
  }

 private:
  struct Source {
    uint32_t pack = 0;
    const format::ChunkRow* row = nullptr;
  };

  // True when nothing is left to do, or only what nobody can do now.
  Result<bool> Round() {
    VARVE_TRY(survey_, SurveyForRepack(ctx_, core_, options_.dead_percent, damaged_));
    VARVE_CHECK_OK(Choose());
    if (!options_.apply || chosen_.empty()) return true;
    copied_.clear();
    moved_.clear();
    writers_.clear();
    failed_.clear();
    done_.assign(survey_.commits.size(), false);
    bool left = false;
    VARVE_CHECK_OK(Copy());
    VARVE_CHECK_OK(Settle());
    left = DropUnread();
    for (size_t first = 0, last = 0; first < survey_.commits.size(); first = last) {
      while (last < survey_.commits.size() &&
             survey_.commits[last].name == survey_.commits[first].name)
        ++last;
      VARVE_TRY(const bool all, MoveHead(first, last));
      left = left || !all;
    }
    Count();
    return !left;
  }

  Status Choose() {
    std::vector<plan::RepackPack> packs;
    std::vector<uint32_t> index_of;  // Of the survey.
    for (uint32_t i = 0; i < survey_.packs.size(); ++i) {
      const Survey::Pack& pack = survey_.packs[i];
      if (!pack.suspect) continue;
      index_of.push_back(i);
      packs.push_back({.object_bytes = pack.object_bytes,
                       .live_bytes = LiveBytes(pack),
                       .age_ms = survey_.now_ms - pack.time_ms,
                       .commits = {}});
    }
    std::vector<plan::RepackCommit> commits;
    std::map<uint32_t, size_t> place_of;
    for (size_t i = 0; i < index_of.size(); ++i) place_of[index_of[i]] = i;
    for (const Survey::Commit& commit : survey_.commits) {
      for (const uint32_t pack : commit.packs) {
        packs[place_of.at(pack)].commits.push_back(static_cast<uint32_t>(commits.size()));
      }
      commits.push_back({commit.object_bytes, commit.fixed});
    }
    const plan::Price* price = PriceHere();
    plan::RepackRules rules;
    rules.dead_percent = options_.dead_percent;
    rules.moved_bytes_max = options_.moved_bytes_max;
    if (price != nullptr) rules.age_ms_min = price->min_days * kDayMs;
    const std::vector<RepackVerdict> verdicts = plan::ChooseRepack(packs, commits, rules);
    chosen_.clear();
    for (size_t i = 0; i < packs.size(); ++i) {
      if (verdicts[i] == RepackVerdict::kMove) chosen_.insert(index_of[i]);
    }
    if (!told_) Tell(packs, verdicts, index_of);
    told_ = true;
    return OkStatus();
  }

  const plan::Price* PriceHere() const {
    const store::Placement place = core_.store->placement();
    if (place.provider.empty()) return nullptr;
    return plan::FindPrice(options_.prices, place.provider, place.region, place.storage_class);
  }

  // What the first round saw, and what it comes to.
  void Tell(const std::vector<plan::RepackPack>& packs, const std::vector<RepackVerdict>& verdicts,
            const std::vector<uint32_t>& index_of) {
    report_.packs = survey_.packs.size();
    for (const Survey::Pack& pack : survey_.packs) report_.packs_bytes += pack.object_bytes;
    std::set<uint32_t> artifacts;
    std::set<std::pair<uint32_t, uint64_t>> versions;
    std::map<uint32_t, uint64_t> versions_of;
    uint64_t commit_bytes = 0, commits = 0;
    for (const Survey::Commit& commit : survey_.commits) {
      bool any = false;
      for (const uint32_t pack : commit.packs) {
        if (!chosen_.contains(pack)) continue;
        any = true;
        if (!commit.at.full) ++versions_of[pack];
      }
      if (!any) continue;
      artifacts.insert(commit.name);
      versions.insert({commit.name, commit.at.version});
      commit_bytes += commit.object_bytes;
      ++commits;
    }
    report_.artifacts = artifacts.size();
    report_.versions = versions.size();
    for (size_t i = 0; i < packs.size(); ++i) {
      RepackReport::Group& group = report_.groups[static_cast<size_t>(verdicts[i])];
      ++group.packs;
      group.bytes += packs[i].object_bytes;
      group.live_bytes += packs[i].live_bytes;
      if (verdicts[i] != RepackVerdict::kMove) continue;
      report_.rows.push_back({format::PackKey(survey_.packs[index_of[i]].id), packs[i].object_bytes,
                              packs[i].live_bytes, versions_of[index_of[i]]});
    }
    std::sort(report_.rows.begin(), report_.rows.end(), [](const auto& a, const auto& b) {
      return a.bytes - std::min(a.bytes, a.live_bytes) > b.bytes - std::min(b.bytes, b.live_bytes);
    });
    if (report_.rows.size() > kRepackRowsMax) report_.rows.resize(kRepackRowsMax);
    const auto& move = report_.groups[static_cast<size_t>(RepackVerdict::kMove)];
    uint64_t read_bytes = commit_bytes, requests = commits;
    uint64_t written_bytes = commit_bytes, written_objects = commits;
    for (const auto& [lifetime, sources] : Sources()) {
      uint64_t bytes = 0;
      for (const plan::PlannedRead& read : PlanOf(sources)) {
        read_bytes += read.bytes;
        ++requests;
      }
      for (const Source& source : sources) bytes += source.row->payload_bytes;
      const uint64_t packed_bytes = PackBytes(sources.size(), bytes);
      written_bytes += packed_bytes;
      written_objects += packed_bytes / core_.descriptor.pack_bytes + 1;
    }
    Quote(read_bytes, written_objects,
          move.bytes + commit_bytes - std::min(written_bytes, move.bytes + commit_bytes));
    if (options_.apply) return;  // Counted as it is done.
    report_.read_bytes = read_bytes;
    report_.read_requests = requests;
    report_.written_bytes = written_bytes;
    report_.written_objects = written_objects;
    report_.freed_bytes = move.bytes + commit_bytes;
  }

  void Quote(uint64_t read_bytes, uint64_t written_objects, uint64_t saved_bytes) {
    const plan::Price* price = PriceHere();
    if (price == nullptr || chosen_.empty()) return;
    RepackReport::Quote quote;
    quote.read_usd = static_cast<double>(read_bytes) / price->gb_bytes * price->read_usd_gb;
    quote.write_usd = static_cast<double>(written_objects) / 1000 * price->put_usd;
    quote.saved_usd_month = plan::MonthlyUsd(*price, static_cast<double>(saved_bytes));
    quote.price = price->provider + " " + price->region + " " + price->storage_class +
                  ", list price of " + price->as_of;
    report_.quote = quote;
  }

  // The chunks to copy, each once, apart by what they are likely to die with.
  std::map<uint32_t, std::vector<Source>> Sources() const {
    std::map<uint32_t, std::vector<Source>> sources;
    std::set<hash::Digest> known;
    for (const uint32_t pack : chosen_) {
      for (const auto& [digest, chunk] : survey_.packs[pack].chunks) {
        if (known.insert(digest).second) sources[chunk.lifetime].push_back({pack, &chunk.row});
      }
    }
    return sources;
  }

  static std::vector<plan::PlannedRead> PlanOf(const std::vector<Source>& sources) {
    std::vector<plan::ChunkRef> refs;
    for (size_t i = 0; i < sources.size(); ++i) {
      const format::ChunkRow& row = *sources[i].row;
      refs.push_back({sources[i].pack, row.offset, row.payload_bytes, i});
    }
    return plan::PlanReads(std::move(refs));
  }

  Status Copy() {
    for (const auto& [lifetime, sources] : Sources()) {
      VARVE_TRY(auto writer, ChunkWriter::Make(core_, ctx_, {.target = "repack"}));
      writers_.push_back(std::move(writer));
      const std::vector<plan::PlannedRead> reads = PlanOf(sources);
      for (size_t first = 0, last = 0; first < reads.size(); first = last) {
        uint64_t bytes = 0;
        while (last < reads.size() && (last == first || bytes + reads[last].bytes <= kBatchBytes))
          bytes += reads[last++].bytes;
        const std::vector<plan::PlannedRead> batch(
            reads.begin() + static_cast<std::ptrdiff_t>(first),
            reads.begin() + static_cast<std::ptrdiff_t>(last));
        VARVE_CHECK_OK(CopyBatch(*writers_.back(), sources, batch));
      }
      VARVE_CHECK_OK(writers_.back()->Finish());
      report_.written_bytes += writers_.back()->stored_bytes();
      report_.written_objects += writers_.back()->packs_written();
    }
    return OkStatus();
  }

  // What does not read back sound is left out.
  Status CopyBatch(ChunkWriter& writer, const std::vector<Source>& sources,
                   const std::vector<plan::PlannedRead>& batch) {
    std::vector<transfer::RangeRead> ranges;
    for (const plan::PlannedRead& read : batch) {
      ranges.push_back(
          {store::Key(format::PackKey(survey_.packs[read.pack].id)), read.offset, read.bytes});
    }
    Mutex mutex;
    std::map<size_t, Bytes> payloads;  // By index of sources.
    transfer::RangeHandlers handlers;
    handlers.failed = [&](size_t, Error error) -> Status {
      const ErrorCode code = error.code();
      if (code == ErrorCode::kNotFound || code == ErrorCode::kCorrupt) return OkStatus();
      return error;
    };
    handlers.deliver = [&](size_t index, ByteView bytes) -> Status {
      const plan::PlannedRead& read = batch[index];
      for (const size_t each : read.chunks) {
        const format::ChunkRow& row = *sources[each].row;
        const ByteView payload = bytes.subspan(row.offset - read.offset, row.payload_bytes);
        VARVE_TRY(const bool sound, IsSound(core_, row, payload));
        if (!sound && !PLANTED(71)) continue;
        Bytes copy(payload.begin(), payload.end());
        const std::lock_guard lock(mutex);
        payloads.emplace(each, std::move(copy));
      }
      return OkStatus();
    };
    VARVE_CHECK_OK(core_.transfers.ReadRanges(ctx_, ranges, handlers));
    for (const plan::PlannedRead& read : batch) report_.read_bytes += read.bytes;
    report_.read_requests += batch.size();
    for (const auto& [each, payload] : payloads) {
      VARVE_TRY(const size_t slot, writer.AddEncoded(*sources[each].row, payload));
      static_cast<void>(slot);
      copied_.insert_or_assign(sources[each].row->digest, &writer);
    }
    for (const plan::PlannedRead& read : batch) {
      for (const size_t each : read.chunks) {
        if (!payloads.contains(each)) failed_.insert(sources[each].pack);
      }
    }
    return OkStatus();
  }

  // Where the copies lie now.
  Status Settle() {
    moved_.clear();
    for (const auto& [digest, writer] : copied_) {
      moved_[digest] = writer->place(digest);
    }
    return OkStatus();
  }

  // A pack that was not read whole stays as it is, and one that holds a chunk that was to be read
  // there. Once, it may have moved under our eyes; twice is damage, and the next round reads the
  // chunks that it shares with others there.
  bool DropUnread() {
    const size_t before = chosen_.size();
    for (auto at = chosen_.begin(); at != chosen_.end();) {
      const Survey::Pack& pack = survey_.packs[*at];
      const bool whole = std::all_of(pack.chunks.begin(), pack.chunks.end(),
                                     [&](const auto& each) { return moved_.contains(each.first); });
      if (whole) {
        ++at;
        continue;
      }
      if (failed_.contains(*at) && !unread_.insert(pack.id).second &&
          damaged_.insert(pack.id).second && report_.damaged.size() < kRepackRowsMax) {
        report_.damaged.push_back(format::PackKey(pack.id));
      }
      at = chosen_.erase(at);
    }
    return chosen_.size() != before;
  }

  // Commits [first, last) are of one head. False when one of them moved meanwhile.
  Result<bool> MoveHead(size_t first, size_t last) {
    uint64_t base_epoch = survey_.base_epoch;
    for (int round = 0;; ++round) {
      std::vector<Relay> relays;
      std::vector<size_t> of;
      std::set<format::ObjectId> used;
      uint64_t object_bytes = 0;
      bool all = true;
      for (size_t i = first; i < last; ++i) {
        if (!NamesChosen(survey_.commits[i])) continue;
        VARVE_TRY(auto relay, WriteTables(survey_.commits[i], used, object_bytes));
        all = all && relay.has_value();
        if (!relay.has_value()) continue;
        relays.push_back(*std::move(relay));
        of.push_back(i);
      }
      report_.written_bytes += object_bytes;
      report_.written_objects += relays.size();
      if (relays.empty()) return all;
      Condemned condemned;
      const auto moved = MoveLayouts(ctx_, core_, survey_.names[survey_.commits[first].name],
                                     base_epoch, relays, {used.begin(), used.end()}, &condemned);
      if (moved.ok()) {
        for (size_t i = 0; i < of.size(); ++i) {
          done_[of[i]] = (*moved)[i];
          report_.moved += (*moved)[i] ? 1U : 0U;
          all = all && (*moved)[i];
        }
        return all;
      }
      if (condemned.ids.empty() || round >= kRelocationsMax) return moved.error();
      VARVE_CHECK_OK(Relocate(condemned));
      if (condemned.lists_gone) base_epoch = condemned.fresh_base;
    }
  }

  bool NamesChosen(const Survey::Commit& commit) const {
    return std::any_of(commit.packs.begin(), commit.packs.end(),
                       [&](uint32_t pack) { return chosen_.contains(pack); });
  }

  // Copies that a collector condemned before a head named them are copied once more.
  Status Relocate(const Condemned& condemned) {
    const std::set<format::ObjectId> packs = CondemnedPacks(moved_, condemned);
    if (packs.empty()) return OkStatus();
    for (const auto& writer : writers_) {
      const uint64_t before_bytes = writer->stored_bytes(), before = writer->packs_written();
      VARVE_CHECK_OK(writer->Relocate(packs));
      report_.written_bytes += writer->stored_bytes() - before_bytes;
      report_.written_objects += writer->packs_written() - before;
    }
    return Settle();
  }

  // The commit object anew, its chunks where they were copied to. Nothing: it is gone, so the
  // version was let go or moved.
  Result<std::optional<Relay>> WriteTables(const Survey::Commit& commit,
                                           std::set<format::ObjectId>& used,
                                           uint64_t& object_bytes) {
    const auto read =
        ReadCommit(ctx_, core_, commit.at.meta_id, commit.at.commit_id, commit.at.version);
    if (!read.ok()) {
      if (read.error().code() == ErrorCode::kCorrupt) return std::optional<Relay>();
      return read.error();
    }
    report_.read_bytes += read->object.size();
    ++report_.read_requests;
    const format::Commit& tables = read->decoded.commit;
    std::set<format::ObjectId> from;
    for (const uint32_t pack : commit.packs) {
      if (chosen_.contains(pack)) from.insert(survey_.packs[pack].id);
    }
    std::map<hash::Digest, format::ChunkPlace> moves;
    for (const format::ChunkRow& row : tables.chunks) {
      if (!from.contains(tables.packs[row.pack].id)) continue;
      const auto found = moved_.find(row.digest);
      if (found == moved_.end()) return Error(ErrorCode::kInternal, "a chunk was not copied");
      format::ChunkPlace to = found->second;
      if (PLANTED(69)) to.row.offset = row.offset;
      used.insert(to.pack);
      moves.emplace(row.digest, std::move(to));
    }
    format::Commit next = format::MoveChunks(tables, moves);
    if (next.origin.artifact.empty()) {
      next.origin = {survey_.names[commit.name], commit.at.version};
    }
    VARVE_TRY(WrittenCommit written,
              WriteAnew(ctx_, core_, "repack", next, read->decoded.logical, commit.at.commit_id));
    object_bytes += written.object_bytes;
    used.insert(written.meta_id);
    return std::optional(Relay{commit.at.version, commit.at.meta_id, written.meta_id,
                               commit.at.laid_out, commit.at.full, std::move(written.let_go)});
  }

  // What collections will free: packs that every live version left, and what named them.
  void Count() {
    std::set<uint32_t> kept;
    for (size_t i = 0; i < survey_.commits.size(); ++i) {
      if (done_[i]) report_.freed_bytes += survey_.commits[i].object_bytes;
      if (!done_[i]) kept.insert(survey_.commits[i].packs.begin(), survey_.commits[i].packs.end());
    }
    for (const uint32_t pack : chosen_) {
      if (!kept.contains(pack)) report_.freed_bytes += survey_.packs[pack].object_bytes;
    }
  }

  const OpContext& ctx_;
  Core& core_;
  const RepackOptions options_;
  RepackReport report_;
  bool told_ = false;
  std::set<format::ObjectId> unread_, damaged_;  // Over all rounds.
  // Of one round.
  Survey survey_;
  std::set<uint32_t> chosen_;  // Packs of the survey,
  std::set<uint32_t> failed_;  // and those of which a chunk did not read back.
  std::vector<std::unique_ptr<ChunkWriter>> writers_;
  std::map<hash::Digest, ChunkWriter*> copied_;
  std::map<hash::Digest, format::ChunkPlace> moved_;
  std::vector<bool> done_;  // By commit of the survey.
};

}  // namespace

Result<RepackReport> RepackLake(const OpContext& ctx, Core& core, const RepackOptions& options) {
  return Repacker(ctx, core, options).Run();
}

}  // namespace varve::lake
