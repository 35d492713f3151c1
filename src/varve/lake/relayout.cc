#include "varve/lake/relayout.h"

#include <algorithm>

#include "varve/base/planted.h"
#include "varve/format/object_key.h"
#include "varve/plan/component.h"

namespace varve::lake {
namespace {

constexpr const char* kAllStale = "every version moved meanwhile";

bool Holds(const format::Head& head, const Relay& relay) {
  const auto layout = head.layouts.find(relay.version);
  if (layout == head.layouts.end()) return false;
  return relay.full ? layout->second.full_meta_id == relay.to : layout->second.meta_id == relay.to;
}

// The head still names what was replaced.
bool IsFrom(const format::Head& head, const Relay& relay) {
  const auto layout = head.layouts.find(relay.version);
  if (layout == head.layouts.end()) return !relay.full && !relay.laid_out;
  if (PLANTED(70)) return true;
  return relay.full ? layout->second.full_meta_id == relay.from
                    : layout->second.meta_id == relay.from;
}

void Apply(format::Head& head, const Relay& relay) {
  format::Layout& layout = head.layouts[relay.version];
  if (relay.full) {
    layout.full_meta_id = relay.to;
    return;
  }
  if (PLANTED(72)) layout = {};
  layout.meta_id = relay.to;
  layout.let_go = relay.let_go;
}

}  // namespace

std::vector<format::LetGo> LetGoRows(const format::Commit& commit,
                                     const std::vector<std::string>& components,
                                     const format::LetGo& as) {
  std::map<std::string, format::LetGo> rows;
  const auto note = [&](size_t item, const std::string& path, bool tensor) {
    const std::string component = plan::ComponentOf(path, tensor);
    if (commit.GoneBy(item) != nullptr ||
        std::find(components.begin(), components.end(), component) == components.end()) {
      return;
    }
    format::LetGo& row = rows.try_emplace(component, as).first->second;
    row.component = component;
    row.items.push_back(static_cast<uint32_t>(item));
  };
  for (size_t i = 0; i < commit.tensors.size(); ++i) note(i, commit.tensors[i].name, true);
  for (size_t i = 0; i < commit.files.size(); ++i)
    note(commit.tensors.size() + i, commit.files[i].path, false);
  std::vector<format::LetGo> gone;
  for (auto& [component, row] : rows) gone.push_back(std::move(row));
  return gone;
}

std::set<format::ObjectId> CondemnedPacks(const std::map<hash::Digest, format::ChunkPlace>& places,
                                          const Condemned& condemned) {
  std::set<format::ObjectId> packs;
  for (const auto& [digest, place] : places) {
    if (condemned.Has(place.pack)) packs.insert(place.pack);
  }
  return packs;
}

Result<WrittenCommit> WriteAnew(const OpContext& ctx, Core& core, const std::string& target,
                                const format::Commit& commit, const format::LogicalBytes& logical,
                                const hash::Digest& commit_id) {
  VARVE_TRY(const format::EncodedCommit encoded, format::EncodeCommit(commit, &logical));
  if (encoded.commit_id != commit_id) {
    return Error(ErrorCode::kInternal,
                 "writing it anew would change commit id " + commit_id.Hex() + "");
  }
  WrittenCommit written;
  VARVE_TRY(written.meta_id, core.ids.Next(ctx, target));
  VARVE_TRY(const auto put,
            core.store->PutNew(ctx, store::Key(format::MetaKey(written.meta_id)), encoded.object));
  static_cast<void>(put);
  written.object_bytes = encoded.object.size();
  for (const format::LetGo& row : commit.let_go) written.let_go.push_back(row.component);
  return written;
}

Result<std::vector<bool>> MoveLayouts(const OpContext& ctx, Core& core, const std::string& name,
                                      uint64_t base_epoch, const std::vector<Relay>& relays,
                                      const std::vector<format::ObjectId>& used,
                                      Condemned* condemned) {
  Heads::Change change;
  change.name = name;
  change.base_epoch = base_epoch;
  if (!PLANTED(68)) change.used = used;
  std::vector<bool> stale(relays.size());
  change.done = [&](const format::Head& head) -> Result<bool> {
    for (size_t i = 0; i < relays.size(); ++i) {
      if (!Holds(head, relays[i]) && !stale[i]) return false;
    }
    return true;
  };
  change.edit = [&](format::Head& head) -> Status {
    bool any = false;
    for (size_t i = 0; i < relays.size(); ++i) {
      const bool there = Holds(head, relays[i]);
      stale[i] = !there && !IsFrom(head, relays[i]);
      any = any || !stale[i];
      if (!there && !stale[i]) Apply(head, relays[i]);
    }
    return any ? OkStatus() : Status(Error(ErrorCode::kConflict, kAllStale));
  };
  std::vector<bool> moved(relays.size());
  const auto head = core.heads.Commit(ctx, change, condemned);
  if (!head.ok()) {
    const bool all = std::all_of(stale.begin(), stale.end(), [](bool each) { return each; });
    const bool none_condemned = condemned == nullptr || condemned->ids.empty();
    if (head.error().code() == ErrorCode::kConflict && all && none_condemned) return moved;
    return head.error();
  }
  for (size_t i = 0; i < relays.size(); ++i) moved[i] = Holds(*head, relays[i]);
  return moved;
}

}  // namespace varve::lake
