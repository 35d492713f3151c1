// The collector's states, each step resumable by anyone.
#include <algorithm>

#include "varve/base/planted.h"
#include "varve/format/object_key.h"
#include "varve/lake/gc.h"
#include "varve/lake/gc_fence.h"
#include "varve/lake/gc_mark.h"
#include "varve/lake/gc_sweep.h"
#include "varve/lake/gc_uploads.h"

namespace varve::lake {
namespace {

constexpr int kRoundsMax = 20;          // Collections finished for others, and marks begun anew.
constexpr int kUnknownStateTries = 10;  // Lost answers of one write of gc/state.
constexpr int64_t kStateBackoffMs = 100;

struct StateSnapshot {
  format::GcState state;
  store::Etag etag;
  int64_t store_time_ms = 0;
};

GcBytes BytesOf(const GcCandidates& found, const GcIds& dead) {
  GcBytes total;
  for (size_t kind = 0; kind < dead.size(); ++kind) {
    for (const GcCandidate& each : found.by_kind[kind]) {
      if (!std::binary_search(dead[kind].begin(), dead[kind].end(), each.id)) continue;
      ++total.objects;
      total.bytes += each.bytes;
    }
  }
  return total;
}

class Collector {
 public:
  Collector(Core& core, const GcOptions& options) : core_(core), options_(options) {}

  Result<GcReport> Run(const OpContext& ctx) {
    VARVE_CHECK_OK(CheckMayCollect(ctx, core_, options_.apply));
    for (int round = 0; round < kRoundsMax; ++round) {
      VARVE_TRY(StateSnapshot at, ReadState(ctx));
      const store::Etag etag = at.etag;
      auto done = options_.apply ? Step(ctx, std::move(at)) : Look(ctx, at);
      if (done.ok() && *done) return std::move(report_);
      if (done.ok() || done.error().code() == ErrorCode::kConflict) continue;
      // What looks like damage may be what another collector did meanwhile: then look again.
      const ErrorCode code = done.error().code();
      if (code != ErrorCode::kCorrupt && code != ErrorCode::kNotFound) return done.error();
      VARVE_TRY(const StateSnapshot now, ReadState(ctx));
      if (now.etag == etag) return done.error();
    }
    return Error(ErrorCode::kConflict,
                 "other collectors or writers move the lake faster than it can be marked; what was "
                 "begun stays sound, run it again");
  }

 private:
  Result<StateSnapshot> ReadState(const OpContext& ctx) {
    VARVE_TRY(const auto reply,
              core_.store->Get(ctx, store::Key(std::string(format::kGcStateKey)), {}));
    VARVE_TRY(format::GcState state, format::DecodeGcState(AsText(reply.body)));
    return StateSnapshot{std::move(state), reply.info.etag, reply.info.store_time_ms};
  }

  // Moves gc/state from `from` to `to`. kConflict: someone else moved it. Every body is written at
  // most once in the life of a lake, so finding it there means that it landed.
  Result<StateSnapshot> Move(const OpContext& ctx, const StateSnapshot& from, format::GcState to) {
    to.holder = options_.holder;
    VARVE_TRY(const std::string json, format::EncodeGcState(to));
    const store::Key key{std::string(format::kGcStateKey)};
    for (int attempt = 0; attempt < kUnknownStateTries; ++attempt) {
      auto moved = core_.store->Cas(ctx, key, AsBytes(json), from.etag);
      if (moved.ok()) return StateSnapshot{std::move(to), moved->etag, moved->store_time_ms};
      const ErrorCode code = moved.error().code();
      if (!Ambiguous(code) && code != ErrorCode::kConflict) return std::move(moved).error();
      VARVE_TRY(const auto now, core_.store->Get(ctx, key, {}));
      if (AsText(now.body) == json) {
        return StateSnapshot{std::move(to), now.info.etag, now.info.store_time_ms};
      }
      if (now.info.etag != from.etag) {
        return Error(ErrorCode::kConflict, "another collector moved gc/state");
      }
      VARVE_CHECK_OK(ctx.SleepMs(kStateBackoffMs << std::min(attempt, 6)));
    }
    return Error(ErrorCode::kUnknownOutcome,
                 "the store does not say whether it moved gc/state; what was begun stays sound, "
                 "run it again");
  }

