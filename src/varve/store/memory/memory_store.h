// Objects in this process's memory: for tests and simulation. Strict: it refuses what a real store
// would refuse. Threads: any.
#pragma once

#include <map>
#include <mutex>

#include "varve/store/object_store.h"

namespace varve::store {

class MemoryStore final : public ObjectStore {
 public:
  std::string Describe() const override { return "memory:"; }
  Features features() const override {
    return {.conditional_create = true,
            .conditional_swap = true,
            .multipart = true,
            .server_checksums = false};
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

  // Flips one bit of a stored object, as a failing disk would. For tests.
  bool Damage(const std::string& key, uint64_t offset);

 private:
  struct Object {
    Bytes body;
    ObjectInfo info;
  };
  struct Upload {
    Key key;
    int64_t started_ms = 0;
    std::map<uint32_t, Object> parts;  // By number.
  };
  Object& Store(const OpContext& ctx, const Key& key, ByteView body);
  Result<Upload*> Find(const char* operation, const Key& key, const std::string& upload_id);
  std::mutex mutex_;
  std::map<std::string, Object> objects_;  // Guarded by mutex_.
  std::map<std::string, Upload> uploads_;  // Guarded by mutex_. By upload id.
  uint64_t writes_ = 0;                    // Guarded by mutex_.
};

}  // namespace varve::store
