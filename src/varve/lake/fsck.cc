#include "varve/lake/fsck.h"

#include <algorithm>

#include "varve/lake/fsck_packs.h"
#include "varve/lake/fsck_run.h"

namespace varve::lake {
namespace {

// "1-d-<lake id>-<pack id>": of a deep pass over this lake, at this pack.
std::string CursorPrefix(const Core& core, bool deep) {
  return std::string("1-") + (deep ? "d-" : "q-") + core.descriptor.lake_id + "-";
}

}  // namespace

uint64_t FsckReport::Count(plan::Harm harm) const {
  return static_cast<uint64_t>(std::count_if(
      findings.begin(), findings.end(),
      [&](const FsckFinding& finding) { return plan::RuleOf(finding.kind).harm == harm; }));
}

Status RunCheck(const OpContext& ctx, Core& core, const FsckOptions& options, FsckRun& run) {
  const int64_t until_ns = options.budget_ms > 0
                               ? ctx.clock().SteadyNs() + options.budget_ms * 1'000'000
                               : OpContext::kNoDeadline;
  FsckOptions at = options;
  const std::string prefix = CursorPrefix(core, options.deep);
  if (!at.cursor.empty()) {
    if (!at.cursor.starts_with(prefix)) {
      return Error(ErrorCode::kInvalidArgument,
                   "the cursor is of another lake, or of a check that was not as deep; begin anew");
    }
    at.cursor = at.cursor.substr(prefix.size());
  }
  FsckReport& report = run.report;
  report.deep = options.deep;
  FsckFindings findings;
  VARVE_TRY(run.survey, Survey(ctx, core, findings, report));
  FsckPacks packs(core, run.survey, findings, report);
  VARVE_CHECK_OK(packs.Look(ctx, at, until_ns));
  VARVE_CHECK_OK(packs.Judge(ctx, options.deep));
  run.bad_packs = packs.bad();
  if (!report.cursor.empty()) report.cursor = prefix + report.cursor;
  report.findings = findings.Take(report.findings_total);
  return OkStatus();
}

Result<FsckReport> CheckLake(const OpContext& ctx, Core& core, const FsckOptions& options) {
  FsckRun run;
  VARVE_CHECK_OK(RunCheck(ctx, core, options, run));
  return std::move(run.report);
}

}  // namespace varve::lake
