#include "varve/lake/gc_mark.h"

#include <algorithm>
#include <mutex>

#include "varve/base/planted.h"
#include "varve/exec/sync.h"
#include "varve/format/object_key.h"

namespace varve::lake {
namespace {

// A commit object to read, and the head that names it.
struct Pending {
  format::ObjectId meta_id;
  size_t name = 0;
  uint64_t version = 0;
};

Error Again() { return Error(ErrorCode::kConflict, kGcAgain); }

class Marker {
 public:
  Marker(Core& core, GcRoots& roots, GcMark& mark) : core_(core), roots_(roots), mark_(mark) {}

  Status WalkHeads(const OpContext& ctx) {
    const auto walk_one = [&](size_t index) -> Status {
      VARVE_TRY(const HeadSnapshot snapshot, core_.heads.Read(ctx, mark_.names[index]));
      VARVE_TRY(const GcRoots::Head head, roots_.Walk(ctx, snapshot.head));
      const std::lock_guard lock(mutex_);
      mark_.versions += head.versions;
      for (const format::ObjectId& node : head.nodes) Keep(format::IdKind::kHistory, node);
      for (const GcRoots::Named& named : head.commits) {
        if (!named.live) {
          mark_.let_go.push_back({named.meta_id, index, named.moved});
          continue;
        }
        Keep(format::IdKind::kMeta, named.meta_id);
        if (mark_.commits.insert(named.meta_id).second) {
          pending_.push_back({named.meta_id, index, named.version});
        }
      }
      return OkStatus();
    };
    return core_.transfers.ForEach(ctx, mark_.names.size(), walk_one);
  }

  Status ReadPackSets(const OpContext& ctx) {
    const auto read_one = [&](size_t index) -> Status {
      const Pending& pending = pending_[index];
      auto packs = roots_.Packs(ctx, pending.meta_id);
      if (!packs.ok()) {
        if (packs.error().code() != ErrorCode::kNotFound) return packs.error();
        return JudgeMissing(ctx, core_, mark_.names[pending.name], pending.meta_id,
                            pending.version);
      }
      const std::lock_guard lock(mutex_);
      if (PLANTED(57) && packs->size() > 1) packs->pop_back();
      for (const format::PackRow& pack : *packs) Keep(format::IdKind::kPack, pack.id);
      return OkStatus();
    };
    return core_.transfers.ForEach(ctx, pending_.size(), read_one);
  }

 private:
  void Keep(format::IdKind kind, const format::ObjectId& id) {
    mark_.live.Add(plan::Fingerprint(id.bytes, static_cast<uint8_t>(kind), mark_.salt));
    mark_.live_blocks.Add(BlockFingerprint(id, mark_.salt));
  }

