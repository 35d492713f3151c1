#include "varve/lake/doctor.h"

#include "varve/format/control.h"
#include "varve/format/gc_state.h"
#include "varve/format/object_key.h"
#include "varve/lake/heads.h"
#include "varve/lake/probe.h"

namespace varve::lake {
namespace {

constexpr int kStoreTriesMax = 5;
constexpr uint32_t kInitRaceRounds = 3, kInitCounterSteps = 8;
// Time that may pass between the end of a probe and the writing of what it found.
constexpr int64_t kProbeToDescriptorMs = 3'600'000;

// A group that cannot be asked is said and not concluded from, except for what a commit stands on.
Status Run(const OpContext& ctx, Probe& probe, const DoctorOptions& options) {
  VARVE_CHECK_OK(probe.Conditions());
  VARVE_CHECK_OK(probe.Races(options));
  if (options.essential_only) {
    probe.Service(store::ObjectStore::InspectScope::kRaces);
    return ctx.Check();
  }
  const auto group = [&](const char* name, const Status& made) {
    if (!made.ok()) probe.observations().push_back({name, "not answered", made.error().message()});
  };
  group("reads", probe.Reads());
  group("listings", probe.Listings());
  group("deletes", probe.Deletes());
  group("speed", probe.Speed());
  VARVE_CHECK_OK(ctx.Check());
  probe.Service(store::ObjectStore::InspectScope::kAll);
  return ctx.Check();
}

// Puts the verdict into the descriptor, if a lake is there.
Status Store(const OpContext& ctx, store::ObjectStore& store, DoctorReport& report) {
  const store::Key key{std::string(format::kDescriptorKey)};
  for (int attempt = 0; attempt < kStoreTriesMax; ++attempt) {
    const auto reply = store.Get(ctx, key, {});
    if (!reply.ok()) {
      if (reply.error().code() == ErrorCode::kNotFound) return OkStatus();
      return reply.error();
    }
    report.lake_found = true;
    VARVE_TRY(format::Descriptor descriptor, format::DecodeDescriptor(AsText(reply->body)));
    descriptor.probe = ProbeRecordOf(ctx, report.verdict, reply->info.store_time_ms);
    VARVE_TRY(const std::string json, format::EncodeDescriptor(descriptor));
    const auto moved = store.Cas(ctx, key, AsBytes(json), reply->info.etag);
    if (moved.ok()) {
      report.stored = true;
      return OkStatus();
    }
    // Not known whether it landed: reading it again says so.
    const auto now = store.Get(ctx, key, {});
    if (now.ok() && AsText(now->body) == json) {
      report.stored = true;
      return OkStatus();
    }
    report.not_stored = moved.error().message();
    if (CannotAsk(moved.error())) return OkStatus();
  }
  return OkStatus();
}

}  // namespace

format::ProbeRecord ProbeRecordOf(const OpContext& ctx, const plan::StoreVerdict& verdict,
                                  int64_t store_time_ms) {
  format::ProbeRecord record;
  record.shared_writing = verdict.safe;
  record.reason = verdict.reason;
  record.time_ms = StoreNow(ctx, store_time_ms);
  return record;
}

Result<plan::StoreVerdict> ProbeStore(const OpContext& ctx, store::ObjectStore& store,
                                      const DoctorOptions& options) {
  Probe probe(ctx, store);
  const Status ran = Run(ctx, probe, options);
  probe.CleanUp();
  if (!ran.ok()) return ran.error();
  return plan::JudgeStore(std::move(probe.observations()));
}

Result<std::optional<format::ProbeRecord>> ProbeForInit(const OpContext& ctx,
                                                        store::ObjectStore& store,
                                                        bool single_writer) {
  const store::Features features = store.features();
  const bool conditions = features.conditional_create && features.conditional_swap;
  plan::StoreVerdict verdict;
  verdict.safe = conditions;
  verdict.reason = conditions ? "" : "the store has no conditional writes";
  if (conditions && features.needs_probe) {
    const DoctorOptions options{
        .essential_only = true, .race_rounds = kInitRaceRounds, .counter_steps = kInitCounterSteps};
    VARVE_TRY(verdict, ProbeStore(ctx, store, options));
  }
  if (!verdict.safe && !single_writer) {
    return Error(ErrorCode::kUnsupported,
                 store.Describe() + " is refused for shared writing: " + verdict.reason +
                     "; see varve doctor, or make the lake for one writer with --single-writer");
  }
  if (conditions && !features.needs_probe) return std::optional<format::ProbeRecord>();
  const auto now = store.Head(ctx, store::Key{std::string(format::kGcStateKey)});
  return std::optional(ProbeRecordOf(ctx, verdict, now.ok() ? now->store_time_ms : 0));
}

bool CopiedSinceProbe(const format::Descriptor& descriptor, const store::ObjectInfo& info) {
  return descriptor.probe.has_value() && info.modified_ms != 0 &&
         info.modified_ms > descriptor.probe->time_ms + kProbeToDescriptorMs;
}

Result<DoctorReport> Examine(const OpContext& ctx, store::ObjectStore& store,
                             const DoctorOptions& options) {
  const int64_t start_ns = ctx.clock().SteadyNs();
  DoctorReport report;
  report.place = store.Describe();
  VARVE_TRY(report.verdict, ProbeStore(ctx, store, options));
  VARVE_CHECK_OK(Store(ctx, store, report));
  report.seconds = static_cast<double>(ctx.clock().SteadyNs() - start_ns) / 1e9;
  return report;
}

}  // namespace varve::lake
