#include "varve/store/retry/retry_store.h"

#include <algorithm>

namespace varve::store {
namespace {
constexpr int64_t kRetryCost = 5;
}

template <typename T, typename Call>
Result<T> RetryStore::Repeat(const OpContext& ctx, const Call& call) {
  for (int attempt = 1;; ++attempt) {
    Result<T> result = call();
    if (result.ok()) {
      if (tokens_.load() < options_.tokens) ++tokens_;
      return result;
    }
    const ErrorCode code = result.error().code();
    // A deadline that passed stays passed; the store's own time-outs may be tried again.
    if (!Retryable(code) || attempt >= options_.tries_max || !ctx.Check().ok()) return result;
    if (tokens_.fetch_sub(kRetryCost) < kRetryCost) {
      tokens_ += kRetryCost;
      return result;
    }
    const int64_t base =
        code == ErrorCode::kThrottled ? options_.throttle_backoff_ms : options_.backoff_ms;
    const int64_t ceiling = std::min(options_.backoff_max_ms, base << std::min(attempt - 1, 20));
    const auto wait_ms =
        static_cast<int64_t>(ctx.random().Between(0, static_cast<uint64_t>(ceiling)));
    if (auto slept = ctx.SleepMs(wait_ms); !slept.ok()) return std::move(slept).error();
  }
}

Result<ObjectInfo> RetryStore::Head(const OpContext& ctx, const Key& key) {
  return Repeat<ObjectInfo>(ctx, [&] { return inner_->Head(ctx, key); });
}
Result<GetReply> RetryStore::Get(const OpContext& ctx, const Key& key, const GetOptions& options) {
  return Repeat<GetReply>(ctx, [&] { return inner_->Get(ctx, key, options); });
}
Result<ObjectInfo> RetryStore::GetRange(const OpContext& ctx, const Key& key, uint64_t offset,
                                        MutableByteView into) {
  return Repeat<ObjectInfo>(ctx, [&] { return inner_->GetRange(ctx, key, offset, into); });
}
Result<ObjectInfo> RetryStore::PutNew(const OpContext& ctx, const Key& key, ByteView body) {
  return Repeat<ObjectInfo>(ctx, [&] { return inner_->PutNew(ctx, key, body); });
}
Result<ListPage> RetryStore::List(const OpContext& ctx, std::string_view prefix,
                                  const ListOptions& options) {
  return Repeat<ListPage>(ctx, [&] { return inner_->List(ctx, prefix, options); });
}
Result<std::vector<DeleteReply>> RetryStore::Delete(const OpContext& ctx,
                                                    std::span<const Key> keys) {
  return Repeat<std::vector<DeleteReply>>(ctx, [&] { return inner_->Delete(ctx, keys); });
}

}  // namespace varve::store
