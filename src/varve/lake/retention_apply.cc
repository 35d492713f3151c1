// Carrying out a plan, if the lake still is what it was made of.
#include <algorithm>

#include "varve/base/planted.h"
#include "varve/format/names.h"
#include "varve/lake/relayout.h"
#include "varve/lake/retention.h"
#include "varve/plan/component.h"

namespace varve::lake {
namespace {

constexpr int64_t kPlanAgeMsMax = 86'400'000;
constexpr int64_t kMinuteMs = 60'000;
constexpr int kRetainTriesMax = 3;
constexpr int64_t kPlanAheadMsMax = 300'000;  // A plan from the future: someone's clock is wrong.

struct ThinVersion {
  uint64_t version = 0;
  format::ObjectId from, meta_id;
  std::vector<std::string> let_go;
  int64_t grace_ms = 0;
};

struct Work {  // On one artifact.
  std::vector<const format::RetentionItem*> forget, thin;
};

class Applier {
 public:
  Applier(const OpContext& ctx, const std::shared_ptr<Core>& core,
          const format::RetentionPlan& plan, const ApplyOptions& options)
      : ctx_(ctx), shared_(core), core_(*core), plan_(plan), options_(options) {}

  Result<RetentionReport> Run() {
    VARVE_CHECK_OK(core_.CheckWritable());
    if (plan_.lake_id != core_.descriptor.lake_id) {
      return Error(ErrorCode::kInvalidArgument,
                   "the plan was made for another lake; make one for this one");
    }
    // Before anything is learned of objects that thinned versions will name.
    VARVE_TRY(base_epoch_, core_.guard.Base(ctx_));
    VARVE_CHECK_OK(CheckAge());
    VARVE_CHECK_OK(CheckAck());
    if (!options_.fresh) VARVE_CHECK_OK(CheckSame());
    std::vector<const format::RetentionItem*> items;
    for (const format::RetentionItem& item : plan_.items) {
      if (!item.let_go.empty()) items.push_back(&item);
    }
    VARVE_CHECK_OK(ChooseCanary(items));
    std::map<std::string, Work> work;
    for (const format::RetentionItem* item : items) {
      Work& of = work[item->artifact];
      (item->kept.empty() ? of.forget : of.thin).push_back(item);
    }
    for (const auto& [artifact, each] : work) {
      auto status = ApplyTo(artifact, each);
      if (status.ok()) continue;
      if (report_.forgotten + report_.thinned == 0) return std::move(status).error();
      return std::move(status.error().Prefix("after " +
                                             std::to_string(report_.forgotten + report_.thinned) +
                                             " versions were let go"));
    }
    // After the fact: a crash before it means one more canary, never none.
    if (report_.canary) VARVE_CHECK_OK(RecordCanary(ctx_, shared_, plan_, options_.by));
    return report_;
  }

 private:
  Status CheckAge() {
    VARVE_TRY(const auto info,
              core_.store->Head(ctx_, store::Key{std::string(format::kDescriptorKey)}));
    now_ms_ = StoreNow(ctx_, info.store_time_ms);
    if (now_ms_ - plan_.as_of_ms > kPlanAgeMsMax) {
      return Error(ErrorCode::kInvalidArgument,
                   "the plan is " + std::to_string((now_ms_ - plan_.as_of_ms) / 3'600'000) +
                       " hours old, at most 24; make a new one");
    }
    if (plan_.as_of_ms - now_ms_ > kPlanAheadMsMax) {
      return Error(ErrorCode::kInvalidArgument,
                   "the plan is from the future by the store's clock; make a new one");
    }
    return OkStatus();
  }

  static std::string OfProject(const std::string& project) {
    return project.empty() ? "" : " of project '" + project + "'";
  }

  Status CheckAck() const {
    if (!plan_.NeedsAck() || options_.fresh) return OkStatus();  // Who made it just now asked.
    const std::string id = format::EncodeRetentionPlan(plan_).id;
    if (options_.ack == id) return OkStatus();
    for (const format::RetentionShare& share : plan_.shares) {
      if (!share.over) continue;
      return Error(ErrorCode::kInvalidArgument,
                   "policy '" + share.policy + "' would let go of " + std::to_string(share.let_go) +
                       " of " + std::to_string(share.matched) + " versions" +
                       OfProject(share.project) +
                       ", more than its limit; look at the plan, then apply it with --ack " + id);
    }
    return OkStatus();
  }

