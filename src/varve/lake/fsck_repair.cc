// A repair: a check, then whatever of its findings can be mended.
#include <algorithm>

#include "varve/format/object_key.h"
#include "varve/lake/fsck_heal.h"
#include "varve/lake/fsck_history.h"
#include "varve/lake/fsck_run.h"

namespace varve::lake {
namespace {

using plan::Damage;

constexpr uint64_t kEpochMax = uint64_t{1} << 53;
constexpr uint64_t kEpochGap = 2;  // See BeginStateAnew.

// Heads that are gone, by what commit objects say of whom they belong to.
Result<uint64_t> CountLostHeads(const OpContext& ctx, Core& core, const FsckSurvey& survey) {
  VARVE_TRY(const std::vector<LostCommit> lost, ScanLost(ctx, core, survey));
  std::set<std::string> names;
  for (const LostCommit& each : lost) {
    if (!each.origin.artifact.empty()) names.insert(each.origin.artifact);
  }
  uint64_t gone = 0;
  for (const std::string& name : names) {
    const auto there = core.store->Head(ctx, store::Key(format::HeadKey(name)));
    if (there.ok()) continue;
    if (there.error().code() != ErrorCode::kNotFound) return there.error();
    ++gone;
  }
  return gone;
}

// Writes gc/state anew, idle and without lists, past every epoch that anything was ever written
// with. A collector that was under way loses its conditional write; one that is sweeping deletes
// what was decided before, which no head names and none may name: a writer that learned of objects
// before this counts as if all of them were condemned, since its lists are gone. A base is at most
// one past the epoch it was read in, so two epochs are left out.
Status BeginStateAnew(const OpContext& ctx, Core& core, const FsckSurvey& survey) {
  const store::Key key{std::string(format::kGcStateKey)};
  std::optional<store::Etag> expected;
  const auto there = core.store->Get(ctx, key, {});
  if (there.ok()) {
    const auto now = format::DecodeGcState(AsText(there->body));
    if (!now.ok() && now.error().code() == ErrorCode::kUnsupported) return now.error();
    expected = there->info.etag;
  } else if (there.error().code() != ErrorCode::kNotFound) {
    return there.error();
  }
  if (survey.newest_epoch > kEpochMax) {
    return Error(ErrorCode::kCorrupt,
                 "an epoch past 2^53 is named; bring gc/state back from a "
                 "backup");
  }
  format::GcState state;
  if (survey.state.has_value()) state.unknown_json = survey.state->unknown_json;
  state.epoch = state.oldest_list_epoch = survey.newest_epoch + kEpochGap;
  state.phase = format::GcPhase::kIdle;
  state.holder = "repair";
  // What guards lost heads from being collected must not be forgotten with the state.
  VARVE_TRY(const uint64_t lost_heads, CountLostHeads(ctx, core, survey));
  state.refs = survey.heads_listed + lost_heads;
  if (survey.state.has_value()) state.refs = std::max(state.refs, survey.state->refs);
  VARVE_TRY(const std::string json, format::EncodeGcState(state));
  const auto moved = core.store->Cas(ctx, key, AsBytes(json), expected);
  if (moved.ok()) return OkStatus();
  if (!Ambiguous(moved.error().code())) return moved.error();
  VARVE_TRY(const auto now, core.store->Get(ctx, key, {}));
  return AsText(now.body) == json ? OkStatus() : Status(moved.error());
}

bool OfState(Damage kind) {
  return kind == Damage::kStateMissing || kind == Damage::kStateDamaged ||
         kind == Damage::kListMissing || kind == Damage::kListDamaged;
}

std::string Words(const FsckHealer::Outcome& outcome, const std::string& what) {
  std::string text = std::to_string(outcome.moved) + " of " +
                     std::to_string(outcome.moved + outcome.left) + " " + what;
  if (outcome.left > 0) text += "; the others: " + outcome.why;
  return text;
}

void Tell(FsckFinding& finding, const FsckHealer& healer, const FsckHistory& history) {
  const format::ObjectKey key = format::ParseKey(finding.object);
  const auto tell = [&](bool repaired, std::string how) {
    finding.repaired = repaired;
    finding.repair = std::move(how);
  };
  if (plan::RuleOf(finding.kind).remedy != plan::Remedy::kRepair || finding.repaired) return;
  if (const auto pack = healer.packs().find(key.id);
      key.kind == format::KeyKind::kPack && pack != healer.packs().end()) {
    const FsckHealer::Outcome& outcome = pack->second;
    tell(outcome.left == 0, Words(outcome, "places of versions moved to fresh packs"));
  } else if (const auto commit = healer.commits().find(key.id);
             key.kind == format::KeyKind::kMeta && commit != healer.commits().end()) {
    const bool done = commit->second.left == 0;
    tell(done, done ? "written anew under another name" : commit->second.why);
  } else if (const auto node = history.outcomes().find(key.id);
             key.kind == format::KeyKind::kHistory && node != history.outcomes().end()) {
    const bool done = node->second.empty();
    tell(done, done ? "made again from commit objects" : node->second);
  } else if (finding.repair.empty()) {
    tell(false, "nothing that could be read leads to it; " +
                    std::string("copy what still loads to another lake"));
  }
}

}  // namespace

Status CheckMayRepair(const OpContext& ctx, Core& core) {
  VARVE_CHECK_OK(core.CheckWritable());
  const auto reply = core.store->Get(ctx, store::Key(std::string(format::kDescriptorKey)), {});
  if (!reply.ok()) {
    return reply.error().code() == ErrorCode::kNotFound ? OkStatus() : Status(reply.error());
  }
  const auto descriptor = format::DecodeDescriptor(AsText(reply->body));
  if (!descriptor.ok()) return OkStatus();  // A finding of its own.
  return format::CheckRepairGate(*descriptor);
}

Result<FsckReport> RepairLake(const OpContext& ctx, Core& core, const FsckOptions& options,
                              Core* from) {
  VARVE_CHECK_OK(CheckMayRepair(ctx, core));
  std::vector<FsckFinding> mended;  // Of the collector's state, which comes first.
  for (int round = 0;; ++round) {
    // Before anything is learned of objects that heads will name.
    const auto base_epoch = core.guard.Base(ctx);
    FsckRun run;
    VARVE_CHECK_OK(RunCheck(ctx, core, options, run));
    if (run.survey.state_bad && round == 0) {
      const Status begun = BeginStateAnew(ctx, core, run.survey);
      for (FsckFinding& finding : run.report.findings) {
        if (!OfState(finding.kind)) continue;
        finding.repaired = begun.ok();
        finding.repair = begun.ok() ? "gc/state was begun anew" : begun.error().message();
        mended.push_back(finding);
      }
      if (begun.ok()) continue;
      return std::move(run.report);
    }
    for (FsckFinding& finding : mended) run.report.findings.push_back(std::move(finding));
    run.report.findings_total += mended.size();
    if (run.survey.state_bad) return std::move(run.report);
    if (!base_epoch.ok()) return base_epoch.error();
    std::set<format::ObjectId> bad = run.bad_packs;
    bad.insert(run.survey.doomed.begin(), run.survey.doomed.end());
    FsckHealer healer(ctx, core, run.survey, from, *base_epoch);
    VARVE_CHECK_OK(healer.Run(bad));
    FsckHistory history(ctx, core, run.survey);
    VARVE_CHECK_OK(history.Run());
    for (FsckFinding& finding : run.report.findings) Tell(finding, healer, history);
    run.report.written_bytes = healer.written_bytes();
    return std::move(run.report);
  }
}

}  // namespace varve::lake
