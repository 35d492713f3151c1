#include "varve/lake/fsck_heal.h"

#include <algorithm>
#include <mutex>

#include "varve/format/pack.h"
#include "varve/lake/fsck_packs.h"
#include "varve/lake/gc_roots.h"
#include "varve/plan/component.h"

namespace varve::lake {
namespace {

constexpr size_t kSourcesMax = 8;   // Of one chunk.
constexpr int kRelocationsMax = 8;  // Times a collector may condemn what a repair wrote.

Result<format::DecodedCommit> ReadTables(const OpContext& ctx, Core& core,
                                         const format::ObjectId& meta_id,
                                         const hash::Digest& commit_id) {
  VARVE_TRY(ReadCommitReply read, ReadCommit(ctx, core, meta_id, commit_id, 0));
  return std::move(read.decoded);
}

// `commit` without the components of `let_go` that it still has.
format::Commit WithoutComponents(const format::Commit& commit,
                                 const std::vector<std::string>& let_go, int64_t now_ms) {
  std::vector<format::LetGo> gone = LetGoRows(commit, let_go, {"", now_ms, "repair", "", {}});
  return gone.empty() ? commit : format::ThinCommit(commit, std::move(gone));
}

}  // namespace

Status FsckHealer::Run(const std::set<format::ObjectId>& bad_packs) {
  bad_packs_ = bad_packs;
  VARVE_CHECK_OK(FindJobs());
  if (jobs_.empty()) return OkStatus();
  VARVE_CHECK_OK(FindReplacements());
  VARVE_CHECK_OK(core_.transfers.ForEach(ctx_, jobs_.size(),
                                         [&](size_t index) { return CollectNeeds(jobs_[index]); }));
  VARVE_CHECK_OK(Choose());
  DropHopeless();
  VARVE_CHECK_OK(Put());
  std::map<std::string, std::vector<const Job*>> by_name;
  for (const Job& job : jobs_) by_name[survey_.names[job.at.name]].push_back(&job);
  for (const auto& [name, jobs] : by_name) VARVE_CHECK_OK(MoveHead(name, jobs));
  return Count();
}

Status FsckHealer::FindJobs() {
  Mutex mutex;
  const auto doomed = [&](const format::ObjectId& id) {
    return std::binary_search(survey_.doomed.begin(), survey_.doomed.end(), id);
  };
  VARVE_CHECK_OK(core_.transfers.ForEach(ctx_, survey_.commits.size(), [&](size_t index) -> Status {
    const FsckCommit& commit = survey_.commits[index];
    bool hurt = doomed(commit.meta_id);
    const bool rewrite = hurt;
    if (!hurt && !bad_packs_.empty()) {
      const auto tables = ReadTables(ctx_, core_, commit.meta_id, commit.commit_id);
      if (!tables.ok()) return IsDamage(tables.error()) ? OkStatus() : Status(tables.error());
      for (const format::PackRow& pack : tables->commit.packs) {
        hurt = hurt || bad_packs_.contains(pack.id);
      }
    }
    if (!hurt) return OkStatus();
    const std::lock_guard lock(mutex);
    jobs_.push_back({commit, rewrite, std::nullopt, {}});
    return OkStatus();
  }));
  for (const FsckCommit& commit : survey_.bad_commits)
    jobs_.push_back({commit, true, std::nullopt, {}});
  std::sort(jobs_.begin(), jobs_.end(), [](const Job& a, const Job& b) {
    return std::tie(a.at.name, a.at.version, a.at.full) <
           std::tie(b.at.name, b.at.version, b.at.full);
  });
  return OkStatus();
}

// Another commit object of the same id, for each job whose own cannot be read.
Status FsckHealer::FindReplacements() {
  const auto is_bad = [&](const Job& job) {
    const auto same = [&](const FsckCommit& bad) { return bad.meta_id == job.at.meta_id; };
    return std::any_of(survey_.bad_commits.begin(), survey_.bad_commits.end(), same);
  };
  if (from_ != nullptr) {
    FsckFindings ignored;
    FsckReport report;
    VARVE_TRY(from_survey_, Survey(ctx_, *from_, ignored, report));
  }
  if (survey_.bad_commits.empty()) return OkStatus();
  VARVE_TRY(const std::vector<LostCommit> lost, ScanLost(ctx_, core_, survey_));
  for (Job& job : jobs_) {
    if (is_bad(job)) VARVE_CHECK_OK(Replace(job, lost));
  }
  std::erase_if(jobs_, [&](const Job& job) { return is_bad(job) && !job.replacement.has_value(); });
  return OkStatus();
}

Status FsckHealer::Replace(Job& job, const std::vector<LostCommit>& lost) {
  Outcome& outcome = commits_[job.at.meta_id];
  outcome.left = 1;
  if (job.at.full) {
    outcome.why = "it is what a thinned version could get back; the version itself still loads";
    return OkStatus();
  }
  VARVE_TRY(const HeadSnapshot now, core_.heads.Read(ctx_, survey_.names[job.at.name]));
  std::vector<std::string> let_go;
  if (const auto layout = now.head.layouts.find(job.at.version); layout != now.head.layouts.end()) {
    let_go = layout->second.let_go;
  }
  // One that lacks more than the version does would lose something.
  const auto fits = [&](Core& core, const format::ObjectId& meta_id) -> Result<bool> {
    const auto tables = ReadTables(ctx_, core, meta_id, job.at.commit_id);
    if (!tables.ok()) return IsDamage(tables.error()) ? Result<bool>(false) : tables.error();
    const auto& gone = tables->commit.let_go;
    return std::all_of(gone.begin(), gone.end(), [&](const format::LetGo& row) {
      return std::find(let_go.begin(), let_go.end(), row.component) != let_go.end();
    });
  };
  for (const LostCommit& each : lost) {
    if (job.replacement.has_value() || each.commit_id != job.at.commit_id) continue;
    VARVE_TRY(const bool good, fits(core_, each.meta_id));
    if (good) job.replacement = Replacement{&core_, each.meta_id, let_go};
  }
  if (from_survey_.has_value()) {
    for (const FsckCommit& each : from_survey_->commits) {
      if (job.replacement.has_value() || each.commit_id != job.at.commit_id) continue;
      VARVE_TRY(const bool good, fits(*from_, each.meta_id));
      if (good) job.replacement = Replacement{from_, each.meta_id, let_go};
    }
  }
  if (!job.replacement.has_value()) {
    outcome.why = from_ == nullptr
                      ? "no other commit object of its id is in this lake; --from LAKE "
                        "names another one to look in"
                      : "no other commit object of its id is in either lake";
  }
  return OkStatus();
}

// What was let go of a version stays so: a replacement that still has it is thinned.
Result<format::DecodedCommit> FsckHealer::TablesOf(const Job& job) {
  if (!job.replacement.has_value()) {
    return ReadTables(ctx_, core_, job.at.meta_id, job.at.commit_id);
  }
  VARVE_TRY(format::DecodedCommit tables,
            ReadTables(ctx_, *job.replacement->core, job.replacement->meta_id, job.at.commit_id));
  tables.commit = WithoutComponents(tables.commit, job.replacement->let_go, survey_.now_ms);
  return tables;
}

void FsckHealer::AddSource(const hash::Digest& digest, Source source) {
  const std::lock_guard lock(mutex_);
  const auto need = needs_.find(digest);
  if (need != needs_.end() && need->second.size() < kSourcesMax) {
    need->second.push_back(std::move(source));
  }
}

// What is read where it is said to lie comes first, also out of a damaged pack. All chunks of a
// version whose commit object was lost are written anew: nothing kept their packs alive.
Status FsckHealer::CollectNeeds(Job& job) {
  const auto tables = TablesOf(job);
  if (!tables.ok()) return IsDamage(tables.error()) ? OkStatus() : Status(tables.error());
  Core& core = job.replacement.has_value() ? *job.replacement->core : core_;
  for (const format::ChunkRow& row : tables->commit.chunks) {
    const format::ObjectId& pack = tables->commit.packs[row.pack].id;
    if (!job.replacement.has_value() && !bad_packs_.contains(pack)) continue;
    job.needs.push_back(row.digest);
    {
      const std::lock_guard lock(mutex_);
      needs_.try_emplace(row.digest);
    }
    AddSource(row.digest, {&core, pack, row});
  }
  return OkStatus();
}

Status FsckHealer::AddSourcesOf(Core& core, const FsckSurvey& survey,
                                const std::set<format::ObjectId>& except) {
  return core.transfers.ForEach(ctx_, survey.commits.size(), [&](size_t index) -> Status {
    const FsckCommit& commit = survey.commits[index];
    const auto tables = ReadTables(ctx_, core, commit.meta_id, commit.commit_id);
    if (!tables.ok()) return IsDamage(tables.error()) ? OkStatus() : Status(tables.error());
    for (const format::ChunkRow& row : tables->commit.chunks) {
      const format::ObjectId& pack = tables->commit.packs[row.pack].id;
      if (!except.contains(pack)) AddSource(row.digest, {&core, pack, row});
    }
    return OkStatus();
  });
}

// Packs that no version names may hold what is missing: a save that died, an older layout. So may a
// damaged one, when it is another than its name says.
Status FsckHealer::AddSourcesOfOtherPacks() {
  const auto& listed = survey_.listed[static_cast<size_t>(format::IdKind::kPack)];
  return core_.transfers.ForEach(ctx_, listed.size(), [&](size_t index) -> Status {
    const format::ObjectId& id = listed[index].id;
    const auto named =
        std::lower_bound(survey_.packs.begin(), survey_.packs.end(), id,
                         [](const FsckPack& a, const format::ObjectId& b) { return a.id < b; });
    const bool is_named = named != survey_.packs.end() && named->id == id;
    if (is_named && !bad_packs_.contains(id)) return OkStatus();
    VARVE_TRY(const FoundPack found, ReadPackIndex(ctx_, core_, id));
    for (const format::PackEntry& entry : found.entries) {
      AddSource(entry.digest, {&core_, id, RowOf(entry)});
    }
    return OkStatus();
  });
}

// For every chunk the first source that reads back sound, from the nearest place to the farthest:
// each place is asked only for what those before it did not have.
Status FsckHealer::Choose() {
  for (int where = 0; !needs_.empty(); ++where) {
    for (const auto& [digest, sources] : needs_) {
      for (const Source& source : sources) {
        if (source.row.raw_bytes == 0 || source.row.raw_bytes > codec::kChunkRawBytesMax ||
            source.row.payload_bytes == 0 || source.row.payload_bytes > source.row.raw_bytes) {
          continue;
        }
        VARVE_TRY(const Bytes payload,
                  ReadSoundPayload(ctx_, *source.core, source.pack, source.row));
        if (payload.empty()) continue;
        chosen_.emplace(digest, source);
        break;
      }
    }
    std::erase_if(needs_, [&](const auto& need) { return chosen_.contains(need.first); });
    for (auto& [digest, sources] : needs_) sources.clear();
    if (where == 0) {
      VARVE_CHECK_OK(AddSourcesOf(core_, survey_, bad_packs_));
    } else if (where == 1) {
      VARVE_CHECK_OK(AddSourcesOfOtherPacks());
    } else if (where == 2 && from_survey_.has_value()) {
      VARVE_CHECK_OK(AddSourcesOf(*from_, *from_survey_, {}));
    } else {
      break;
    }
  }
  return OkStatus();
}

// A version whose commit object was lost comes back whole or not at all: for it nothing is written
// that a head could not name.
void FsckHealer::DropHopeless() {
  std::erase_if(jobs_, [&](const Job& job) {
    if (!job.replacement.has_value()) return false;
    const auto lacking = std::count_if(job.needs.begin(), job.needs.end(),
                                       [&](const auto& each) { return !chosen_.contains(each); });
    if (lacking == 0) return false;
    commits_[job.at.meta_id].why = "another commit object of its id is there, but " +
                                   std::to_string(lacking) + " of its chunks were found nowhere";
    return true;
  });
}

Status FsckHealer::Put() {
  VARVE_TRY(writer_, ChunkWriter::Make(core_, ctx_, {.target = "repair"}));
  std::set<hash::Digest> wanted;
  for (const Job& job : jobs_) wanted.insert(job.needs.begin(), job.needs.end());
  for (const hash::Digest& digest : wanted) {
    const auto source = chosen_.find(digest);
    if (source == chosen_.end()) continue;
    const Source& from = source->second;
    VARVE_TRY(const Bytes payload, ReadSoundPayload(ctx_, *from.core, from.pack, from.row));
    if (payload.empty()) continue;  // It was sound a moment ago; the next repair looks again.
    VARVE_TRY(const size_t slot, writer_->AddEncoded(from.row, payload));
    static_cast<void>(slot);
    put_.insert(digest);
  }
  return Settle();
}

Status FsckHealer::Settle() {
  VARVE_CHECK_OK(writer_->Finish());
  moved_.clear();
  for (const hash::Digest& digest : put_) moved_[digest] = writer_->place(digest);
  return OkStatus();
}

Result<std::optional<Relay>> FsckHealer::WriteTables(const Job& job,
                                                     std::vector<format::ObjectId>& used) {
  const std::optional<Relay> nothing;
  const auto tables = TablesOf(job);
  if (!tables.ok()) {
    return IsDamage(tables.error()) ? Result<std::optional<Relay>>(nothing) : tables.error();
  }
  const format::Commit& commit = tables->commit;
  std::map<hash::Digest, format::ChunkPlace> moves;
  uint64_t lacking = 0;
  for (const format::ChunkRow& row : commit.chunks) {
    const bool wanted =
        job.replacement.has_value() || bad_packs_.contains(commit.packs[row.pack].id);
    const auto found = moved_.find(row.digest);
    if (wanted && found != moved_.end()) moves.insert(*found);
    if (wanted && found == moved_.end()) ++lacking;
  }
  if (job.replacement.has_value() && lacking > 0) return nothing;
  if (moves.empty() && !job.rewrite) return nothing;
  format::Commit next = format::MoveChunks(commit, moves);
  next.origin = {survey_.names[job.at.name], job.at.version};
  VARVE_TRY(WrittenCommit written, WriteAnew(ctx_, core_, survey_.names[job.at.name], next,
                                             tables->logical, job.at.commit_id));
  written_bytes_ += written.object_bytes;
  used.push_back(written.meta_id);
  for (const auto& [digest, chunk] : moves) used.push_back(chunk.pack);
  return std::optional(Relay{job.at.version, job.at.meta_id, written.meta_id, job.at.laid_out,
                             job.at.full, std::move(written.let_go)});
}

Status FsckHealer::MoveHead(const std::string& name, const std::vector<const Job*>& jobs) {
  uint64_t base_epoch = base_epoch_;
  for (int round = 0;; ++round) {
    std::vector<Relay> relays;
    std::vector<const Job*> of;
    std::vector<format::ObjectId> used;
    for (const Job* job : jobs) {
      VARVE_TRY(std::optional<Relay> made, WriteTables(*job, used));
      if (!made.has_value()) continue;
      relays.push_back(*std::move(made));
      of.push_back(job);
    }
    if (relays.empty()) return OkStatus();
    Condemned condemned;
    const auto done = MoveLayouts(ctx_, core_, name, base_epoch, relays, used, &condemned);
    if (done.ok()) {  // What moved meanwhile is told of as left.
      for (size_t i = 0; i < of.size(); ++i) {
        if ((*done)[i]) done_.insert(of[i]);
      }
      return OkStatus();
    }
    if (condemned.ids.empty() || round >= kRelocationsMax) return done.error();
    const std::set<format::ObjectId> packs = CondemnedPacks(moved_, condemned);
    if (!packs.empty()) VARVE_CHECK_OK(writer_->Relocate(packs));
    VARVE_CHECK_OK(Settle());
    if (condemned.lists_gone) base_epoch = condemned.fresh_base;
  }
}

// What every damaged pack and commit object came to.
Status FsckHealer::Count() {
  for (const Job& job : jobs_) {
    const bool done = done_.contains(&job);
    if (job.rewrite) {
      Outcome& outcome = commits_[job.at.meta_id];
      outcome.moved = done ? 1 : 0;
      outcome.left = done ? 0 : 1;
      if (done) outcome.why.clear();
      if (!done && outcome.why.empty()) outcome.why = "its head moved meanwhile; run it again";
    }
    if (job.replacement.has_value()) continue;
    const auto tables = TablesOf(job);
    if (!tables.ok()) continue;
    for (const format::ChunkRow& row : tables->commit.chunks) {
      const format::ObjectId& pack = tables->commit.packs[row.pack].id;
      if (!bad_packs_.contains(pack)) continue;
      const bool found = moved_.contains(row.digest);
      Outcome& outcome = packs_[pack];
      ++(done && found ? outcome.moved : outcome.left);
      if (!found && outcome.why.empty()) {
        outcome.why = from_ == nullptr ? "their bytes are nowhere in this lake; --from LAKE names "
                                         "another one to look in"
                                       : "their bytes are in neither lake";
      } else if (!done && outcome.why.empty()) {
        outcome.why = "their head moved meanwhile; run it again";
      }
    }
  }
  if (writer_ != nullptr) written_bytes_ += writer_->stored_bytes();
  return OkStatus();
}

}  // namespace varve::lake
