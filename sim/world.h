// One run: a seed's processes, buckets, weather and oracles. Threads: one.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "sim/faults.h"
#include "sim/fiber/scheduler.h"
#include "sim/oracle.h"
#include "sim/store/bucket.h"
#include "sim/store/link.h"
#include "sim/trace.h"
#include "varve/lake/lake.h"

namespace varve::sim {

struct Outcome {
  bool failed = false;
  std::string what;  // The first violation.
  uint64_t trace_hash = 0, events = 0, switches = 0, strikes = 0;
  uint64_t operations = 0, acknowledged = 0;
  std::vector<std::string> trace;
};

class World {
 public:
  World(const Config& config, bool recording);
  ~World();
  Outcome Run();

  // For actors.
  const Config& config() const { return config_; }
  Scheduler& scheduler() { return scheduler_; }
  Weather& weather() { return weather_; }
  Oracle& oracle() { return oracle_; }
  Oracle& copy_oracle() { return copy_oracle_; }
  Intents& intents() { return intents_; }
  Bucket& bucket() { return bucket_; }
  int64_t now_ms() const;  // The store's clock.
  void Fail(std::string what);
  bool failed() const { return outcome_.failed; }
  void Note(Process& process, std::string_view what, std::string_view where,
            std::string_view outcome);
  void CountOperation(bool acknowledged);

  std::shared_ptr<store::ObjectStore> LinkTo(Process& process, Bucket& bucket);
  // A lake of this process, opened with patience; null when the process is to stop.
  std::unique_ptr<lake::Lake> OpenLake(Process& process, bool copy);
  // An error that the weather explains. Reports any other as a violation.
  bool Explained(const Error& error, bool healed_before, std::string_view operation,
                 std::initializer_list<ErrorCode> expected);

 private:
  void Prepare(Process& process);
  void StartActor(Actor actor, uint32_t incarnation, uint32_t operations_done);
  void StartKiller();
  void Deepen(Process& process);
  void Drain();
  void CheckRepeats();  // I11: what is sent is at most 1.5 times what is asked for, and a little.
  // When all is well again and everybody is done: two collections leave nothing but what lives.
  void CollectLast();

  const Config config_;
  Trace trace_;
  SeededRandom root_;
  Scheduler scheduler_;
  Weather weather_;
  Bucket bucket_, copy_bucket_;
  Intents intents_;
  Oracle oracle_, copy_oracle_;
  struct Way {
    std::shared_ptr<Link> link;
    std::shared_ptr<Asked> asked;
  };
  std::vector<Way> ways_;                  // Requests may outlive their process.
  std::vector<uint32_t> operations_done_;  // By actor, over its incarnations.
  Outcome outcome_;
};

}  // namespace varve::sim
