#include "varve/lake/gc_fence.h"

#include <algorithm>
#include <array>
#include <mutex>

#include "varve/base/planted.h"
#include "varve/exec/sync.h"
#include "varve/format/object_key.h"

namespace varve::lake {
namespace {

constexpr int kTouchRacesMax = 10'000;  // Lost to writers of one head before giving up.

class Fence {
 public:
  Fence(Core& core, GcRoots& roots, uint64_t epoch, GcIds condemned,
        const std::set<format::ObjectId>& marked)
      : core_(core), roots_(roots), epoch_(epoch), ids_(std::move(condemned)), marked_(marked) {
    for (size_t kind = 0; kind < ids_.size(); ++kind) named_[kind].assign(ids_[kind].size(), false);
  }

  Status Cross(const OpContext& ctx, const std::string& name) {
    VARVE_TRY(const HeadSnapshot snapshot, Touch(ctx, name));
    VARVE_TRY(const GcRoots::Head head, roots_.Walk(ctx, snapshot.head));
    if (PLANTED(52)) return OkStatus();
    for (const format::ObjectId& node : head.nodes) Rescue(format::IdKind::kHistory, node);
    for (const GcRoots::Named& commit : head.commits) {
      if (!commit.live) continue;
      Rescue(format::IdKind::kMeta, commit.meta_id);
      if (marked_.contains(commit.meta_id)) continue;
      auto packs = roots_.Packs(ctx, commit.meta_id);
      if (!packs.ok()) {
        if (packs.error().code() != ErrorCode::kNotFound) return packs.error();
        // Let go and collected by another collector since, or damage. Nothing dead is decided.
        return Error(ErrorCode::kCorrupt,
                     format::MetaKey(commit.meta_id) + ", the commit object of v" +
                         std::to_string(commit.version) + " of '" + name +
                         "', is missing; nothing was deleted, bring it back from a backup");
      }
      for (const format::PackRow& pack : *packs) Rescue(format::IdKind::kPack, pack.id);
    }
    return OkStatus();
  }

  GcIds Dead() {
    for (size_t kind = 0; kind < ids_.size(); ++kind) {
      size_t kept = 0;
      for (size_t i = 0; i < ids_[kind].size(); ++i) {
        if (!named_[kind][i]) ids_[kind][kept++] = ids_[kind][i];
      }
      ids_[kind].resize(kept);
    }
    return std::move(ids_);
  }

 private:
  // A version of the head written when the epoch's list was condemned already. A head that carries
  // the epoch is one: its writer read gc/state before the write, and saw the epoch.
  Result<HeadSnapshot> Touch(const OpContext& ctx, const std::string& name) {
    for (int race = 0; race < kTouchRacesMax; ++race) {
      VARVE_CHECK_OK(ctx.Check());
      VARVE_TRY(HeadSnapshot snapshot, core_.heads.Read(ctx, name));
      if (snapshot.head.gc_epoch + (PLANTED(55) ? 1 : 0) >= epoch_ || PLANTED(51)) return snapshot;
      const Status touched = core_.heads.Touch(ctx, snapshot, epoch_);
      // A lost answer is settled by reading: the epoch is there, or it is not.
      if (touched.ok() || touched.error().code() == ErrorCode::kConflict) continue;
      if (!Ambiguous(touched.error().code())) return touched.error();
    }
    return Error(ErrorCode::kConflict,
                 "too many writers move '" + name + "'; nothing was deleted, run it again");
  }

  void Rescue(format::IdKind kind, const format::ObjectId& id) {
    const auto& all = ids_[static_cast<size_t>(kind)];
    const auto at = std::lower_bound(all.begin(), all.end(), id);
    if (at == all.end() || *at != id) return;
    const std::lock_guard lock(mutex_);
    named_[static_cast<size_t>(kind)][static_cast<size_t>(at - all.begin())] = true;
  }

  Core& core_;
  GcRoots& roots_;
  const uint64_t epoch_;
  GcIds ids_;
  const std::set<format::ObjectId>& marked_;
  Mutex mutex_;
  std::array<std::vector<bool>, format::kIdKinds> named_;  // By index of ids_; guarded by mutex_.
};

}  // namespace

Result<GcFence> FenceHeads(const OpContext& ctx, Core& core, GcRoots& roots, uint64_t epoch,
                           GcIds condemned, const std::set<format::ObjectId>& marked,
                           const std::vector<std::string>& must_meet) {
  if (PLANTED(50)) return GcFence{std::move(condemned), must_meet.size()};
  VARVE_TRY(std::vector<std::string> names, roots.List(ctx));
  if (PLANTED(54) && !must_meet.empty()) names = must_meet;
  for (const std::string& name : must_meet) {
    if (std::binary_search(names.begin(), names.end(), name)) continue;
    return Error(ErrorCode::kCorrupt, "the store's listing left out " + format::HeadKey(name) +
                                          ", and heads are never deleted; nothing was deleted");
  }
  Fence fence(core, roots, epoch, std::move(condemned), marked);
  VARVE_CHECK_OK(core.transfers.ForEach(
      ctx, names.size(), [&](size_t index) { return fence.Cross(ctx, names[index]); }));
  return GcFence{fence.Dead(), names.size()};
}

}  // namespace varve::lake
