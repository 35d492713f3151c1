#include "varve/lake/relayout.h"

#include <algorithm>

#include "varve/base/planted.h"

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
