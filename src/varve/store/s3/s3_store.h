// A lake's objects in a bucket of S3 or a server that speaks its protocol.
//
// One request per call, but where a comment says otherwise. ETags are opaque and kept without
// quotes, since some servers match only that form. Every body carries a checksum; what the server
// says of it in its answer is compared.
// Threads: any. Errors name the cause and what to do, never a secret or a signed URL.
#pragma once

#include <atomic>

#include "varve/store/object_store.h"
#include "varve/store/s3/client.h"
#include "varve/store/s3/config.h"

namespace varve::store {

class S3Store final : public ObjectStore {
 public:
  static Result<std::unique_ptr<S3Store>> Open(const std::string& url);  // s3://bucket/prefix
  explicit S3Store(S3Config config) : client_(std::move(config)) {}

  std::string Describe() const override {
    return "s3://" + client_.config().bucket + "/" + client_.config().prefix;
  }
  std::string Endpoint() const override {
    return EndpointOf(client_.config(), client_.config().region);
  }
  // server_checksums: an answer has repeated the checksum of a body.
  Features features() const override;
  Placement placement() const override { return PlacementOf(client_.config()); }
  double WaitShare() const override { return client_.transport().WaitShare(); }
  Result<ObjectInfo> Head(const OpContext& ctx, const Key& key) override;
  Result<GetReply> Get(const OpContext& ctx, const Key& key, const GetOptions& options) override;
  Result<ObjectInfo> GetRange(const OpContext& ctx, const Key& key, uint64_t offset,
                              MutableByteView into) override;
  Result<ObjectInfo> GetPieces(const OpContext& ctx, const Key& key, uint64_t offset,
                               uint64_t bytes, const TakePiece& take) override;
  Result<ObjectInfo> PutNew(const OpContext& ctx, const Key& key, ByteView body) override;
  // Up to three requests where a refused swap leaves open whether the server wants its etags
  // quoted: a HEAD, and the swap in the other form.
  Result<ObjectInfo> Cas(const OpContext& ctx, const Key& key, ByteView body,
                         const std::optional<Etag>& expected) override;
  Result<ListPage> List(const OpContext& ctx, std::string_view prefix,
                        const ListOptions& options) override;
  // One request, or one per key where the server knows no other. Keys that are locked or denied are
  // told one by one.
  Result<std::vector<DeleteReply>> Delete(const OpContext& ctx, std::span<const Key> keys) override;
  std::unique_ptr<ObjectStore> Above(uint32_t levels) const override;
  std::vector<Fact> Inspect(const OpContext& ctx, const Key& scratch, InspectScope scope) override;

  Result<std::string> CreateMultipart(const OpContext& ctx, const Key& key) override;
  Result<PartReply> PutPart(const OpContext& ctx, const Key& key, const std::string& upload_id,
                            uint32_t part_number, ByteView body) override;
  Result<PartPage> ListParts(const OpContext& ctx, const Key& key, const std::string& upload_id,
                             uint32_t after) override;
  // The completion, and a HEAD that decides; the list of parts where both leave it open. All once
  // more, without checksums, where the server does not know them in a completion.
  Result<ObjectInfo> CompleteMultipart(const OpContext& ctx, const Key& key,
                                       const std::string& upload_id,
                                       std::span<const PartReply> parts) override;
  // Several requests: until no part is left, at most kAbortTriesMax times.
  Status AbortMultipart(const OpContext& ctx, const Key& key,
                        const std::string& upload_id) override;
  Result<UploadPage> ListUploads(const OpContext& ctx, std::string_view prefix,
                                 const std::string& token) override;
  Result<Secret> Presign(const OpContext& ctx, const PresignRequest& request) override;

  static constexpr int kAbortTriesMax = 5;

 private:
  Result<ObjectInfo> ReadRange(const OpContext& ctx, Call call, uint64_t offset, uint64_t bytes);
  Result<ObjectInfo> Swap(const OpContext& ctx, const Key& key, ByteView body,
                          const std::string& if_match);
  Result<ObjectInfo> WrittenInfo(const Answer& answer, const Call& call);
  Result<ObjectInfo> LookAtCompleted(const OpContext& ctx, const Key& key,
                                     std::span<const PartReply> parts);
  Result<ObjectInfo> CompleteOnce(const OpContext& ctx, const Key& key,
                                  const std::string& upload_id, std::span<const PartReply> parts,
                                  bool sums, bool& refused);
  Status DeleteOne(const OpContext& ctx, const Key& key);
  Client client_;
  std::atomic<bool> server_checksums_{false};
};

}  // namespace varve::store