  // Leaves the oldest few when the policy has let nothing go before.
  Status ChooseCanary(std::vector<const format::RetentionItem*>& items) {
    if (!options_.canary || options_.fresh || items.size() <= kRetainFewVersions) return OkStatus();
    VARVE_TRY(const std::optional<int64_t> before_ms, CanaryTime(ctx_, core_, plan_.policy));
    if (before_ms.has_value()) {
      if (now_ms_ - *before_ms >= kCanaryWaitMs) return OkStatus();
      return Error(ErrorCode::kInvalidArgument,
                   "this policy's first sweep let a few versions go " +
                       std::to_string((now_ms_ - *before_ms) / 3'600'000) +
                       " hours ago; look whether anything is missing, and apply a new plan 24 "
                       "hours after it, or now with --no-canary");
    }
    std::stable_sort(items.begin(), items.end(),
                     [](const auto* a, const auto* b) { return a->time_ms < b->time_ms; });
    const size_t most = std::max<size_t>(1, items.size() / kCanaryShare);
    size_t count = 0;
    for (uint64_t bytes = 0; count < most; ++count) {
      bytes += items[count]->logical_bytes;
      if (count > 0 && bytes > kCanaryBytesMax) break;
    }
    items.resize(count);
    report_.canary = true;
    return OkStatus();
  }

  // Judges again at the plan's time and refuses unless the answer is the same.
  Status CheckSame() {
    VARVE_TRY(const plan::PolicySet policies, plan::ParsePolicies(plan_.policy));
    RetentionOptions options;
    options.artifacts = plan_.artifacts;
    options.allow_unknown_metrics = true;
    options.measure = false;
    options.as_of_ms = plan_.as_of_ms;
    if (plan_.price.has_value()) options.price = PriceOf(*plan_.price);
    VARVE_TRY(const format::RetentionPlan now, MakeRetentionPlan(ctx_, core_, policies, options));
    std::string changed;
    const auto add = [&](const std::string& what) {
      changed += (changed.empty() ? "" : "; ") + what;
    };
    for (const auto& [artifact, facts] : plan_.facts) {
      const auto found = now.facts.find(artifact);
      const std::string what =
          found == now.facts.end() ? "it is gone" : FactsThatChanged(facts, found->second);
      if (!what.empty()) add("'" + artifact + "': " + what);
    }
    for (const auto& [artifact, facts] : now.facts) {
      if (!plan_.facts.contains(artifact)) add("'" + artifact + "' is new");
    }
    if (changed.empty()) {
      const auto lets_go = [](const format::RetentionPlan& plan) {
        std::map<std::pair<std::string, uint64_t>, std::vector<std::string>> found;
        for (const format::RetentionItem& item : plan.items) {
          if (!item.let_go.empty()) found[{item.artifact, item.version}] = item.let_go;
        }
        return found;
      };
      const auto before = lets_go(plan_), after = lets_go(now);
      for (const auto& [item, parts] : before) {
        const auto found = after.find(item);
        if (found == after.end() || found->second != parts) {
          add(format::VersionAddress(item.first, item.second) +
              " would no longer be let go as planned");
        }
      }
      if (changed.empty() && before != after) add("other versions would be let go");
    }
    if (changed.empty()) return OkStatus();
    return Error(ErrorCode::kConflict,
                 "the lake moved on since the plan was made: " + changed + "; make a new plan");
  }

  Status ApplyTo(const std::string& artifact, const Work& work) {
    Heads::Change change;
    change.name = artifact;
    change.base_epoch = base_epoch_;
    VARVE_TRY(const HeadSnapshot snapshot, ResolveHead(ctx_, core_, artifact));
    std::vector<ThinVersion> thinned;
    uint64_t written_bytes = 0;
    for (const format::RetentionItem* item : work.thin) {
      VARVE_TRY(ThinVersion thin, Thin(snapshot.head, *item, change.used, written_bytes));
      thinned.push_back(std::move(thin));
    }
    // To the minute, so that what a busy saver lets go of shares rows; the grace is never cut.
    const int64_t minute_ms = now_ms_ / kMinuteMs * kMinuteMs;
    const auto tombstone_of = [&](const format::RetentionItem& item) {
      return format::Tombstone{
          minute_ms,  "retention", options_.by, item.policy, minute_ms + kMinuteMs + item.grace_ms,
          base_epoch_};
    };
    change.done = [&](const format::Head& head) {
      const auto buried = [&](const format::RetentionItem* item) {
        const auto found = head.forgotten.find(item->version);
        return found != head.forgotten.end() && found->second == tombstone_of(*item);
      };
      const auto moved = [&](const ThinVersion& thin) {
        const auto found = head.layouts.find(thin.version);
        return found != head.layouts.end() && found->second.meta_id == thin.meta_id;
      };
      return std::all_of(work.forget.begin(), work.forget.end(), buried) &&
             std::all_of(thinned.begin(), thinned.end(), moved);
    };
    change.edit = [&](format::Head& head) -> Status {
      // In the very write that lets go: nothing was added, labelled, pinned or held since.
      const std::string changed = FactsThatChanged(plan_.facts.at(artifact), RetentionFacts(head));
      if (!changed.empty() && !PLANTED(65)) {
        return Error(ErrorCode::kConflict, "the lake moved on since the plan was made: '" +
                                               artifact + "': " + changed + "; make a new plan");
      }
      for (const format::RetentionItem* item : work.forget) {
        const std::string named = format::NamedBy(head, item->version, now_ms_);
        if (!named.empty()) {
          return Error(ErrorCode::kConflict, "v" + std::to_string(item->version) + " of '" +
                                                 artifact + "' is kept by " + named);
        }
        Bury(head, item->version, tombstone_of(*item), now_ms_);
      }
      for (const ThinVersion& thin : thinned) Relay(head, thin);
      CondenseTombstones(head, now_ms_);
      return OkStatus();
    };
    VARVE_TRY(const format::Head head, core_.heads.Commit(ctx_, change));
    static_cast<void>(head);
    report_.forgotten += work.forget.size();
    report_.thinned += thinned.size();
    report_.written_bytes += written_bytes;
    return OkStatus();
  }

