// Notices that a newer release shut this one out of a lake that is open.
//
// Who adds a feature to the descriptor moves the collector's epoch afterwards and rewrites every
// head (docs/format.md, Collector), so a writer that asks here with the epoch it just read cannot
// commit past the feature. One read of lake.json per epoch; readers and collectors do not need it.
// Threads: any.
#pragma once

#include <atomic>
#include <cstdint>

#include "varve/exec/op_context.h"
#include "varve/store/object_store.h"

namespace varve::lake {

class GateWatch {
 public:
  explicit GateWatch(store::ObjectStore& store) : store_(store) {}

  // Call after `epoch` was read from gc/state and before the conditional write of a head.
  // kUnsupported: this release may no longer write. A descriptor that is gone shuts nobody out:
  // what can still be saved is.
  Status Check(const OpContext& ctx, uint64_t epoch);

 private:
  static constexpr uint64_t kNever = ~uint64_t{0};
  store::ObjectStore& store_;
  std::atomic<uint64_t> asked_{kNever};  // The epoch as of which writing was allowed.
};

}  // namespace varve::lake
