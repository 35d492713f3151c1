// What keeps versions and lets them go: pins, holds, tombstones, thinning, and plans that do many.
// Private to lake/; lake.h says what each does.
//
// Everything here is one conditional write per artifact (heads.h), so that a version cannot be
// labelled, pinned or held while it is let go. Nothing is deleted: the collector reads what the
// head says must stay (format::LiveCommitObjects).
#pragma once

#include "varve/lake/core.h"
#include "varve/lake/internal.h"

namespace varve::lake {

// Applies `edit` to the head of an existing artifact. It runs once per attempt on a fresh copy.
Status EditHead(const OpContext& ctx, Core& core, std::string_view name,
                const std::function<Status(format::Head&)>& edit);
// kGone when `version` was let go.
Status CheckLive(const format::Head& head, uint64_t version);
// The store's clock where it says, else this machine's.
int64_t StoreNow(const OpContext& ctx, const HeadSnapshot& snapshot);

Status ForgetVersion(const OpContext& ctx, Core& core, std::string_view address,
                     const std::string& reason, const ForgetOptions& options);
Status PinVersion(const OpContext& ctx, Core& core, std::string_view address,
                  const PinOptions& options);
Status UnpinVersion(const OpContext& ctx, Core& core, std::string_view address,
                    std::string_view owner);
Status HoldVersion(const OpContext& ctx, Core& core, std::string_view address,
                   std::string_view owner, std::string_view reason);
Status UnholdVersion(const OpContext& ctx, Core& core, std::string_view address,
                     std::string_view owner);
Status UndeleteVersion(const OpContext& ctx, Core& core, std::string_view address);

// Adds a tombstone; drops what no longer matters of the version. The caller checked that nothing
// names it.
void Bury(format::Head& head, uint64_t version, const format::Tombstone& tombstone, int64_t now_ms);
// Makes neighbours that can no longer be brought back, and went for one reason, share a row, so
// that a head grows with what lives and not with what was.
void CondenseTombstones(format::Head& head, int64_t now_ms);

Result<format::RetentionPlan> MakeRetentionPlan(const OpContext& ctx, Core& core,
                                                const plan::PolicySet& policies,
                                                const RetentionOptions& options);
Result<RetentionReport> ApplyRetentionPlan(const OpContext& ctx, Core& core,
                                           const format::RetentionPlan& plan,
                                           const ApplyOptions& options);
Result<RetentionReport> Retain(const OpContext& ctx, Core& core, const plan::PolicySet& policies,
                               RetentionOptions options, const std::string& by);

// What a plan saw of an artifact, and the difference in words; empty: none.
std::map<std::string, std::string> RetentionFacts(const format::Head& head);
std::string FactsThatChanged(const std::map<std::string, std::string>& then,
                             const std::map<std::string, std::string>& now);
// Fills the bytes that carrying out `plan` frees: chunks that nothing which stays needs.
Status MeasureFreed(const OpContext& ctx, Core& core, const std::vector<HeadSnapshot>& heads,
                    format::RetentionPlan& plan);

}  // namespace varve::lake
