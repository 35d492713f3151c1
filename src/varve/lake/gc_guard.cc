#include "varve/lake/gc_guard.h"

#include <algorithm>

namespace varve::lake {

Result<format::GcState> GcGuard::ReadState(const OpContext& ctx) {
  std::optional<store::Etag> known;
  {
    const std::lock_guard lock(mutex_);
    known = etag_;
  }
  const store::Key key{std::string(format::kGcStateKey)};
  auto reply = store_.Get(ctx, key, {.suffix_bytes = 0, .if_none_match = known});
  if (!reply.ok()) {
    if (reply.error().code() == ErrorCode::kNotFound) {
      return Error(ErrorCode::kCorrupt,
                   "the collector's state object gc/state is missing; run varve fsck");
    }
    return std::move(reply).error();
  }
  const std::lock_guard lock(mutex_);
  if (reply->not_modified) return state_;
  VARVE_TRY(state_, format::DecodeGcState(AsText(reply->body)));
  etag_ = reply->info.etag;
  return state_;
}

Result<uint64_t> GcGuard::Base(const OpContext& ctx) {
  VARVE_TRY(const format::GcState state, ReadState(ctx));
  return state.epoch;
}

Result<uint64_t> GcGuard::Validate(const OpContext& ctx, uint64_t base,
                                   std::span<const format::ObjectId> used) {
  VARVE_TRY(const format::GcState state, ReadState(ctx));
  if (state.epoch == base && state.phase == format::GcPhase::kIdle) return state.epoch;
  if (base < state.oldest_list_epoch && state.epoch != base) {
    return Error(ErrorCode::kConflict,
                 "the save took longer than the collector keeps its lists; save again");
  }
  for (auto list = state.lists.lower_bound(base); list != state.lists.end(); ++list) {
    VARVE_TRY(const auto reply, store_.Get(ctx, store::Key(list->second), {}));
    VARVE_TRY(const auto condemned, format::DecodeGcList(reply.body));
    for (const format::ObjectId& id : used) {
      if (std::binary_search(condemned.begin(), condemned.end(), id)) {
        return Error(
            ErrorCode::kConflict,
            "the collector condemned an object this save reuses; save again. object=" + id.Text());
      }
    }
  }
  return state.epoch;
}

}  // namespace varve::lake
