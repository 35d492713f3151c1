// Reading and moving artifact heads: the commit protocol (docs/format.md, Commit).
//
// Rule O: the head's version first, the collector's state second, the conditional write third; all
// three again after every lost race. A conditional write whose answer is lost is resolved by
// reading the head: found means done, moved on means not done, else the same bytes are sent again.
// Nothing is ever deleted here. Threads: any.
#pragma once

#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "varve/exec/op_context.h"
#include "varve/format/head.h"
#include "varve/lake/gate_watch.h"
#include "varve/lake/gc_guard.h"
#include "varve/lake/id_source.h"
#include "varve/store/object_store.h"

namespace varve::lake {

inline constexpr int kCommitRacesMax = 10'000;  // Lost races before giving up with kConflict.
inline constexpr int kUnknownTriesMax = 10;     // Lost answers in a row before kUnknownOutcome.
// Refusals of one and the same version of a head before the store is not believed. Two: a server
// may refuse once because of a write that it then drops.
inline constexpr int kSameRefusalsMax = 2;

// After a conditional write: it may have landed, only reading tells.
bool Ambiguous(ErrorCode code);

struct HeadSnapshot {
  format::Head head;
  store::Etag etag;
  int64_t store_time_ms = 0;  // The store's clock when it was read; 0: the store did not say.
};

// The store's clock, as an answer told it; ours where it did not say.
inline int64_t StoreNow(const OpContext& ctx, int64_t store_time_ms) {
  return store_time_ms != 0 ? store_time_ms : ctx.clock().WallMs();
}
inline int64_t StoreNow(const OpContext& ctx, const HeadSnapshot& snapshot) {
  return StoreNow(ctx, snapshot.store_time_ms);
}

class Heads {
 public:
  Heads(store::ObjectStore& store, GcGuard& guard, IdSource& ids)
      : store_(store), guard_(guard), ids_(ids) {}

  // kNotFound when there is no such head. Deleted heads are found, with their state.
  Result<HeadSnapshot> Read(const OpContext& ctx, std::string_view name);

  // Version `version` of the head, also when it was folded into history, with the commit object of
  // its layout. kNotFound.
  Result<format::VersionEntry> Find(const OpContext& ctx, const format::Head& head,
                                    uint64_t version);
  // The newest `limit` entries, newest first, the same way.
  Result<std::vector<format::VersionEntry>> Newest(const OpContext& ctx, const format::Head& head,
                                                   size_t limit);

  struct Change {
    std::string name;
    std::string create_type;  // Non-empty: an absent head is created (empty, then changed).
    uint64_t base_epoch = 0;  // From GcGuard::Base, read before anything reused was learned.
    std::vector<format::ObjectId> used;  // Every object the new head will name for the first time.
    // Edits the head, or returns an error to stop. Runs once per attempt on a fresh copy; must be
    // idempotent, since an attempt whose answer was lost may have landed.
    std::function<Status(format::Head&)> edit;
    // True when `head` already holds this change as `edit` last made it; asked after a lost answer.
    std::function<Result<bool>(const format::Head&)> done;
  };
  // Returns the head as it was written (or found done). Errors: kUnknownOutcome naming the
  // artifact: the change may have landed or may still. Any other (the edit's, kConflict, a deadline
  // or cancel before the write was sent): it did not land and never will. kUnsupported: the store
  // refuses to move a head that nobody else moved.
  // kConflict with `condemned` filled: the collector condemned objects that the change names; write
  // those under fresh ids and commit again.
  Result<format::Head> Commit(const OpContext& ctx, const Change& change,
                              Condemned* condemned = nullptr);

  // For a collector: rewrites the head as read, with a fresh nonce and `epoch`, so that whatever
  // was prepared on the version read loses its Cas. One try; the errors of ObjectStore::Cas.
  Status Touch(const OpContext& ctx, const HeadSnapshot& snapshot, uint64_t epoch);

 private:
  // `in_doubt` on an error: a write was sent, and nothing says that it can land no more.
  Result<format::Head> TryCommit(const OpContext& ctx, const Change& change, Condemned* condemned,
                                 bool& in_doubt);
  Result<HeadSnapshot> ReadOrCreate(const OpContext& ctx, const Change& change, bool may_create);
  Status Fold(const OpContext& ctx, format::Head& head, std::vector<format::ObjectId>& used);
  Error RefusesWithoutReason(const std::string& name);
  Status CheckFork(const format::Head& head);
  void Remember(const format::Head& head);

  store::ObjectStore& store_;
  GcGuard& guard_;
  IdSource& ids_;
  GateWatch gate_{store_};
  std::mutex mutex_;
  std::map<std::string, format::VersionEntry> acknowledged_;  // By artifact: our newest commit.
};

}  // namespace varve::lake
