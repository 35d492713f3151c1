// Credentials shared by all requests of a store: fetched once however many threads ask, renewed
// before they end, and kept when a renewal fails, so that an instance whose metadata service is
// already gone can still finish its last save.
// Threads: any; the first one that finds a renewal due does it, the others go on with the old set.
#pragma once

#include <memory>
#include <mutex>
#include <string>

#include "varve/exec/sync.h"
#include "varve/store/s3/credentials/provider.h"

namespace varve::store {

class CredentialCache {
 public:
  static constexpr int64_t kRenewEarlyMs = 5 * 60 * 1000;
  static constexpr int64_t kRenewJitterMs = 60 * 1000;  // Ranks of one job do not ask at once.
  static constexpr int64_t kRetryAfterMs = 30 * 1000;  // Between two renewals while a set is valid.

  explicit CredentialCache(std::unique_ptr<Provider> provider) : provider_(std::move(provider)) {}
  static std::shared_ptr<CredentialCache> Fixed(Credentials credentials);

  // The provider's error only where there is no set at all. Waits for the one fetch under way, not
  // past the context's deadline.
  Result<std::shared_ptr<const Credentials>> Get(const OpContext& ctx);

  // A server refused `refused`: fetches anew, unless another thread did so meanwhile or just now.
  // Equal to `refused` when there is nothing newer.
  Result<std::shared_ptr<const Credentials>> Renew(const OpContext& ctx,
                                                   const Credentials& refused);

  std::string last_failure() const;  // Why the last renewal failed; empty when it did not.

 private:
  using Lock = std::unique_lock<Mutex>;
  Result<std::shared_ptr<const Credentials>> Fetch(const OpContext& ctx, Lock& lock);
  Status WaitForFetch(const OpContext& ctx, Lock& lock);

  const std::unique_ptr<Provider> provider_;
  mutable Mutex mutex_;
  CondVar fetched_;
  // All below: guarded by mutex_.
  bool fetching_ = false;
  std::shared_ptr<const Credentials> current_;
  int64_t renew_at_ms_ = 0, retry_at_ns_ = 0;  // Wall, steady.
  std::optional<Error> last_failure_;
};

}  // namespace varve::store
