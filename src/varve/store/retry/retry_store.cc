#include "varve/store/retry/retry_store.h"

#include <algorithm>

namespace varve::store {
namespace {

constexpr int64_t kFirstContactMs = 1000;

bool FromTheStore(const Error& error) {
  const ErrorCode code = error.code();
  return error.http_status() != 0 || (code != ErrorCode::kUnavailable &&
                                      code != ErrorCode::kTimeout && code != ErrorCode::kCancelled);
}

}  // namespace

// Waits for a place in the lane before each try, so that what waits holds no connection.
template <typename T, typename Call>
Result<T> RetryStore::Repeat(const OpContext& ctx, const std::string& lane, const Call& call) {
  const int64_t begun_ns = ctx.clock().SteadyNs();
  for (int attempt = 1;; ++attempt) {
    VARVE_TRY(Pacer::Place place, pacer_->Enter(ctx, lane));
    Result<T> result = call();
    if (result.ok() || FromTheStore(result.error())) pacer_->Meet();
    if (result.ok()) {
      place.Served();
      pacer_->Succeeded(attempt > 1);
      return result;
    }
    const ErrorCode code = result.error().code();
    if (code == ErrorCode::kThrottled)
      place.Throttled();
    else
      place.Ended();
    // A deadline that passed stays passed; the store's own time-outs may be tried again.
    const int tries_max =
        code == ErrorCode::kThrottled ? options_.throttled_tries_max : options_.tries_max;
    if (!Retryable(code) || attempt >= tries_max || !ctx.Check().ok()) return result;
    // Without budget, one more wait as long as any may be: others may have succeeded by then.
    const bool paid = pacer_->Spend();
    const int64_t base =
        code == ErrorCode::kThrottled ? options_.throttle_backoff_ms : options_.backoff_ms;
    const int64_t ceiling =
        std::min(options_.backoff_max_ms, paid ? base << std::min(attempt - 1, 20) : INT64_MAX);
    const auto wait_ms =
        static_cast<int64_t>(ctx.random().Between(0, static_cast<uint64_t>(ceiling)));
    // An endpoint that never answered is more likely wrong than down: say so soon.
    const int64_t spent_ms = (ctx.clock().SteadyNs() - begun_ns) / 1'000'000;
    if (!pacer_->met() && spent_ms + wait_ms > kFirstContactMs) return result;
    if (auto slept = ctx.SleepMs(wait_ms); !slept.ok()) return std::move(slept).error();
    if (!paid && !pacer_->Spend()) return result;
  }
}

Result<ObjectInfo> RetryStore::Head(const OpContext& ctx, const Key& key) {
  return Repeat<ObjectInfo>(ctx, Pacer::LaneOf(key.str(), false),
                            [&] { return inner_->Head(ctx, key); });
}
Result<GetReply> RetryStore::Get(const OpContext& ctx, const Key& key, const GetOptions& options) {
  return Repeat<GetReply>(ctx, Pacer::LaneOf(key.str(), false),
                          [&] { return inner_->Get(ctx, key, options); });
}
Result<ObjectInfo> RetryStore::GetRange(const OpContext& ctx, const Key& key, uint64_t offset,
                                        MutableByteView into) {
  return Repeat<ObjectInfo>(ctx, Pacer::LaneOf(key.str(), false),
                            [&] { return inner_->GetRange(ctx, key, offset, into); });
}
Result<ObjectInfo> RetryStore::GetPieces(const OpContext& ctx, const Key& key, uint64_t offset,
                                         uint64_t bytes, const TakePiece& take) {
  return Repeat<ObjectInfo>(ctx, Pacer::LaneOf(key.str(), false),
                            [&] { return inner_->GetPieces(ctx, key, offset, bytes, take); });
}
Result<ObjectInfo> RetryStore::PutNew(const OpContext& ctx, const Key& key, ByteView body) {
  auto put = Repeat<ObjectInfo>(ctx, Pacer::LaneOf(key.str(), true),
                                [&] { return inner_->PutNew(ctx, key, body); });
  if (put.ok() || put.error().code() != ErrorCode::kAlreadyExists) return put;
  VARVE_TRY(const bool ours, Holds(*this, ctx, key, body));
  return ours ? Head(ctx, key) : put;
}

std::unique_ptr<ObjectStore> RetryStore::Above(uint32_t levels) const {
  std::shared_ptr<ObjectStore> above = inner_->Above(levels);
  if (above == nullptr) return nullptr;
  return std::make_unique<RetryStore>(std::move(above), options_, pacer_);
}
Result<ListPage> RetryStore::List(const OpContext& ctx, std::string_view prefix,
                                  const ListOptions& options) {
  return Repeat<ListPage>(ctx, Pacer::LaneOf(prefix, false),
                          [&] { return inner_->List(ctx, prefix, options); });
}
Result<std::vector<DeleteReply>> RetryStore::Delete(const OpContext& ctx,
                                                    std::span<const Key> keys) {
  return Repeat<std::vector<DeleteReply>>(
      ctx, Pacer::LaneOf(keys.empty() ? "" : keys.front().str(), true),
      [&] { return inner_->Delete(ctx, keys); });
}

Result<std::string> RetryStore::CreateMultipart(const OpContext& ctx, const Key& key) {
  return Repeat<std::string>(ctx, Pacer::LaneOf(key.str(), true),
                             [&] { return inner_->CreateMultipart(ctx, key); });
}
Result<PartReply> RetryStore::PutPart(const OpContext& ctx, const Key& key,
                                      const std::string& upload_id, uint32_t part_number,
                                      ByteView body) {
  return Repeat<PartReply>(ctx, Pacer::LaneOf(key.str(), true),
                           [&] { return inner_->PutPart(ctx, key, upload_id, part_number, body); });
}
Result<PartPage> RetryStore::ListParts(const OpContext& ctx, const Key& key,
                                       const std::string& upload_id, uint32_t after) {
  return Repeat<PartPage>(ctx, Pacer::LaneOf(key.str(), false),
                          [&] { return inner_->ListParts(ctx, key, upload_id, after); });
}
Result<ObjectInfo> RetryStore::CompleteMultipart(const OpContext& ctx, const Key& key,
                                                 const std::string& upload_id,
                                                 std::span<const PartReply> parts) {
  return Repeat<ObjectInfo>(ctx, Pacer::LaneOf(key.str(), true),
                            [&] { return inner_->CompleteMultipart(ctx, key, upload_id, parts); });
}
Status RetryStore::AbortMultipart(const OpContext& ctx, const Key& key,
                                  const std::string& upload_id) {
  return Repeat<void>(ctx, Pacer::LaneOf(key.str(), true),
                      [&] { return inner_->AbortMultipart(ctx, key, upload_id); });
}
Result<UploadPage> RetryStore::ListUploads(const OpContext& ctx, std::string_view prefix,
                                           const std::string& token) {
  return Repeat<UploadPage>(ctx, Pacer::LaneOf(prefix, false),
                            [&] { return inner_->ListUploads(ctx, prefix, token); });
}

}  // namespace varve::store