  // A dry run: true when it is done.
  Result<bool> Look(const OpContext& ctx, const StateSnapshot& at) {
    report_ = {};
    report_.epoch = at.state.epoch;
    report_.under_way = at.state.phase != format::GcPhase::kIdle;
    const int64_t now_ms = StoreNow(ctx, at.store_time_ms);
    GcRoots roots(core_, now_ms, at.state.refs);
    VARVE_TRY(GcMark mark, MarkLive(ctx, core_, roots));
    VARVE_TRY(const GcCandidates found,
              FindGarbage(ctx, core_, roots, mark, nullptr, now_ms, options_.grace_ms));
    Report(mark, found);
    VARVE_TRY(const auto uploads,
              FindDeadUploads(ctx, core_, found.busy_sessions, now_ms, options_.grace_ms, report_));
    MeasureUploads(ctx, core_, uploads, report_);
    VARVE_TRY(report_.reasons, ExplainGarbage(ctx, core_, roots, mark, found));
    return true;
  }

  // One collection from wherever the state is: true when it was begun by this run and is done.
  Result<bool> Step(const OpContext& ctx, StateSnapshot at) {
    report_.applied = true;
    const bool ours = at.state.phase == format::GcPhase::kIdle;
    GcMark mark;
    std::optional<GcRoots> roots;
    GcIds condemned;
    GcCandidates found;
    if (ours) {
      VARVE_TRY(const Marker marker, PutMarker(ctx, at.state.epoch));
      roots.emplace(core_, marker.time_ms, at.state.refs);
      VARVE_TRY(mark, MarkLive(ctx, core_, *roots));
      VARVE_TRY(found, FindGarbage(ctx, core_, *roots, mark, &marker.id, marker.time_ms,
                                   options_.grace_ms));
      Report(mark, found);
      VARVE_CHECK_OK(CheckShare(found));
      VARVE_TRY(const auto uploads, FindDeadUploads(ctx, core_, found.busy_sessions, marker.time_ms,
                                                    options_.grace_ms, report_));
      report_.uploads.objects = uploads.size();
      VARVE_CHECK_OK(AbortUploads(ctx, core_, uploads, report_));
      for (size_t kind = 0; kind < condemned.size(); ++kind) {
        for (const GcCandidate& each : found.by_kind[kind]) condemned[kind].push_back(each.id);
      }
      // Session blocks alone are not worth rewriting every head: they wait for company.
      const GcBytes& blocks = report_.garbage[static_cast<size_t>(format::IdKind::kSession)];
      if (report_.Garbage().objects == blocks.objects) {
        TidyPapers(ctx, core_, &marker.id);
        return true;
      }
      format::GcState next = at.state;
      next.epoch = at.state.epoch + 1;
      next.phase = format::GcPhase::kCondemned;
      VARVE_TRY(next.lists[next.epoch], WriteGcList(ctx, core_, next.epoch, false, condemned));
      VARVE_TRY(at, Move(ctx, at, std::move(next)));
    } else {
      report_.resumed = true;
      if (PLANTED(56)) {
        VARVE_TRY(condemned, ReadList(ctx, at));
        VARVE_CHECK_OK(SweepDead(ctx, core_, condemned, report_));
      }
      roots.emplace(core_, at.store_time_ms, at.state.refs);
    }
    const uint64_t epoch = at.state.epoch;
    if (at.state.phase == format::GcPhase::kCondemned) {
      if (!ours) {
        VARVE_TRY(condemned, ReadList(ctx, at));
      }
      VARVE_TRY(GcFence fence, FenceHeads(ctx, core_, *roots, epoch, std::move(condemned),
                                          mark.commits, mark.names));
      format::GcState next = at.state;
      next.phase = format::GcPhase::kSweeping;
      next.refs = fence.refs;
      VARVE_TRY(next.lists[epoch], WriteGcList(ctx, core_, epoch, true, fence.dead));
      report_.freed = BytesOf(found, fence.dead);
      VARVE_TRY(at, Move(ctx, at, std::move(next)));
    }
    VARVE_CHECK_OK(Finish(ctx, at));
    report_.epoch = epoch;
    return ours;
  }

