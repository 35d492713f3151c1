// The one place that repeats requests: reads, lists, deletes, and puts of never-used names. A Cas
// is never repeated here; only the commit protocol knows how to read its answer.
//
// A put that finds its name taken reads the object back: an earlier try may have landed without an
// answer, so equal bytes are success and other bytes kAlreadyExists.
// Full-jitter backoff, at most tries_max tries, and one budget for all stores of the process on an
// endpoint, so that an outage does not multiply the load. An endpoint that never answered this
// process is given up after about a second and the try then under way: its address may be wrong. A
// store that says SlowDown gets fewer at once under that prefix (pacer.h). Threads: any.
#pragma once

#include <memory>
#include <string>

#include "varve/store/forwarding.h"
#include "varve/store/retry/pacer.h"

namespace varve::store {

struct RetryOptions {
  int tries_max = 8;
  // After kThrottled: a storm that refuses 30 % of all requests ends one in two million of them.
  int throttled_tries_max = 12;
  int64_t backoff_ms = 50;             // Doubles per try.
  int64_t throttle_backoff_ms = 1000;  // After kThrottled.
  int64_t backoff_max_ms = 20'000;
};

class RetryStore final : public ForwardingStore {
 public:
  // `pacer`: none for the one that all stores on this endpoint share.
  RetryStore(std::shared_ptr<ObjectStore> inner, RetryOptions options = {},
             std::shared_ptr<Pacer> pacer = nullptr)
      : ForwardingStore(std::move(inner)),
        options_(options),
        pacer_(pacer != nullptr ? std::move(pacer) : Pacer::OfEndpoint(inner_->Endpoint())) {}
  Result<ObjectInfo> Head(const OpContext& ctx, const Key& key) override;
  Result<GetReply> Get(const OpContext& ctx, const Key& key, const GetOptions& options) override;
  Result<ObjectInfo> GetRange(const OpContext& ctx, const Key& key, uint64_t offset,
                              MutableByteView into) override;
  Result<ObjectInfo> GetPieces(const OpContext& ctx, const Key& key, uint64_t offset,
                               uint64_t bytes, const TakePiece& take) override;
  Result<ObjectInfo> PutNew(const OpContext& ctx, const Key& key, ByteView body) override;
  Result<ListPage> List(const OpContext& ctx, std::string_view prefix,
                        const ListOptions& options) override;
  Result<std::vector<DeleteReply>> Delete(const OpContext& ctx, std::span<const Key> keys) override;
  std::unique_ptr<ObjectStore> Above(uint32_t levels) const override;

  Result<std::string> CreateMultipart(const OpContext& ctx, const Key& key) override;
  Result<PartReply> PutPart(const OpContext& ctx, const Key& key, const std::string& upload_id,
                            uint32_t part_number, ByteView body) override;
  Result<PartPage> ListParts(const OpContext& ctx, const Key& key, const std::string& upload_id,
                             uint32_t after) override;
  Result<ObjectInfo> CompleteMultipart(const OpContext& ctx, const Key& key,
                                       const std::string& upload_id,
                                       std::span<const PartReply> parts) override;
  Status AbortMultipart(const OpContext& ctx, const Key& key,
                        const std::string& upload_id) override;
  Result<UploadPage> ListUploads(const OpContext& ctx, std::string_view prefix,
                                 const std::string& token) override;

 private:
  template <typename T, typename Call>
  Result<T> Repeat(const OpContext& ctx, const std::string& lane, const Call& call);
  const RetryOptions options_;
  const std::shared_ptr<Pacer> pacer_;  // With all stores on this endpoint.
};

}  // namespace varve::store
