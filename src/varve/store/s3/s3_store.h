// A lake's objects in a bucket of S3 or a server that speaks its protocol.
//
// One request per call. Bodies are signed as UNSIGNED-PAYLOAD on TLS and on loopback, by SHA-256 on
// other plain HTTP; every PUT carries a CRC-64/NVME that the store may verify. ETags are opaque and
// kept without quotes, since some servers match only that form.
// Threads: any. Errors name the cause and what to do, never a secret or a signed URL.
#pragma once

#include "varve/http/transport.h"
#include "varve/store/object_store.h"
#include "varve/store/s3/config.h"

namespace varve::store {

class S3Store final : public ObjectStore {
 public:
  static Result<std::unique_ptr<S3Store>> Open(const std::string& url);  // s3://bucket/prefix
  explicit S3Store(S3Config config) : config_(std::move(config)) {}

  std::string Describe() const override { return "s3://" + config_.bucket + "/" + config_.prefix; }
  std::string Endpoint() const override { return config_.endpoint; }
  Features features() const override {
    return {.conditional_create = true,
            .conditional_swap = true,
            .multipart = false,
            .server_checksums = false,
            .buffered_bytes = http::kBufferedBytesPerRequest};
  }
  Result<ObjectInfo> Head(const OpContext& ctx, const Key& key) override;
  Result<GetReply> Get(const OpContext& ctx, const Key& key, const GetOptions& options) override;
  Result<ObjectInfo> GetRange(const OpContext& ctx, const Key& key, uint64_t offset,
                              MutableByteView into) override;
  Result<ObjectInfo> PutNew(const OpContext& ctx, const Key& key, ByteView body) override;
  Result<ObjectInfo> Cas(const OpContext& ctx, const Key& key, ByteView body,
                         const std::optional<Etag>& expected) override;
  Result<ListPage> List(const OpContext& ctx, std::string_view prefix,
                        const ListOptions& options) override;
  Result<std::vector<DeleteReply>> Delete(const OpContext& ctx, std::span<const Key> keys) override;

 private:
  struct Call {
    std::string method;
    std::string key;  // Below the prefix; empty: the bucket itself.
    std::map<std::string, std::string> query;
    std::map<std::string, std::string> headers;
    ByteView body;
    MutableByteView into;
  };
  // With `maybe_sent` the request reaches the server at most once; see http::Transport::Send.
  Result<http::Reply> Send(const OpContext& ctx, const Call& call, bool* maybe_sent = nullptr);
  Status DeleteOne(const OpContext& ctx, const Key& key);
  Error ErrorOf(const http::Reply& reply, const Call& call) const;
  const S3Config config_;
  http::Transport transport_;
};

}  // namespace varve::store
