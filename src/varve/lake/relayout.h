// Gives versions other commit objects of the same commit id: what repair and repack end with.
//
// One conditional write of the head by rule O. A version whose commit object is no longer the one
// that was replaced, because it was thinned, mended, repacked or let go meanwhile, stays as it is.
// Private to lake/. Threads: one.
#pragma once

#include <string>
#include <vector>

#include "varve/lake/core.h"

namespace varve::lake {

struct Relay {
  uint64_t version = 0;
  format::ObjectId from, to;  // Commit objects.
  bool laid_out = false;  // `from` is named by a layout; else by the entry, which never changes.
  bool full = false;      // It is what a thinned version may get back.
  std::vector<std::string> let_go;  // Of `to`; unless it is full, what the version lacks from now.
};

// Which of them the head of `name` has as it was written. `used`: every object that it names for
// the first time. Errors as those of Heads::Commit; `condemned` too.
Result<std::vector<bool>> MoveLayouts(const OpContext& ctx, Core& core, const std::string& name,
                                      uint64_t base_epoch, const std::vector<Relay>& relays,
                                      const std::vector<format::ObjectId>& used,
                                      Condemned* condemned);

}  // namespace varve::lake
