#include "varve/store/s3/credentials/credential_cache.h"

#include <algorithm>

namespace varve::store {
namespace {

constexpr int64_t kNsPerMs = 1'000'000;
constexpr int64_t kWaitSliceMs = 200;  // How late a cancel may end the waiting.

class FixedProvider final : public Provider {
 public:
  explicit FixedProvider(Credentials credentials) : credentials_(std::move(credentials)) {}
  Result<std::optional<Credentials>> Fetch(const OpContext&) override {
    return std::optional(credentials_);
  }

 private:
  const Credentials credentials_;
};

}  // namespace

std::shared_ptr<CredentialCache> CredentialCache::Fixed(Credentials credentials) {
  return std::make_shared<CredentialCache>(std::make_unique<FixedProvider>(std::move(credentials)));
}

Status CredentialCache::WaitForFetch(const OpContext& ctx, Lock& lock) {
  while (fetching_) {
    VARVE_CHECK_OK(ctx.Check());
    const int64_t wait_ms = std::clamp<int64_t>(ctx.LeftMs(), 1, kWaitSliceMs);
    fetched_.WaitFor(lock, wait_ms * kNsPerMs);
  }
  return ctx.Check();
}

Result<std::shared_ptr<const Credentials>> CredentialCache::Fetch(const OpContext& ctx,
                                                                  Lock& lock) {
  fetching_ = true;
  lock.unlock();
  auto fresh = provider_->Fetch(ctx);
  lock.lock();
  fetching_ = false;
  fetched_.NotifyAll();
  retry_at_ns_ = ctx.clock().SteadyNs() + kRetryAfterMs * kNsPerMs;
  if (fresh.ok() && fresh->has_value()) {
    last_failure_.reset();
    current_ = std::make_shared<const Credentials>(std::move(**fresh));
    const auto jitter_ms =
        static_cast<int64_t>(ctx.random().Between(0, static_cast<uint64_t>(kRenewJitterMs)));
    renew_at_ms_ =
        current_->expires_ms == 0 ? INT64_MAX : current_->expires_ms - kRenewEarlyMs - jitter_ms;
    return current_;
  }
  Error error = fresh.ok() ? Error(ErrorCode::kPermissionDenied, "no S3 credentials were found")
                           : std::move(fresh).error();
  last_failure_ = error;
  if (current_ != nullptr) return current_;  // The server decides whether they still count.
  return error;
}

Result<std::shared_ptr<const Credentials>> CredentialCache::Get(const OpContext& ctx) {
  Lock lock(mutex_);
  if (current_ == nullptr) {
    if (!fetching_) return Fetch(ctx, lock);
    VARVE_CHECK_OK(WaitForFetch(ctx, lock));
    if (current_ != nullptr) return current_;
    // The failure answers for all who waited, unless it was only its caller's: a cancel, a
    // deadline.
    const bool shared = last_failure_.has_value() &&
                        last_failure_->code() != ErrorCode::kCancelled &&
                        last_failure_->code() != ErrorCode::kTimeout;
    if (shared) return *last_failure_;
    return Fetch(ctx, lock);
  }
  const bool due = ctx.clock().WallMs() >= renew_at_ms_;
  const bool expired = current_->expires_ms != 0 && ctx.clock().WallMs() >= current_->expires_ms;
  if (due && fetching_ && expired) {
    VARVE_CHECK_OK(WaitForFetch(ctx, lock));
    return current_;
  }
  if (!due || fetching_ || ctx.clock().SteadyNs() < retry_at_ns_) return current_;
  return Fetch(ctx, lock);
}

Result<std::shared_ptr<const Credentials>> CredentialCache::Renew(const OpContext& ctx,
                                                                  const Credentials& refused) {
  Lock lock(mutex_);
  if (fetching_) VARVE_CHECK_OK(WaitForFetch(ctx, lock));
  if (current_ != nullptr && *current_ != refused) return current_;
  if (current_ != nullptr && ctx.clock().SteadyNs() < retry_at_ns_) return current_;
  return Fetch(ctx, lock);
}

std::string CredentialCache::last_failure() const {
  const Lock lock(mutex_);
  return last_failure_.has_value() ? last_failure_->message() : "";
}

}  // namespace varve::store
