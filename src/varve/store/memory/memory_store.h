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
            .multipart = false,
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

  // Flips one bit of a stored object, as a failing disk would. For tests.
  bool Damage(const std::string& key, uint64_t offset);

 private:
  struct Object {
    Bytes body;
    ObjectInfo info;
  };
  Object& Store(const OpContext& ctx, const Key& key, ByteView body);
  std::mutex mutex_;
  std::map<std::string, Object> objects_;  // Guarded by mutex_.
  uint64_t writes_ = 0;                    // Guarded by mutex_.
};

}  // namespace varve::store
