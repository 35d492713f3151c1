// What keeps versions and lets them go: pins, holds, tombstones, thinning, and plans that do many.
// Private to lake/; lake.h says what each does.
//
// Everything here is one conditional write per artifact (heads.h), so that a version cannot be
// labelled, pinned or held while it is let go. Nothing is deleted: the collector reads what the
// head says must stay (format::LiveCommitObjects).
#pragma once

#include "varve/lake/core.h"
#include "varve/lake/internal.h"
#include "varve/plan/retention.h"

namespace varve::lake {

inline constexpr int64_t kCanaryWaitMs = 86'400'000;
inline constexpr uint64_t kCanaryShare = 100;  // One version of so many.
inline constexpr uint64_t kCanaryBytesMax = 1'000'000'000'000;
inline constexpr uint64_t kRetainFewVersions = 10;  // So many go without their share being asked.

// Applies `edit` to the head of an existing artifact. It runs once per attempt on a fresh copy.
Status EditHead(const OpContext& ctx, Core& core, std::string_view name,
                const std::function<Status(format::Head&)>& edit);
// kGone when `version` was let go.
Status CheckLive(const format::Head& head, uint64_t version);

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

Status AnnotateVersion(const OpContext& ctx, Core& core, std::string_view address,
                       const AnnotateOptions& options);
Status NoteVerified(const OpContext& ctx, Core& core, std::string_view address);
// Records that `entry`, as read by its layout's commit object, is whole. kConflict when its chunks
// moved since `snapshot`.
Status MarkVerified(const OpContext& ctx, Core& core, const HeadSnapshot& snapshot,
                    const format::VersionEntry& entry);

// Adds a tombstone; drops what no longer matters of the version. The caller checked that nothing
// names it.
void Bury(format::Head& head, uint64_t version, const format::Tombstone& tombstone, int64_t now_ms);
// Makes neighbours that can no longer be brought back, and went for one reason, share a row, so
// that a head grows with what lives and not with what was.
void CondenseTombstones(format::Head& head, int64_t now_ms);

Result<format::RetentionPlan> MakeRetentionPlan(const OpContext& ctx, Core& core,
                                                const plan::PolicySet& policies,
                                                const RetentionOptions& options);
Result<RetentionReport> ApplyRetentionPlan(const OpContext& ctx, const std::shared_ptr<Core>& core,
                                           const format::RetentionPlan& plan,
                                           const ApplyOptions& options);
Result<RetentionReport> Retain(const OpContext& ctx, const std::shared_ptr<Core>& core,
                               const plan::PolicySet& policies, RetentionOptions options,
                               const std::string& by);

inline constexpr const char* kPolicyType = "policy";  // Artifacts of it are retention's own.
// An empty text: there is no policy from now on. Returns the version.
Result<uint64_t> StorePolicy(const OpContext& ctx, const std::shared_ptr<Core>& core,
                             const std::string& text, const std::string& by);
Result<StoredPolicy> LoadPolicy(const OpContext& ctx, Core& core, uint64_t version);
// When the first sweep of a policy, by its one spelling, ran; and that it did.
Result<std::optional<int64_t>> CanaryTime(const OpContext& ctx, Core& core,
                                          const std::string& policy);
Status RecordCanary(const OpContext& ctx, const std::shared_ptr<Core>& core,
                    const format::RetentionPlan& plan, const std::string& by);

// What a plan saw of an artifact, and the difference in words; empty: none.
std::map<std::string, std::string> RetentionFacts(const format::Head& head);
std::string FactsThatChanged(const std::map<std::string, std::string>& then,
                             const std::map<std::string, std::string>& now);
// The chunks of each candidate's components; reads every commit object. Damaged ones have none.
Result<plan::Usage> ReadUsage(const OpContext& ctx, Core& core,
                              const std::vector<plan::Candidate>& candidates,
                              const std::vector<format::VersionEntry>& entries);

// Prices as a plan keeps them, and back.
format::RetentionPrice PlanPrice(const plan::Price& price);
plan::Price PriceOf(const format::RetentionPrice& price);
// Fills what `judged` frees and what it comes to.
void FillBill(const RetentionOptions& options, const plan::PolicySet& policies,
              const std::vector<plan::Candidate>& candidates, const plan::RetentionVerdicts& judged,
              const plan::Usage* usage, const plan::Price* price, const Core& core,
              format::RetentionPlan& plan);

}  // namespace varve::lake