  // From a decided list to idle.
  Status Finish(const OpContext& ctx, const StateSnapshot& at) {
    // As the bucket has it, not as this process remembers it: only what was decided is deleted.
    VARVE_TRY(const GcIds dead, ReadList(ctx, at));
    VARVE_CHECK_OK(SweepDead(ctx, core_, dead, report_));
    format::GcState next = at.state;
    next.phase = format::GcPhase::kIdle;
    if (next.epoch >= options_.list_epochs) {
      const uint64_t oldest = next.epoch - options_.list_epochs + 1;
      next.oldest_list_epoch = std::max(next.oldest_list_epoch, oldest);
      next.lists.erase(next.lists.begin(), next.lists.lower_bound(next.oldest_list_epoch));
    }
    const auto ended = Move(ctx, at, std::move(next));
    if (!ended.ok() && ended.error().code() != ErrorCode::kConflict) return ended.error();
    TidyPapers(ctx, core_, nullptr);
    return OkStatus();
  }

  Result<GcIds> ReadList(const OpContext& ctx, const StateSnapshot& at) {
    auto ids = ReadGcList(ctx, core_, at.state.lists.at(at.state.epoch));
    if (ids.ok() || ids.error().code() != ErrorCode::kNotFound) return ids;
    VARVE_TRY(const StateSnapshot now, ReadState(ctx));
    if (now.etag != at.etag) {
      return Error(ErrorCode::kConflict, "another collector moved gc/state");
    }
    return Error(ErrorCode::kCorrupt,
                 "a list that gc/state names is missing; nothing more was deleted, bring it back "
                 "from a backup");
  }

  struct Marker {
    format::ObjectId id;
    int64_t time_ms = 0;  // The store's.
  };
  Result<Marker> PutMarker(const OpContext& ctx, uint64_t epoch) {
    Marker marker;
    VARVE_TRY(marker.id, core_.ids.Next(ctx, "gc"));
    const store::Key key(format::GcMarkKey(epoch, marker.id));
    VARVE_TRY(const auto put, core_.store->PutNew(ctx, key, {}));
    static_cast<void>(put);
    VARVE_TRY(const auto info, core_.store->Head(ctx, key));
    marker.time_ms = PLANTED(53) ? ctx.clock().WallMs() : info.modified_ms;
    if (marker.time_ms == 0 && options_.grace_ms > 0) {
      return Error(ErrorCode::kUnsupported,
                   core_.store->Describe() +
                       " does not say when an object was written; only --grace 0s works there");
    }
    return marker;
  }

  void Report(const GcMark& mark, const GcCandidates& found) {
    report_.refs = mark.names.size();
    report_.versions = mark.versions;
    report_.listed = found.listed;
    report_.young = found.young;
    report_.mark_memory_bytes = mark.live.memory_bytes() + mark.live_blocks.memory_bytes();
    for (size_t kind = 0; kind < found.by_kind.size(); ++kind) {
      report_.garbage[kind] = {};
      for (const GcCandidate& each : found.by_kind[kind]) {
        ++report_.garbage[kind].objects;
        report_.garbage[kind].bytes += each.bytes;
      }
    }
  }

  Status CheckShare(const GcCandidates& found) {
    GcBytes garbage = report_.Garbage();
    garbage.bytes -= report_.garbage[static_cast<size_t>(format::IdKind::kSession)].bytes;
    if (options_.force || !plan::ShareTooLarge(garbage.bytes, found.listed.bytes)) {
      return OkStatus();
    }
    return Error(
        ErrorCode::kInvalidArgument,
        std::to_string(garbage.bytes) + " of " + std::to_string(found.listed.bytes) +
            " bytes are garbage, more than " + std::to_string(plan::kGcSharePercentMax) +
            " %; nothing was deleted, look at the dry run and pass --force if it is meant");
  }

  Core& core_;
  const GcOptions options_;
  GcReport report_;
};

}  // namespace

Result<GcReport> CollectGarbage(const OpContext& ctx, Core& core, const GcOptions& options) {
  if (options.apply) VARVE_CHECK_OK(core.CheckWritable());
  return Collector(core, options).Run(ctx);
}

}  // namespace varve::lake
