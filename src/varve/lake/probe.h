// The observations of the doctor, one function per group. Private to lake/.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "varve/exec/parallel.h"
#include "varve/format/control.h"
#include "varve/lake/doctor.h"

namespace varve::lake {

inline constexpr std::string_view kProbePrefix = "probe/";

class Probe {
 public:
  Probe(const OpContext& ctx, store::ObjectStore& store);

  // Each appends to observations(). An error means that nothing can be concluded.
  Status Conditions();  // probe_conditions.cc: also writes and reads of what was just written.
  Status Races(const DoctorOptions& options);  // probe_races.cc
  Status Reads();                              // probe_reads.cc, to the end of the class
  Status Listings();
  Status Deletes();
  Status Speed();
  void Service(store::ObjectStore::InspectScope scope);  // What the store finds out of itself.
  // Deletes every object of this probe, also after a cancel, and leftovers of probes that died.
  void CleanUp();

  std::vector<plan::Observation>& observations() { return seen_; }

 private:
  store::Key Name(const std::string& name);  // A name of this probe; remembered for CleanUp.
  void Observe(std::string check, bool good, const char* otherwise, std::string evidence);
  Result<plan::RaceRound> Race(ThreadPool& pool, const store::Key& key,
                               const std::optional<store::Etag>& expected);
  Status Counter(ThreadPool& pool, uint32_t steps);

  const OpContext& ctx_;
  store::ObjectStore& store_;
  const std::string scratch_;  // "probe/<16 hex letters>/"
  std::vector<store::Key> written_;
  std::vector<plan::Observation> seen_;
  int64_t store_time_ms_ = 0;
};

// Runs the probe, cleans up, judges.
Result<plan::StoreVerdict> ProbeStore(const OpContext& ctx, store::ObjectStore& store,
                                      const DoctorOptions& options);
// What the descriptor keeps of a verdict. `store_time_ms`: the store's clock, or 0.
format::ProbeRecord ProbeRecordOf(const OpContext& ctx, const plan::StoreVerdict& verdict,
                                  int64_t store_time_ms);

// What a new lake writes into its descriptor; none where the store needs no probe. kUnsupported,
// with the reason, when several writers would not be safe and `single_writer` is not set.
Result<std::optional<format::ProbeRecord>> ProbeForInit(const OpContext& ctx,
                                                        store::ObjectStore& store,
                                                        bool single_writer);
// Whether the descriptor was written long after the probe it tells of: then it was copied here from
// another store, of which it tells.
bool CopiedSinceProbe(const format::Descriptor& descriptor, const store::ObjectInfo& info);

// Whether `error` says that the store could not be asked at all, rather than how it behaves.
bool CannotAsk(const Error& error);

}  // namespace varve::lake
