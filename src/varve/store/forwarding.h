// Base of the stores that wrap another one: every request goes through. GetPieces does so as
// GetRange, so that whoever overrides that one sees all reads. Threads: as the inner store.
#pragma once

#include <memory>

#include "varve/store/object_store.h"

namespace varve::store {

class ForwardingStore : public ObjectStore {
 public:
  explicit ForwardingStore(std::shared_ptr<ObjectStore> inner) : inner_(std::move(inner)) {}
  std::string Describe() const override { return inner_->Describe(); }
  std::string Endpoint() const override { return inner_->Endpoint(); }
  Features features() const override { return inner_->features(); }
  Placement placement() const override { return inner_->placement(); }
  double WaitShare() const override { return inner_->WaitShare(); }
  Result<ObjectInfo> Head(const OpContext& ctx, const Key& key) override {
    return inner_->Head(ctx, key);
  }
  Result<GetReply> Get(const OpContext& ctx, const Key& key, const GetOptions& options) override {
    return inner_->Get(ctx, key, options);
  }
  Result<ObjectInfo> GetRange(const OpContext& ctx, const Key& key, uint64_t offset,
                              MutableByteView into) override {
    return inner_->GetRange(ctx, key, offset, into);
  }
  Result<ObjectInfo> PutNew(const OpContext& ctx, const Key& key, ByteView body) override {
    return inner_->PutNew(ctx, key, body);
  }
  Result<ObjectInfo> Cas(const OpContext& ctx, const Key& key, ByteView body,
                         const std::optional<Etag>& expected) override {
    return inner_->Cas(ctx, key, body, expected);
  }
  Result<ListPage> List(const OpContext& ctx, std::string_view prefix,
                        const ListOptions& options) override {
    return inner_->List(ctx, prefix, options);
  }
  Result<std::vector<DeleteReply>> Delete(const OpContext& ctx,
                                          std::span<const Key> keys) override {
    return inner_->Delete(ctx, keys);
  }
  std::unique_ptr<ObjectStore> Above(uint32_t levels) const override {
    return inner_->Above(levels);
  }
  Result<std::string> CreateMultipart(const OpContext& ctx, const Key& key) override {
    return inner_->CreateMultipart(ctx, key);
  }
  Result<PartReply> PutPart(const OpContext& ctx, const Key& key, const std::string& upload_id,
                            uint32_t part_number, ByteView body) override {
    return inner_->PutPart(ctx, key, upload_id, part_number, body);
  }
  Result<PartPage> ListParts(const OpContext& ctx, const Key& key, const std::string& upload_id,
                             uint32_t after) override {
    return inner_->ListParts(ctx, key, upload_id, after);
  }
  Result<ObjectInfo> CompleteMultipart(const OpContext& ctx, const Key& key,
                                       const std::string& upload_id,
                                       std::span<const PartReply> parts) override {
    return inner_->CompleteMultipart(ctx, key, upload_id, parts);
  }
  Status AbortMultipart(const OpContext& ctx, const Key& key,
                        const std::string& upload_id) override {
    return inner_->AbortMultipart(ctx, key, upload_id);
  }
  Result<UploadPage> ListUploads(const OpContext& ctx, std::string_view prefix,
                                 const std::string& token) override {
    return inner_->ListUploads(ctx, prefix, token);
  }
  Result<Secret> Presign(const OpContext& ctx, const PresignRequest& request) override {
    return inner_->Presign(ctx, request);
  }
  std::vector<Fact> Inspect(const OpContext& ctx, const Key& scratch, InspectScope scope) override {
    return inner_->Inspect(ctx, scratch, scope);
  }

 protected:
  std::shared_ptr<ObjectStore> inner_;
};

}  // namespace varve::store
