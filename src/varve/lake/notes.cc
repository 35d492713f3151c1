// What people and programs learn of versions after their save: metrics, the state of the run, and
// that all bytes were read and hashed again.
#include <algorithm>

#include "varve/format/names.h"
#include "varve/lake/retention.h"

namespace varve::lake {
namespace {

constexpr int64_t kVerifiedAgainMs = 86'400'000;  // A mark this young is not written again.
constexpr const char* kRunStates[] = {"running", "preempted", "finished", "failed", "unknown"};

Status CheckNotes(const AnnotateOptions& options) {
  if (options.metrics.size() > format::kEntryMetricsMax) {
    return Error(ErrorCode::kInvalidArgument,
                 "at most 16 metrics are added to a version after its save");
  }
  for (const auto& [metric, value] : options.metrics) {
    if (metric.empty() || metric.size() > format::kRunTextMax || !format::ValidUtf8(metric)) {
      return Error(ErrorCode::kInvalidArgument, "a metric's name is 1 to 200 bytes of text");
    }
  }
  if (options.owner.size() > format::kRunTextMax || !format::ValidUtf8(options.owner)) {
    return Error(ErrorCode::kInvalidArgument, "an owner is at most 200 bytes of text");
  }
  const auto known = std::find(std::begin(kRunStates), std::end(kRunStates), options.run_state);
  if (!options.run_state.empty() && known == std::end(kRunStates)) {
    return Error(ErrorCode::kInvalidArgument,
                 "the state of a run is running, preempted, finished, failed or unknown, not '" +
                     options.run_state + "'");
  }
  if (options.metrics.empty() && options.run_state.empty() && options.owner.empty()) {
    return Error(ErrorCode::kInvalidArgument,
                 "say what was learned: metrics, the state of the run or its owner");
  }
  return OkStatus();
}

}  // namespace

Status AnnotateVersion(const OpContext& ctx, Core& core, std::string_view address,
                       const AnnotateOptions& options) {
  VARVE_CHECK_OK(CheckNotes(options));
  VARVE_TRY(const Resolved at, Resolve(ctx, core, address));
  const uint64_t version = at.entry.version;
  const int64_t now_ms = StoreNow(ctx, at.snapshot);
  return EditHead(ctx, core, at.snapshot.head.name, [&](format::Head& head) -> Status {
    VARVE_CHECK_OK(CheckLive(head, version));
    if (!options.metrics.empty()) {
      auto& metrics = head.late_metrics[version];
      for (const auto& [metric, value] : options.metrics) metrics[metric] = value;
      if (metrics.size() > format::kEntryMetricsMax) {
        return Error(ErrorCode::kInvalidArgument,
                     "at most 16 metrics are added to a version after its save");
      }
    }
    if (!options.run_state.empty() || !options.owner.empty()) {
      if (!options.run_state.empty())
        head.run.state = options.run_state == "unknown" ? "" : options.run_state;
      if (!options.owner.empty()) head.run.owner = options.owner;
      head.run.time_ms = now_ms;
    }
    return OkStatus();
  });
}

Status MarkVerified(const OpContext& ctx, Core& core, const HeadSnapshot& snapshot,
                    const format::VersionEntry& entry) {
  const int64_t now_ms = StoreNow(ctx, snapshot);
  const auto noted = snapshot.head.verified.find(entry.version);
  if (noted != snapshot.head.verified.end() && now_ms - noted->second < kVerifiedAgainMs)
    return OkStatus();
  VARVE_TRY(const format::VersionEntry there, core.heads.Find(ctx, snapshot.head, entry.version));
  return EditHead(ctx, core, snapshot.head.name, [&](format::Head& head) -> Status {
    VARVE_CHECK_OK(CheckLive(head, entry.version));
    format::VersionEntry now = there;
    format::UseLayout(head, now);
    if (now.meta_id != entry.meta_id || now.commit_id != entry.commit_id) {
      return Error(ErrorCode::kConflict, "its chunks moved since they were read");
    }
    head.verified[entry.version] = now_ms;
    while (head.verified.size() > format::kVerifiedMax) head.verified.erase(head.verified.begin());
    return OkStatus();
  });
}

Status NoteVerified(const OpContext& ctx, Core& core, std::string_view address) {
  VARVE_TRY(const Resolved at, Resolve(ctx, core, address));
  return MarkVerified(ctx, core, at.snapshot, at.entry);
}

}  // namespace varve::lake
