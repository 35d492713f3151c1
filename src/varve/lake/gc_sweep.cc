#include "varve/lake/gc_sweep.h"

#include <algorithm>
#include <mutex>
#include <set>

#include "varve/base/planted.h"
#include "varve/exec/sync.h"
#include "varve/format/object_key.h"

namespace varve::lake {
namespace {

constexpr int kDeleteTriesMax = 4;
constexpr int64_t kDeleteBackoffMs = 200;

// Deletes `keys`, at most one request's worth; calls `refused` for what the store will not delete.
Status DeleteBatch(const OpContext& ctx, store::ObjectStore& store, std::vector<store::Key> keys,
                   const std::function<void(const store::Key&, const Error&)>& refused) {
  for (int attempt = 1; !keys.empty(); ++attempt) {
    auto replies = store.Delete(ctx, keys);
    if (!replies.ok()) {
      if (replies.error().code() != ErrorCode::kPermissionDenied) return replies.error();
      for (const store::Key& key : keys) refused(key, replies.error());
      return OkStatus();
    }
    std::vector<store::Key> again;
    std::optional<Error> last;
    std::set<store::Key> answered;
    for (const store::DeleteReply& reply : *replies) {
      answered.insert(reply.key);
      if (reply.status.ok() || reply.status.error().code() == ErrorCode::kNotFound) continue;
      if (Retryable(reply.status.error().code())) {
        again.push_back(reply.key);
        last = reply.status.error();
      } else {
        refused(reply.key, reply.status.error());
      }
    }
    for (const store::Key& key : keys) {
      if (answered.contains(key)) continue;
      again.push_back(key);
      last = Error(ErrorCode::kUnavailable, "the store did not say what became of " + key.str());
    }
    if (!again.empty() && attempt == kDeleteTriesMax) return *last;
    if (!again.empty()) VARVE_CHECK_OK(ctx.SleepMs(kDeleteBackoffMs << attempt));
    keys = std::move(again);
  }
  return OkStatus();
}

}  // namespace

Status SweepDead(const OpContext& ctx, Core& core, const GcIds& dead, GcReport& report) {
  Mutex mutex;
  uint64_t kept = 0;
  const auto refused = [&](const store::Key& key, const Error& error) {
    const std::lock_guard lock(mutex);
    ++kept;
    if (report.skipped.size() < kGcSkippedMax) {
      report.skipped.push_back({key.str(), error.message()});
    }
  };
  for (size_t kind = 0; kind < dead.size(); ++kind) {
    const std::vector<format::ObjectId>& ids = dead[kind];
    const auto sweep_one = [&](size_t batch) {
      std::vector<store::Key> keys;
      const size_t end = std::min<size_t>(ids.size(), (batch + 1) * store::kDeleteKeysMax);
      for (size_t i = batch * store::kDeleteKeysMax; i < end; ++i) {
        keys.emplace_back(format::KeyOf(static_cast<format::IdKind>(kind), ids[i]));
      }
      return DeleteBatch(ctx, *core.store, std::move(keys), refused);
    };
    const size_t batches = (ids.size() + store::kDeleteKeysMax - 1) / store::kDeleteKeysMax;
    VARVE_CHECK_OK(core.transfers.ForEach(ctx, batches, sweep_one));
    report.deleted += ids.size();
  }
  report.deleted -= kept;
  report.skipped_total += kept;
  return OkStatus();
}

void TidyPapers(const OpContext& ctx, Core& core, const format::ObjectId* mark_id) {
  // The state after the listing: what it does not name and is not of a later epoch, no state will.
  const auto listed = store::ListAll(ctx, *core.store, format::kGcPrefix);
  const auto reply = core.store->Get(ctx, store::Key(std::string(format::kGcStateKey)), {});
  if (!listed.ok() || !reply.ok()) return;
  const auto state = format::DecodeGcState(AsText(reply->body));
  if (!state.ok()) return;
  std::set<std::string> named;
  for (const auto& [epoch, list] : state->lists) {
    for (const format::GcListPart& part : list) named.insert(part.key);
  }
  std::vector<store::Key> keys;
  const auto flush = [&] {
    const Status ignored = DeleteBatch(ctx, *core.store, std::exchange(keys, {}),
                                       [](const store::Key&, const Error&) {});
    static_cast<void>(ignored);  // The next collection tries again.
  };
  for (const store::ListedObject& object : *listed) {
    const format::ObjectKey key = format::ParseKey(object.key.str());
    const bool passed = key.epoch < state->epoch ||
                        (key.epoch == state->epoch && state->phase == format::GcPhase::kIdle);
    const bool list = key.kind == format::KeyKind::kGcList && passed &&
                      (PLANTED(61) || !named.contains(object.key.str()));
    // A mark of the current epoch may belong to a collector that is about to look for it.
    const bool mark = key.kind == format::KeyKind::kGcMark &&
                      (key.epoch < state->epoch || (mark_id != nullptr && key.id == *mark_id));
    if (!list && !mark) continue;
    keys.push_back(object.key);
    if (keys.size() == store::kDeleteKeysMax) flush();
  }
  if (!keys.empty()) flush();
}

}  // namespace varve::lake
