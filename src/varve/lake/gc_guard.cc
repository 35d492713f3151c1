#include "varve/lake/gc_guard.h"

#include <algorithm>

#include "varve/base/planted.h"

namespace varve::lake {
namespace {

constexpr int kStateMovedMax = 10;  // Times that lists may go while they are read.
constexpr size_t kPartsKept = 4;    // At most 16 MB each.

uint64_t FirstListToHeed(const format::GcState& state) {
  return state.phase == format::GcPhase::kIdle ? state.epoch + 1 : state.epoch;
}

}  // namespace

Result<GcGuard::State> GcGuard::ReadState(const OpContext& ctx) {
  Cached known;
  {
    const std::lock_guard lock(mutex_);
    known = cached_;
  }
  if (PLANTED(30) && known.state != nullptr) return known.state;
  const store::Key key{std::string(format::kGcStateKey)};
  std::optional<store::Etag> etag;
  if (known.state != nullptr) etag = known.etag;
  auto reply = store_.Get(ctx, key, {.suffix_bytes = 0, .if_none_match = etag});
  if (!reply.ok()) {
    if (reply.error().code() == ErrorCode::kNotFound) {
      return Error(ErrorCode::kCorrupt,
                   "the collector's state object gc/state is missing; bring it back from a backup");
    }
    return std::move(reply).error();
  }
  // What this call asked about, not what another thread put into the cache meanwhile: that may be
  // the answer to an older question.
  if (reply->not_modified && known.state != nullptr) return known.state;
  VARVE_TRY(auto state, format::DecodeGcState(AsText(reply->body)));
  const Cached fresh{reply->info.etag, std::make_shared<const format::GcState>(std::move(state))};
  const std::lock_guard lock(mutex_);
  cached_ = fresh;
  return fresh.state;
}

Result<GcGuard::Ids> GcGuard::ReadPart(const OpContext& ctx, const std::string& key) {
  {
    const std::lock_guard lock(mutex_);
    if (const auto found = parts_.find(key); found != parts_.end()) return found->second;
  }
  VARVE_TRY(const auto reply, store_.Get(ctx, store::Key(key), {}));
  VARVE_TRY(auto ids, format::DecodeGcList(reply.body));
  Ids shared = std::make_shared<const std::vector<format::ObjectId>>(std::move(ids));
  const std::lock_guard lock(mutex_);
  if (parts_.size() >= kPartsKept) parts_.clear();
  parts_[key] = shared;
  return shared;
}

Result<uint64_t> GcGuard::Base(const OpContext& ctx) {
  VARVE_TRY(const State state, ReadState(ctx));
  return FirstListToHeed(*state);
}

Result<uint64_t> GcGuard::Oldest(const OpContext& ctx) {
  VARVE_TRY(const State state, ReadState(ctx));
  return state->oldest_list_epoch;
}

Result<uint64_t> GcGuard::Epoch(const OpContext& ctx) {
  VARVE_TRY(const State state, ReadState(ctx));
  return state->epoch;
}

Result<GcGuard::Validation> GcGuard::Validate(const OpContext& ctx, uint64_t base,
                                              std::span<const format::ObjectId> used) {
  std::vector<format::ObjectId> sorted(used.begin(), used.end());
  std::sort(sorted.begin(), sorted.end());
  for (int attempt = 0; attempt < kStateMovedMax; ++attempt) {
    VARVE_TRY(const State shared, ReadState(ctx));
    const format::GcState& state = *shared;
    Validation validation;
    validation.epoch = state.epoch;
    validation.condemned.fresh_base = FirstListToHeed(state);
    if (PLANTED(28)) base = std::max(base, state.oldest_list_epoch);
    if (base < state.oldest_list_epoch) {
      validation.condemned.lists_gone = true;
      validation.condemned.ids = sorted;
      return validation;
    }
    bool moved = false, decided = false;
    std::vector<format::ObjectId>& hits = validation.condemned.ids;
    const uint64_t first = PLANTED(27) ? state.epoch : base;
    for (uint64_t epoch = std::max<uint64_t>(first, 1); epoch <= state.epoch && !moved; ++epoch) {
      const auto list = state.lists.find(epoch);
      if (list == state.lists.end()) {
        return Error(ErrorCode::kCorrupt, "gc/state lost the list of epoch " +
                                              std::to_string(epoch) +
                                              "; bring it back from a backup");
      }
      for (const format::GcListPart& part : list->second) {
        if (part.kind == format::IdKind::kSession) continue;  // Nothing names a session block.
        auto each = std::lower_bound(sorted.begin(), sorted.end(), part.first);
        if (each == sorted.end() || part.last < *each) continue;
        const auto ids = ReadPart(ctx, part.key);
        if (!ids.ok() && ids.error().code() != ErrorCode::kNotFound) return ids.error();
        if (!ids.ok()) {
          moved = true;  // Collected with its epoch since the state was read, or lost.
          break;
        }
        for (; each != sorted.end() && !(part.last < *each); ++each) {
          if (!std::binary_search((*ids)->begin(), (*ids)->end(), *each)) continue;
          hits.push_back(*each);
          decided |= epoch < state.epoch || state.phase != format::GcPhase::kCondemned;
        }
      }
    }
    if (moved) continue;
    std::sort(hits.begin(), hits.end());
    hits.erase(std::unique(hits.begin(), hits.end()), hits.end());
    validation.condemned.undecided = !hits.empty() && !decided;
    return validation;
  }
  return Error(
      ErrorCode::kCorrupt,
      "a list that gc/state names is missing; nothing was changed, bring it back from a backup");
}

}  // namespace varve::lake
