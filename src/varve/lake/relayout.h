// Gives versions other commit objects of the same commit id: what thinning, repair and repack do.
//
// MoveLayouts is one conditional write of the head by rule O. A version whose commit object is no
// longer the one that was replaced, because it was thinned, mended, repacked or let go meanwhile,
// stays as it is. Private to lake/. Threads: one.
#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "varve/lake/core.h"

namespace varve::lake {

// Rows for the items of `components` that `commit` still has, by component; `as`: when, by whom and
// by which policy.
std::vector<format::LetGo> LetGoRows(const format::Commit& commit,
                                     const std::vector<std::string>& components,
                                     const format::LetGo& as);

// The packs of `places` that may not be named.
std::set<format::ObjectId> CondemnedPacks(const std::map<hash::Digest, format::ChunkPlace>& places,
                                          const Condemned& condemned);

// Writes `commit` under a fresh name. `logical`: as it was read, so that its commit id stays;
// kInternal, with nothing written, when it would not be `commit_id`. `target`: for the session.
struct WrittenCommit {
  format::ObjectId meta_id;
  uint64_t object_bytes = 0;
  std::vector<std::string> let_go;  // Components.
};
Result<WrittenCommit> WriteAnew(const OpContext& ctx, Core& core, const std::string& target,
                                const format::Commit& commit, const format::LogicalBytes& logical,
                                const hash::Digest& commit_id);

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
