// Pins, holds, forgetting one version and bringing it back.
#include <algorithm>
#include <tuple>

#include "varve/base/planted.h"
#include "varve/format/names.h"
#include "varve/lake/retention.h"

namespace varve::lake {
namespace {

constexpr size_t kOwnerBytesMax = 200, kReasonBytesMax = 1000;

std::string Quote(const format::Head& head, uint64_t version) {
  return "v" + std::to_string(version) + " of '" + head.name + "'";
}

Status CheckWords(std::string_view owner, std::string_view reason) {
  if (owner.empty() || owner.size() > kOwnerBytesMax || !format::ValidUtf8(owner)) {
    return Error(ErrorCode::kInvalidArgument,
                 "an owner is 1 to 200 bytes of text; say who keeps it");
  }
  if (reason.size() > kReasonBytesMax || !format::ValidUtf8(reason)) {
    return Error(ErrorCode::kInvalidArgument, "a reason is at most 1,000 bytes of text");
  }
  return OkStatus();
}

bool SameWords(const format::Tombstone& one, const format::Tombstone& other) {
  return std::tie(one.by, one.policy, one.reason) == std::tie(other.by, other.policy, other.reason);
}

// Writes `row` over the one of the same version and owner, in order.
template <typename Row>
void PutRow(std::vector<Row>& rows, Row row) {
  const auto before = [](const Row& a, const Row& b) {
    return std::tie(a.version, a.owner) < std::tie(b.version, b.owner);
  };
  const auto at = std::lower_bound(rows.begin(), rows.end(), row, before);
  if (at != rows.end() && at->version == row.version && at->owner == row.owner)
    *at = std::move(row);
  else
    rows.insert(at, std::move(row));
}

template <typename Row>
Status RemoveRow(const OpContext& ctx, Core& core, std::string_view address, std::string_view owner,
                 std::vector<Row> format::Head::*rows, const char* what) {
  VARVE_TRY(const Resolved at, Resolve(ctx, core, address));
  const uint64_t version = at.entry.version;
  const auto ours = [&](const Row& row) { return row.version == version && row.owner == owner; };
  const auto& there = at.snapshot.head.*rows;
  if (std::none_of(there.begin(), there.end(), ours)) {
    return Error(ErrorCode::kNotFound, std::string("no ") + what + " of '" + std::string(owner) +
                                           "' on " + Quote(at.snapshot.head, version));
  }
  return EditHead(ctx, core, at.snapshot.head.name, [&](format::Head& head) {
    std::erase_if(head.*rows, ours);
    return OkStatus();
  });
}

// Its commit object; every object that this names, itself included, goes to `used`. kGone when one
// of them is not there.
Result<format::Commit> CheckThere(const OpContext& ctx, Core& core,
                                  const format::VersionEntry& entry, const std::string& what,
                                  std::vector<format::ObjectId>& used) {
  const Error gone(ErrorCode::kGone,
                   "the collector already took objects of " + what + "; it cannot be brought back");
  auto read = ReadCommit(ctx, core, entry);
  if (!read.ok()) {
    if (read.error().message().find("is missing") != std::string::npos) return gone;
    return std::move(read).error();
  }
  const std::vector<format::PackRow>& packs = read->decoded.commit.packs;
  used.push_back(entry.meta_id);
  for (const format::PackRow& pack : packs) used.push_back(pack.id);
  VARVE_CHECK_OK(core.transfers.ForEach(ctx, packs.size(), [&](size_t i) -> Status {
    const auto info = core.store->Head(ctx, store::Key(format::PackKey(packs[i].id)));
    if (info.ok()) return OkStatus();
    return info.error().code() == ErrorCode::kNotFound ? gone : info.error();
  }));
  return std::move(read->decoded.commit);
}

}  // namespace

Status CheckLive(const format::Head& head, uint64_t version) {
  if (!head.forgotten.contains(version)) return OkStatus();
  return Error(ErrorCode::kGone, WhyForgotten(head, version));
}

Status EditHead(const OpContext& ctx, Core& core, std::string_view name,
                const std::function<Status(format::Head&)>& edit) {
  VARVE_CHECK_OK(core.CheckWritable());
  Heads::Change change;
  change.name = std::string(name);
  VARVE_TRY(change.base_epoch, core.guard.Base(ctx));
  VARVE_TRY(const HeadSnapshot snapshot, ResolveHead(ctx, core, name));
  // Done when applying it again would change nothing.
  change.done = [&edit](const format::Head& head) {
    format::Head again = head;
    if (PLANTED(43)) return true;
    return edit(again).ok() && again.aliases == head.aliases && again.tags == head.tags &&
           again.forgotten == head.forgotten && again.pins == head.pins &&
           again.holds == head.holds && again.layouts == head.layouts &&
           again.verified == head.verified && again.late_metrics == head.late_metrics &&
           again.run == head.run;
  };
  change.edit = edit;
  VARVE_TRY(const format::Head head, core.heads.Commit(ctx, change));
  static_cast<void>(head);
  return OkStatus();
}

void Bury(format::Head& head, uint64_t version, const format::Tombstone& tombstone,
          int64_t now_ms) {
  head.forgotten.try_emplace(version, tombstone);
  std::erase_if(head.pins, [&](const format::Pin& pin) {
    return pin.version == version && pin.until_ms <= now_ms;
  });
  head.verified.erase(version);
}

void CondenseTombstones(format::Head& head, int64_t now_ms) {
  const auto passed = [&](const format::Tombstone& each) { return each.until_ms <= now_ms; };
  for (auto first = head.forgotten.begin(); first != head.forgotten.end();) {
    auto last = first, next = std::next(first);
    int64_t until_ms = first->second.until_ms;
    if (passed(first->second)) {
      while (next != head.forgotten.end() && next->first == last->first + 1 &&
             passed(next->second) && SameWords(next->second, first->second)) {
        until_ms = std::min(until_ms, next->second.until_ms);
        last = next++;
      }
      // Only what may come back needs to know where its chunks lie.
      for (uint64_t version = first->first; version <= last->first; ++version) {
        head.layouts.erase(version);
        head.late_metrics.erase(version);
      }
    }
    const int64_t time_ms = last->second.time_ms;
    for (auto each = first; first != last && each != next; ++each) {
      each->second.time_ms = time_ms;
      // Never later than it was: a collector that began before would take for live what is gone.
      each->second.until_ms = until_ms;
      each->second.gc_epoch = 0;  // Ask for every list there is.
    }
    first = next;
  }
}

Status ForgetVersion(const OpContext& ctx, Core& core, std::string_view address,
                     const std::string& reason, const ForgetOptions& options) {
  VARVE_CHECK_OK(CheckWords(options.by.empty() ? "-" : options.by, reason));
  if (options.grace_ms < 0 || options.grace_ms > kGraceMsMax) {
    return Error(ErrorCode::kInvalidArgument, "the grace is 0 to 100 years");
  }
  VARVE_TRY(const uint64_t epoch, core.guard.Base(ctx));
  VARVE_TRY(const Resolved at, Resolve(ctx, core, address));
  const uint64_t version = at.entry.version;
  const int64_t now_ms = StoreNow(ctx, at.snapshot);
  const format::Tombstone tombstone{
      now_ms, reason, options.by, options.policy, now_ms + options.grace_ms, epoch};
  return EditHead(ctx, core, at.snapshot.head.name, [&](format::Head& head) -> Status {
    const std::string named = PLANTED(62) ? "" : format::NamedBy(head, version, now_ms);
    if (!named.empty()) {
      return Error(ErrorCode::kConflict,
                   Quote(head, version) + " is kept by " + named + "; move or lift that first");
    }
    Bury(head, version, tombstone, now_ms);
    CondenseTombstones(head, now_ms);
    return OkStatus();
  });
}

Status PinVersion(const OpContext& ctx, Core& core, std::string_view address,
                  const PinOptions& options) {
  VARVE_CHECK_OK(CheckWords(options.owner, options.reason));
  VARVE_TRY(const Resolved at, Resolve(ctx, core, address));
  const int64_t now_ms = StoreNow(ctx, at.snapshot);
  if (options.for_ms < 0)
    return Error(ErrorCode::kInvalidArgument, "a pin lasts for a positive time");
  int64_t until_ms = INT64_MAX;
  if (options.for_ms > 0 && __builtin_add_overflow(now_ms, options.for_ms, &until_ms))
    until_ms = INT64_MAX;
  const format::Pin pin{at.entry.version, options.owner, options.lease,
                        until_ms,         now_ms,        options.reason};
  return EditHead(ctx, core, at.snapshot.head.name, [&](format::Head& head) -> Status {
    VARVE_CHECK_OK(CheckLive(head, pin.version));
    PutRow(head.pins, pin);
    return OkStatus();
  });
}

Status UnpinVersion(const OpContext& ctx, Core& core, std::string_view address,
                    std::string_view owner) {
  return RemoveRow<format::Pin>(ctx, core, address, owner, &format::Head::pins, "pin");
}

Status HoldVersion(const OpContext& ctx, Core& core, std::string_view address,
                   std::string_view owner, std::string_view reason) {
  VARVE_CHECK_OK(CheckWords(owner, reason));
  VARVE_TRY(const Resolved at, Resolve(ctx, core, address));
  const format::Hold hold{at.entry.version, std::string(owner), StoreNow(ctx, at.snapshot),
                          std::string(reason)};
  return EditHead(ctx, core, at.snapshot.head.name, [&](format::Head& head) -> Status {
    VARVE_CHECK_OK(CheckLive(head, hold.version));
    PutRow(head.holds, hold);
    return OkStatus();
  });
}

Status UnholdVersion(const OpContext& ctx, Core& core, std::string_view address,
                     std::string_view owner) {
  return RemoveRow<format::Hold>(ctx, core, address, owner, &format::Head::holds, "hold");
}

namespace {

constexpr int kUndeleteTriesMax = 10;

// What comes back was not live, so its objects may be condemned: it is written as a save that
// reuses them would be, asking for every list since it was let go.
// `outrun`: collections ended meanwhile, and with them lists that it wanted to ask; look again.
Status TryUndelete(const OpContext& ctx, Core& core, std::string_view address, bool& outrun) {
  outrun = false;
  VARVE_CHECK_OK(core.CheckWritable());
  VARVE_TRY(const format::Address parsed, format::ParseAddress(address));
  if (!parsed.version.has_value()) {
    return Error(ErrorCode::kInvalidArgument,
                 "say which version to bring back, such as " + parsed.name + "@v3");
  }
  const uint64_t version = *parsed.version;
  VARVE_TRY(const uint64_t oldest_epoch, core.guard.Oldest(ctx));
  VARVE_TRY(const HeadSnapshot snapshot, ResolveHead(ctx, core, parsed.name));
  VARVE_TRY(format::VersionEntry entry, core.heads.Find(ctx, snapshot.head, version));
  const std::string what = Quote(snapshot.head, version);
  const auto tombstone = snapshot.head.forgotten.find(version);
  const auto layout = snapshot.head.layouts.find(version);
  const bool thinned =
      layout != snapshot.head.layouts.end() && layout->second.full_meta_id.has_value();
  if (tombstone == snapshot.head.forgotten.end() && !thinned) {
    return Error(ErrorCode::kInvalidArgument,
                 what + " was not let go, nor can a component of it be brought back");
  }
  const bool buried = tombstone != snapshot.head.forgotten.end();
  const int64_t until_ms = buried ? tombstone->second.until_ms : layout->second.full_until_ms;
  const uint64_t seen_epoch = buried ? tombstone->second.gc_epoch : layout->second.gc_epoch;
  Heads::Change change;
  change.name = parsed.name;
  std::optional<format::Layout> restored;
  // No collection takes it before its date, so lists that were over before it and are gone need not
  // be asked. A head without the store's time counts as late.
  const bool in_grace = snapshot.store_time_ms != 0 && snapshot.store_time_ms < until_ms;
  change.base_epoch = in_grace ? std::max(seen_epoch, oldest_epoch) : seen_epoch;
  if (buried) {
    VARVE_TRY(const format::Commit whole, CheckThere(ctx, core, entry, what, change.used));
    if (PLANTED(63) && !whole.packs.empty()) change.used.clear();
  } else {
    entry.meta_id = *layout->second.full_meta_id;
    VARVE_TRY(const format::Commit full, CheckThere(ctx, core, entry, what, change.used));
    restored.emplace();
    restored->meta_id = entry.meta_id;
    for (const format::LetGo& row : full.let_go) restored->let_go.push_back(row.component);
  }
  const auto layout_of = [&](const format::Head& head) {
    const auto found = head.layouts.find(version);
    return found == head.layouts.end() ? std::nullopt
                                       : std::optional<format::Layout>(found->second);
  };
  const std::optional<format::Layout> seen_layout = layout_of(snapshot.head);
  const auto is_done = [&](const format::Head& head) {
    const auto now = head.layouts.find(version);
    return !head.forgotten.contains(version) &&
           (!restored.has_value() || (now != head.layouts.end() && now->second == *restored));
  };
  change.done = is_done;
  change.edit = [&](format::Head& head) -> Status {
    if (is_done(head)) return OkStatus();
    const auto there = head.forgotten.find(version);
    // Let go again meanwhile, or its layout moved: what was checked is not what would come back.
    const bool same = layout_of(head) == seen_layout &&
                      (restored.has_value()
                           ? there == head.forgotten.end()
                           : there != head.forgotten.end() && there->second.gc_epoch == seen_epoch);
    if (!same) return Error(ErrorCode::kConflict, what + " changed meanwhile; look at it again");
    if (restored.has_value())
      head.layouts[version] = *restored;
    else
      head.forgotten.erase(version);
    return OkStatus();
  };
  Condemned condemned;
  auto written = core.heads.Commit(ctx, change, &condemned);
  if (written.ok()) return OkStatus();
  if (written.error().code() == ErrorCode::kConflict && !condemned.ids.empty()) {
    if (condemned.undecided) {
      return Error(ErrorCode::kConflict, "a collection is under way that lists objects of " + what +
                                             "; let varve gc finish, then run it again");
    }
    outrun = condemned.lists_gone && in_grace;
    return Error(ErrorCode::kGone, "the collector has begun to take the objects of " + what +
                                       "; it cannot be brought back");
  }
  return std::move(written).error();
}

}  // namespace

Status UndeleteVersion(const OpContext& ctx, Core& core, std::string_view address) {
  bool outrun = true;
  Status done;
  for (int tries = 0; tries < kUndeleteTriesMax && outrun; ++tries) {
    done = TryUndelete(ctx, core, address, outrun);
  }
  return done;
}

}  // namespace varve::lake
