// The one place that repeats requests: reads, lists, deletes, and puts of never-used names. A Cas
// is never repeated here; only the commit protocol knows how to read its answer.
//
// Full-jitter backoff, at most tries_max tries, and a token bucket shared by all requests of the
// store, so that an outage does not multiply the load.
// Threads: any.
#pragma once

#include <atomic>

#include "varve/store/forwarding.h"

namespace varve::store {

struct RetryOptions {
  int tries_max = 8;
  int64_t backoff_ms = 50;             // Doubles per try.
  int64_t throttle_backoff_ms = 1000;  // After kThrottled.
  int64_t backoff_max_ms = 20'000;
  int64_t tokens = 500;  // A retry costs 5, a success gives 1 back.
};

class RetryStore final : public ForwardingStore {
 public:
  RetryStore(std::shared_ptr<ObjectStore> inner, RetryOptions options = {})
      : ForwardingStore(std::move(inner)), options_(options), tokens_(options.tokens) {}
  Result<ObjectInfo> Head(const OpContext& ctx, const Key& key) override;
  Result<GetReply> Get(const OpContext& ctx, const Key& key, const GetOptions& options) override;
  Result<ObjectInfo> GetRange(const OpContext& ctx, const Key& key, uint64_t offset,
                              MutableByteView into) override;
  Result<ObjectInfo> PutNew(const OpContext& ctx, const Key& key, ByteView body) override;
  Result<ListPage> List(const OpContext& ctx, std::string_view prefix,
                        const ListOptions& options) override;
  Result<std::vector<DeleteReply>> Delete(const OpContext& ctx, std::span<const Key> keys) override;

 private:
  template <typename T, typename Call>
  Result<T> Repeat(const OpContext& ctx, const Call& call);
  const RetryOptions options_;
  std::atomic<int64_t> tokens_;
};

}  // namespace varve::store
