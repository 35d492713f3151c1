// Hands out object ids, reserving each block of them in the bucket before the first is used, so
// that the names a dead writer may have created can be enumerated without a listing.
//
// Every block is an immutable object of its own (sess/<session>-<block>): nothing is overwritten.
// Threads: any. Errors: those of ObjectStore::PutNew.
#pragma once

#include <cstdint>

#include "varve/exec/op_context.h"
#include "varve/exec/sync.h"
#include "varve/format/object_id.h"
#include "varve/store/object_store.h"

namespace varve::lake {

inline constexpr uint32_t kIdsPerBlock = 65'536;

class IdSource {
 public:
  explicit IdSource(store::ObjectStore& store) : store_(store) {}
  // `target` is for people who look at the reservation: what is being written.
  Result<format::ObjectId> Next(const OpContext& ctx, const std::string& target);

 private:
  store::ObjectStore& store_;
  Mutex mutex_;                // Held while a block is reserved.
  uint64_t session_ = 0;       // 0: nothing reserved yet.
  uint32_t next_counter_ = 0;  // Guarded by mutex_, as all below.
  uint32_t reserved_end_ = 0;  // One past the last reserved counter.
  int64_t owner_pid_ = 0;      // A forked child starts a session of its own.
};

}  // namespace varve::lake