  Core& core_;
  GcRoots& roots_;
  GcMark& mark_;
  Mutex mutex_;
  std::vector<Pending> pending_;
};

}  // namespace

Status CheckMayCollect(const OpContext& ctx, Core& core, bool apply) {
  VARVE_TRY(const auto reply,
            core.store->Get(ctx, store::Key(std::string(format::kDescriptorKey)), {}));
  VARVE_TRY(const format::Descriptor descriptor, format::DecodeDescriptor(AsText(reply.body)));
  VARVE_TRY(const format::Gate gate, format::CheckGates(descriptor));
  VARVE_CHECK_OK(format::CheckCollectorGate(descriptor));
  if (gate != format::Gate::kReadWrite && apply) {
    return Error(ErrorCode::kUnsupported,
                 "lake " + core.store->Describe() +
                     " has a feature this release cannot write; nothing was deleted, upgrade "
                     "varve");
  }
  if (descriptor.lake_id == core.descriptor.lake_id) return OkStatus();
  return Error(ErrorCode::kCorrupt, "another lake is at " + core.store->Describe() +
                                        " than the one that was opened; nothing was deleted");
}

Status JudgeMissing(const OpContext& ctx, Core& core, const std::string& name,
                    const format::ObjectId& meta_id, uint64_t version) {
  VARVE_TRY(const HeadSnapshot now, core.heads.Read(ctx, name));
  // What was let go since has its date since.
  GcRoots roots(core, StoreNow(ctx, now.store_time_ms), 0);
  VARVE_TRY(const GcRoots::Head head, roots.Walk(ctx, now.head));
  for (const GcRoots::Named& named : head.commits) {
    if (!named.live || named.meta_id != meta_id) continue;
    return Error(ErrorCode::kCorrupt, format::MetaKey(meta_id) + ", the commit object of v" +
                                          std::to_string(version) + " of '" + name +
                                          "', is missing; nothing was deleted, run: varve fsck "
                                          "--repair, which looks for another");
  }
  return Again();
}

uint64_t BlockFingerprint(const format::ObjectId& id, uint64_t salt) {
  const format::ObjectId block = format::ObjectId::Make(id.session(), id.counter() / kIdsPerBlock);
  return plan::Fingerprint(block.bytes, static_cast<uint8_t>(format::IdKind::kSession), salt);
}

Result<GcMark> MarkLive(const OpContext& ctx, Core& core, GcRoots& roots) {
  GcMark mark;
  mark.salt = ctx.random().Next64();
  VARVE_TRY(mark.names, roots.List(ctx));
  Marker marker(core, roots, mark);
  VARVE_CHECK_OK(marker.WalkHeads(ctx));
  VARVE_CHECK_OK(marker.ReadPackSets(ctx));
  mark.live.Seal();
  mark.live_blocks.Seal();
  return mark;
}

Status NameUnmet(const OpContext& ctx, Core& core, GcRoots& roots, const GcMark& mark) {
  const auto unmet = [&](format::IdKind kind, const format::ObjectId& id) {
    return mark.live.IsUnmet(plan::Fingerprint(id.bytes, static_cast<uint8_t>(kind), mark.salt));
  };
  const auto judge = [&](format::IdKind kind, const format::ObjectId& id,
                         const std::string& name) -> Status {
    const std::string key = format::KeyOf(kind, id);
    const auto there = core.store->Head(ctx, store::Key(key));
    if (there.ok()) {
      return Error(ErrorCode::kCorrupt,
                   "the store's listing left out " + key + ", which is there; nothing was deleted");
    }
    if (there.error().code() != ErrorCode::kNotFound) return there.error();
    return Error(ErrorCode::kCorrupt, key + ", which '" + name +
                                          "' needs, is missing; nothing was deleted, bring it "
                                          "back from a backup");
  };
  for (const std::string& name : mark.names) {
    VARVE_TRY(const HeadSnapshot snapshot, core.heads.Read(ctx, name));
    VARVE_TRY(const GcRoots::Head head, roots.Walk(ctx, snapshot.head));
    for (const format::ObjectId& node : head.nodes) {
      if (unmet(format::IdKind::kHistory, node)) {
        VARVE_CHECK_OK(judge(format::IdKind::kHistory, node, name));
      }
    }
    for (const GcRoots::Named& named : head.commits) {
      if (!named.live) continue;
      if (unmet(format::IdKind::kMeta, named.meta_id)) {
        VARVE_CHECK_OK(judge(format::IdKind::kMeta, named.meta_id, name));
      }
      const auto packs = roots.Packs(ctx, named.meta_id);
      if (!packs.ok()) {
        if (packs.error().code() != ErrorCode::kNotFound) return packs.error();
        return JudgeMissing(ctx, core, name, named.meta_id, named.version);
      }
      for (const format::PackRow& pack : *packs) {
        if (unmet(format::IdKind::kPack, pack.id)) {
          VARVE_CHECK_OK(judge(format::IdKind::kPack, pack.id, name));
        }
      }
    }
  }
  return Again();  // What was unmet is named by nobody any more.
}

}  // namespace varve::lake
