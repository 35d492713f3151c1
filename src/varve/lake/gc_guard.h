// The writer's half of the garbage-collection protocol.
//
// A commit reads the collector's epoch before it learns of any object it will reuse (Base), and
// again between reading the head's version and moving it (Validate). If the collector condemned
// something the commit names, the commit must not happen. docs/adr and docs/format.md (Collector)
// give the argument; time plays no part in it.
// Threads: any.
#pragma once

#include <cstdint>
#include <map>
#include <mutex>
#include <optional>
#include <span>
#include <vector>

#include "varve/exec/op_context.h"
#include "varve/format/control.h"
#include "varve/store/object_store.h"

namespace varve::lake {

class GcGuard {
 public:
  explicit GcGuard(store::ObjectStore& store) : store_(store) {}

  // The current epoch. Read it before any head whose objects may be reused.
  Result<uint64_t> Base(const OpContext& ctx);

  // Call after reading the head's version and before its Cas; `used` are all objects that the
  // commit will name. Returns the epoch to write into the head. Errors: kConflict when one of
  // `used` is condemned, or when lists since `base` are gone: the save must be done again.
  Result<uint64_t> Validate(const OpContext& ctx, uint64_t base,
                            std::span<const format::ObjectId> used);

 private:
  Result<format::GcState> ReadState(const OpContext& ctx);

  store::ObjectStore& store_;
  std::mutex mutex_;
  std::optional<store::Etag> etag_;  // Of the cached state: most reads are "not modified".
  format::GcState state_;
};

}  // namespace varve::lake
