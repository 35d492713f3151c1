// The doctor: whether several writers may share a lake on this store, found out by trying.
//
// Probes conditions one by one and in races of kRacers with a look at what is there afterwards,
// reads, listings, the clock, and what the store finds out of itself (ObjectStore::Inspect);
// plan/store_verdict judges. Works beside a lake under names of its own, probe/<random>/..., and
// deletes them: the one deleting outside of garbage collection, and only of what it wrote itself.
// Threads: call from any; blocks, and runs kRacers threads of its own.
// Cancel: deletes what it wrote, then returns kCancelled. Killed: its objects stay until a doctor
// finds them a day later; nothing reads them.
// Errors: when the store cannot be asked (no such bucket, no access, no answer): then nothing is
// concluded and nothing stored.
#pragma once

#include <cstdint>
#include <string>

#include "varve/exec/op_context.h"
#include "varve/plan/store_verdict.h"
#include "varve/store/object_store.h"

namespace varve::lake {

inline constexpr uint32_t kRacers = 16;

struct DoctorOptions {
  // What `varve init` runs: what a commit stands on, and the store's own races.
  bool essential_only = false;
  // A server without a lock loses some three of four additions, and lets two win once in seven
  // rounds; see docs/stores.md.
  uint32_t race_rounds = 20;
  uint32_t counter_steps = 15;  // Additions that each racer tries.
};

struct DoctorReport {
  std::string place;  // ObjectStore::Describe().
  plan::StoreVerdict verdict;
  bool lake_found = false;
  bool stored = false;     // The lake's descriptor holds the verdict now.
  std::string not_stored;  // Why not, when a lake was found.
  double seconds = 0;
};

// Probes, and stores the verdict in the descriptor of the lake that is there, if one is.
Result<DoctorReport> Examine(const OpContext& ctx, store::ObjectStore& store,
                             const DoctorOptions& options = {});

}  // namespace varve::lake
