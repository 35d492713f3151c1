// What keeps objects alive: the heads, and through them history nodes, commit objects and packs.
//
// Fails closed: a ref of an unknown kind, a head or node that does not parse, an object that only a
// newer collector may judge, all are errors. Threads: any; holds a cache of history nodes.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "varve/exec/sync.h"
#include "varve/format/gc_state.h"
#include "varve/lake/core.h"

namespace varve::lake {

class GcRoots {
 public:
  // `now_ms`: the store's clock, for what is let go until a date. `refs_min`: how many heads there
  // were; heads never go away, so a listing of fewer is not to be believed.
  GcRoots(Core& core, int64_t now_ms, uint64_t refs_min)
      : core_(core), now_ms_(now_ms), refs_min_(refs_min) {}

  // The names behind all refs, ascending. kUnsupported on a ref that this build does not know,
  // kCorrupt when there are too few.
  Result<std::vector<std::string>> List(const OpContext& ctx);

  // A commit object that a head names, and why.
  struct Named {
    format::ObjectId meta_id;
    uint64_t version = 0;
    bool live = false;      // Else: let go, and nothing brings it back.
    bool moved = false;     // Not live, since the version has another layout.
    bool full = false;      // Live as what a thinned version may get back.
    bool laid_out = false;  // Named by a layout, not by the entry.
    hash::Digest commit_id;
    int64_t time_ms = 0;  // Of the version.
  };
  struct Head {
    std::vector<format::ObjectId> nodes;  // Of its history.
    std::vector<Named> commits;
    uint64_t versions = 0;  // Live ones.
  };
  Result<Head> Walk(const OpContext& ctx, const format::Head& head);

  // The packs of a commit object. kNotFound when it is gone.
  Result<std::vector<format::PackRow>> Packs(const OpContext& ctx, const format::ObjectId& meta_id);

 private:
  using Node = std::shared_ptr<const format::HistoryNode>;
  Result<Node> ReadNode(const OpContext& ctx, const format::HistoryLink& link);

  Core& core_;
  const int64_t now_ms_;
  const uint64_t refs_min_;
  Mutex mutex_;
  std::map<format::ObjectId, Node> nodes_;  // Immutable, so kept from mark to fence.
};

}  // namespace varve::lake
