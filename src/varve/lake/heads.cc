#include "varve/lake/heads.h"

#include <algorithm>

#include "varve/base/planted.h"

namespace varve::lake {
namespace {

constexpr int64_t kRaceBackoffMs = 20;  // Base; doubles per lost race up to the cap below.
constexpr int64_t kRaceBackoffMaxMs = 500;
constexpr int64_t kUnknownBackoffMs = 100;

bool NamesAny(const std::vector<format::ObjectId>& ids,
              const std::vector<format::ObjectId>& condemned) {
  return std::any_of(ids.begin(), ids.end(), [&](const format::ObjectId& id) {
    return std::binary_search(condemned.begin(), condemned.end(), id);
  });
}

Status JitteredSleep(const OpContext& ctx, int64_t base_ms) {
  return ctx.SleepMs(static_cast<int64_t>(ctx.random().Between(0, static_cast<uint64_t>(base_ms))));
}

}  // namespace

bool Ambiguous(ErrorCode code) {
  return code == ErrorCode::kUnknownOutcome || code == ErrorCode::kUnavailable ||
         code == ErrorCode::kThrottled || code == ErrorCode::kTimeout;
}

Result<HeadSnapshot> Heads::Read(const OpContext& ctx, std::string_view name) {
  VARVE_TRY(const auto reply, store_.Get(ctx, store::Key(format::HeadKey(name)), {}));
  HeadSnapshot snapshot;
  snapshot.etag = reply.info.etag;
  snapshot.store_time_ms = reply.info.store_time_ms;
  auto head = format::DecodeHead(AsText(reply.body));
  if (!head.ok()) {
    return std::move(head.error().Prefix("the head of '" + std::string(name) + "' is damaged"));
  }
  snapshot.head = std::move(head).value();
  if (snapshot.head.name != name) {
    return Error(ErrorCode::kCorrupt, "the head of '" + std::string(name) +
                                          "' says it belongs to '" + snapshot.head.name + "'");
  }
  return snapshot;
}

Result<HeadSnapshot> Heads::ReadOrCreate(const OpContext& ctx, const Change& change,
                                         bool may_create) {
  for (int attempt = 0; attempt < kUnknownTriesMax; ++attempt) {
    auto snapshot = Read(ctx, change.name);
    if (snapshot.ok() || snapshot.error().code() != ErrorCode::kNotFound ||
        (change.create_type.empty() && may_create)) {
      return snapshot;
    }
    if (!may_create) {
      return Error(ErrorCode::kCorrupt,
                   "the head of '" + change.name +
                       "' vanished while it was being written; bring it back from a backup");
    }
    // A head is born empty, so that its birth counts as the read of its version (rule O).
    format::Head head;
    head.name = change.name;
    head.artifact_type = change.create_type;
    head.nonce = ctx.random().Hex128();
    VARVE_TRY(head.gc_epoch, guard_.Epoch(ctx));
    if (PLANTED(7)) VARVE_CHECK_OK(change.edit(head));
    VARVE_TRY(const std::string json, format::EncodeHead(head));
    const auto born =
        store_.Cas(ctx, store::Key(format::HeadKey(change.name)), AsBytes(json), std::nullopt);
    if (born.ok()) return HeadSnapshot{std::move(head), born->etag, born->store_time_ms};
    if (born.error().code() != ErrorCode::kConflict) {
      if (!Ambiguous(born.error().code())) return born.error();
      VARVE_CHECK_OK(JitteredSleep(ctx, kUnknownBackoffMs << std::min(attempt, 6)));
    }
  }
  return Error(ErrorCode::kUnknownOutcome,
               "the store does not say whether it created the head of '" + change.name + "'");
}

Result<format::Head> Heads::Commit(const OpContext& ctx, const Change& change,
                                   Condemned* condemned) {
  bool in_doubt = false;
  auto head = TryCommit(ctx, change, condemned, in_doubt);
  if (head.ok() || !in_doubt || PLANTED(4)) return head;
  return Error(
      ErrorCode::kUnknownOutcome,
      "the store does not say whether the commit to '" + change.name +
          "' landed; look at its history before repeating it. cause=" + head.error().message());
}

Result<format::Head> Heads::TryCommit(const OpContext& ctx, const Change& change,
                                      Condemned* condemned, bool& in_doubt) {
  int unknown_tries = 0;
  uint64_t base = change.base_epoch;
  store::Etag refused;    // The version that our last write was refused for as being another,
  int refusals = 0;       // how often in a row,
  bool may_land = false;  // and whether a write without an answer still waits for it.
  for (int race = 0; race < kCommitRacesMax; ++race) {
    VARVE_CHECK_OK(ctx.Check());
    // Once seen, a head never goes away: making it anew would number its versions from one again.
    GcGuard::Validation early;
    if (PLANTED(2)) {
      VARVE_TRY(early, guard_.Validate(ctx, base, change.used));
    }
    VARVE_TRY(HeadSnapshot snapshot, ReadOrCreate(ctx, change, race == 0));
    // Also after a plain refusal: a transport may have sent the write twice, and been refused the
    // second time.
    const bool asks = !PLANTED(5) && (!PLANTED(8) || unknown_tries > 0);
    if (race > 0 && asks) {
      VARVE_TRY(const bool done, change.done(snapshot.head));
      if (done) {
        Remember(snapshot.head);
        return std::move(snapshot.head);
      }
    }
    if (snapshot.etag != refused) {
      refusals = 0;
      may_land = false;  // Another version is there: what was sent before can land no more.
    }
    in_doubt = may_land;
    if (refusals >= kSameRefusalsMax) return RefusesWithoutReason(change.name);
    VARVE_CHECK_OK(CheckFork(snapshot.head));
    std::vector<format::ObjectId> used = change.used;
    format::Head next = snapshot.head;
    VARVE_CHECK_OK(change.edit(next));
    VARVE_CHECK_OK(Fold(ctx, next, used));
    VARVE_TRY(GcGuard::Validation valid, guard_.Validate(ctx, base, used));
    if (PLANTED(1) && race > 0) valid.condemned = {};
    if (PLANTED(2)) valid = early;
    if (!valid.condemned.ids.empty() || valid.condemned.lists_gone) {
      if (NamesAny(change.used, valid.condemned.ids)) {
        if (condemned != nullptr) *condemned = valid.condemned;
        return Error(ErrorCode::kConflict,
                     "the collector condemned objects that the commit to '" + change.name +
                         "' names; save again. object=" + valid.condemned.ids.front().Text());
      }
      // Only history nodes of this attempt: the next one reads the head anew and writes others.
      if (valid.condemned.lists_gone) base = valid.condemned.fresh_base;
      continue;
    }
    VARVE_CHECK_OK(gate_.Check(ctx, valid.epoch));
    next.seq = snapshot.head.seq + 1;
    next.prev_nonce = snapshot.head.nonce;
    if (!PLANTED(9)) next.nonce = ctx.random().Hex128();
    next.gc_epoch = std::max(valid.epoch, snapshot.head.gc_epoch);
    if (PLANTED(10)) next.gc_epoch = change.base_epoch;
    VARVE_TRY(const std::string json, format::EncodeHead(next));

    const store::Key key(format::HeadKey(change.name));
    in_doubt = true;
    auto moved = store_.Cas(ctx, key, AsBytes(json), snapshot.etag);
    bool in_doubt_before = false;
    while (!moved.ok() && Ambiguous(moved.error().code())) {
      in_doubt_before = true;
      if (PLANTED(3)) return next;
      if (++unknown_tries > kUnknownTriesMax) break;
      VARVE_CHECK_OK(JitteredSleep(ctx, kUnknownBackoffMs << std::min(unknown_tries, 6)));
      // The same bytes under the same condition: it lands at most once.
      moved = store_.Cas(ctx, key, AsBytes(json), snapshot.etag);
    }
    if (moved.ok()) {
      Remember(next);
      return next;
    }
    const ErrorCode code = moved.error().code();
    if (PLANTED(6) && code == ErrorCode::kConflict) {
      VARVE_TRY(const HeadSnapshot fresh, Read(ctx, change.name));
      VARVE_TRY(const auto forced, store_.Cas(ctx, key, AsBytes(json), fresh.etag));
      if (forced.bytes > 0) return next;
    }
    if (code == ErrorCode::kNotFound) {
      return Error(ErrorCode::kCorrupt,
                   "the head of '" + change.name +
                       "' vanished while it was being written; bring it back from a backup");
    }
    if (code != ErrorCode::kConflict) {
      in_doubt = in_doubt_before || Ambiguous(code) || code == ErrorCode::kCancelled;
      return std::move(moved).error();
    }
    refused = snapshot.etag;
    ++refusals;
    may_land = may_land || in_doubt_before;
    VARVE_CHECK_OK(
        JitteredSleep(ctx, std::min(kRaceBackoffMaxMs, kRaceBackoffMs << std::min(race, 5))));
  }
  return Error(ErrorCode::kConflict,
               "too many writers move '" + change.name + "'; try again later");
}

Error Heads::RefusesWithoutReason(const std::string& name) {
  return Error(ErrorCode::kUnsupported,
               "the store " + store_.Describe() + " refuses to move the head of '" + name +
                   "' although nobody else moved it; it does not hold its conditions, run: varve "
                   "doctor " +
                   store_.Describe());
}

Status Heads::Touch(const OpContext& ctx, const HeadSnapshot& snapshot, uint64_t epoch) {
  format::Head next = snapshot.head;
  next.seq = snapshot.head.seq + 1;
  next.prev_nonce = snapshot.head.nonce;
  next.nonce = ctx.random().Hex128();
  next.gc_epoch = epoch;
  VARVE_TRY(const std::string json, format::EncodeHead(next));
  const store::Key key(format::HeadKey(next.name));
  VARVE_TRY(const auto moved, store_.Cas(ctx, key, AsBytes(json), snapshot.etag));
  static_cast<void>(moved);
  return OkStatus();
}

Status Heads::CheckFork(const format::Head& head) {
  const std::lock_guard lock(mutex_);
  const auto known = acknowledged_.find(head.name);
  if (known == acknowledged_.end()) return OkStatus();
  const format::VersionEntry& ours = known->second;
  bool lost = head.last_version() < ours.version;
  for (const format::VersionEntry& entry : head.versions) {
    if (entry.version == ours.version && entry.commit_id != ours.commit_id) lost = true;
  }
  if (!lost) return OkStatus();
  return Error(ErrorCode::kCorrupt,
               "the store lost an acknowledged write: v" + std::to_string(ours.version) + " of '" +
                   head.name +
                   "' is not what this process committed; stop all writers, run varve doctor");
}

void Heads::Remember(const format::Head& head) {
  if (head.versions.empty()) return;
  const std::lock_guard lock(mutex_);
  acknowledged_[head.name] = head.versions.back();
}

}  // namespace varve::lake