  // Writes the commit object of a version without the components that go.
  Result<ThinVersion> Thin(const format::Head& head, const format::RetentionItem& item,
                           std::vector<format::ObjectId>& used, uint64_t& written_bytes) {
    VARVE_TRY(const format::VersionEntry entry, core_.heads.Find(ctx_, head, item.version));
    VARVE_TRY(const ReadCommitReply read, ReadCommit(ctx_, core_, entry));
    const format::Commit& commit = read.decoded.commit;
    std::vector<format::LetGo> let_go =
        LetGoRows(commit, item.let_go, {"", now_ms_, options_.by, item.policy, {}});
    if (let_go.size() != item.let_go.size() ||
        let_go.size() + commit.let_go.size() > format::kLetGoMax) {
      return Error(ErrorCode::kConflict, "the components of " +
                                             format::VersionAddress(item.artifact, item.version) +
                                             " are not those of the plan; make a new one");
    }
    const format::Commit thin = format::ThinCommit(commit, std::move(let_go));
    VARVE_TRY(WrittenCommit written,
              WriteAnew(ctx_, core_, item.artifact, thin, read.decoded.logical, entry.commit_id));
    ThinVersion made;
    made.version = item.version;
    made.from = entry.meta_id;
    made.grace_ms = item.grace_ms;
    made.let_go = std::move(written.let_go);
    made.meta_id = written.meta_id;
    written_bytes += written.object_bytes;
    used.push_back(made.meta_id);
    for (const format::PackRow& pack : thin.packs) used.push_back(pack.id);
    if (PLANTED(64)) used.clear();
    return made;
  }

  void Relay(format::Head& head, const ThinVersion& thin) const {
    format::Layout& layout = head.layouts[thin.version];
    // The fullest one that may still come back stays the one that does.
    const bool earlier = layout.full_meta_id.has_value() && layout.full_until_ms > now_ms_;
    if (!earlier || PLANTED(67)) {
      layout.full_meta_id = thin.from;
      layout.gc_epoch = base_epoch_;
      layout.full_until_ms = 0;
    }
    layout.full_until_ms = std::max(layout.full_until_ms, now_ms_ + thin.grace_ms);
    layout.meta_id = thin.meta_id;
    layout.let_go = thin.let_go;
  }

  const OpContext& ctx_;
  const std::shared_ptr<Core>& shared_;
  Core& core_;
  const format::RetentionPlan& plan_;
  const ApplyOptions& options_;
  uint64_t base_epoch_ = 0;
  int64_t now_ms_ = 0;
  RetentionReport report_;
};

}  // namespace

Result<RetentionReport> ApplyRetentionPlan(const OpContext& ctx, const std::shared_ptr<Core>& core,
                                           const format::RetentionPlan& plan,
                                           const ApplyOptions& options) {
  return Applier(ctx, core, plan, options).Run();
}

Result<RetentionReport> Retain(const OpContext& ctx, const std::shared_ptr<Core>& core,
                               const plan::PolicySet& policies, RetentionOptions options,
                               const std::string& by) {
  options.measure = false;
  for (int attempt = 1;; ++attempt) {
    VARVE_TRY(const format::RetentionPlan plan, MakeRetentionPlan(ctx, *core, policies, options));
    if (plan.LetGo() == 0) {
      RetentionReport nothing;
      nothing.warnings = plan.warnings;
      return nothing;
    }
    if (plan.NeedsAck() && plan.LetGo() > kRetainFewVersions) {
      return Error(ErrorCode::kInvalidArgument, "the rules would let go of " +
                                                    std::to_string(plan.LetGo()) + " of " +
                                                    std::to_string(plan.items.size()) +
                                                    " versions at once, more than their limit; "
                                                    "look at it with varve retain plan, and apply "
                                                    "that once, or add 'limit 100%' to the rules");
    }
    auto report = ApplyRetentionPlan(ctx, core, plan, {.by = by, .ack = "", .fresh = true});
    if (report.ok()) {
      report->warnings = plan.warnings;
      return report;
    }
    if (report.error().code() != ErrorCode::kConflict || attempt == kRetainTriesMax) return report;
  }
}

}  // namespace varve::lake
