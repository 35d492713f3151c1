// The writer's half of the garbage-collection protocol.
//
// A commit reads the collector's epoch before it learns of any object it will reuse (Base), and
// again between reading the head's version and moving it (Validate). If the collector condemned
// something the commit names, the commit must not happen. docs/adr/0007 and docs/consistency.md
// give the argument; time plays no part in it.
// Threads: any.
#pragma once

#include <algorithm>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <vector>

#include "varve/exec/op_context.h"
#include "varve/exec/sync.h"
#include "varve/format/gc_state.h"
#include "varve/store/object_store.h"

namespace varve::lake {

// What a commit may not name.
struct Condemned {
  std::vector<format::ObjectId> ids;  // Of `used`, ascending.
  // Lists since the commit's base are gone: every id is suspect, and all of `used` is in `ids`.
  bool lists_gone = false;
  bool undecided = false;   // The collection that lists them may still let them off.
  uint64_t fresh_base = 0;  // For what is written from now on.

  bool Has(const format::ObjectId& id) const {
    return std::binary_search(ids.begin(), ids.end(), id);
  }
};

class GcGuard {
 public:
  explicit GcGuard(store::ObjectStore& store) : store_(store) {}

  // The first epoch whose list a commit must heed that learns of objects from now on: the current
  // one while its collection is under way, else the next. Read it before any head whose objects
  // may be reused.
  Result<uint64_t> Base(const OpContext& ctx);

  // The oldest epoch whose list is still there to be asked.
  Result<uint64_t> Oldest(const OpContext& ctx);

  // The epoch that an absent head may be born with.
  Result<uint64_t> Epoch(const OpContext& ctx);

  struct Validation {
    uint64_t epoch = 0;  // To write into the head.
    Condemned condemned;
  };
  // Call after reading the head's version and before its Cas; `used` are all objects that the
  // commit will name for the first time. When any is condemned the Cas must not be sent.
  Result<Validation> Validate(const OpContext& ctx, uint64_t base,
                              std::span<const format::ObjectId> used);

 private:
  using Ids = std::shared_ptr<const std::vector<format::ObjectId>>;
  using State = std::shared_ptr<const format::GcState>;
  struct Cached {
    store::Etag etag;
    State state;  // Null: nothing is known yet.
  };
  Result<State> ReadState(const OpContext& ctx);
  Result<Ids> ReadPart(const OpContext& ctx, const std::string& key);

  store::ObjectStore& store_;
  Mutex mutex_;
  Cached cached_;                     // Most reads are "not modified".
  std::map<std::string, Ids> parts_;  // A few, so that a lost race does not fetch them again.
};

}  // namespace varve::lake
