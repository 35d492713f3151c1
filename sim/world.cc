#include "sim/world.h"

#include <algorithm>

#include "sim/actors/actors.h"
#include "varve/format/control.h"
#include "varve/plan/pacing.h"
#include "varve/store/retry/retry_store.h"

namespace varve::sim {
namespace {

constexpr uint64_t kSwitchesMax = 400'000;  // A run that needs more does not end.
constexpr int64_t kSecondNs = 1'000'000'000;
constexpr int64_t kDayMs = 86'400'000;
constexpr uint64_t kRetryTokens = 100;  // Of each process.

Role RoleOf(Actor actor) {
  switch (actor) {
    case kSaverA:
    case kSaverB:
    case kSaverC:
    case kSaverD:
      return Role::kSaver;
    case kLoader:
    case kLoaderB:
    case kCopier:
    case kSaverRanks:  // Its ranks are processes of their own.
      return Role::kReader;
    case kCollectorA:
    case kCollectorB:
      return Role::kCollector;
    case kRepacker:
      return Role::kRepacker;
    case kRepairer:
      return Role::kRepairer;
    case kTagger:
    case kForgetter:
    case kRetainer:
    case kKeeper:
    case kRestorer:
    case kLister:  // A check that finds all well says so in the head.
    case kActors:
      break;
  }
  return Role::kEditor;
}

}  // namespace

World::World(const Config& config, bool recording)
    : config_(config),
      trace_(recording),
      root_(config.seed),
      scheduler_(root_.Fork("scheduler")),
      weather_(config_, scheduler_),
      oracle_(bucket_, intents_, true, [this](std::string what) { Fail(std::move(what)); }),
      copy_oracle_(copy_bucket_, intents_, false,
                   [this](std::string what) { Fail("copy: " + std::move(what)); }),
      operations_done_(kActors, 0) {
  bucket_.Observe(&oracle_);
  copy_bucket_.Observe(&copy_oracle_);
}
World::~World() = default;

void World::Fail(std::string what) {
  if (outcome_.failed) return;
  outcome_.failed = true;
  trace_.Note(scheduler_.now_ns(), 0, "VIOLATION", what, "");
  outcome_.what = std::move(what);
}

void World::Note(Process& process, std::string_view what, std::string_view where,
                 std::string_view outcome) {
  trace_.Note(scheduler_.now_ns(), process.number, what, where, outcome);
}

void World::CountOperation(bool acknowledged) {
  ++outcome_.operations;
  if (acknowledged) ++outcome_.acknowledged;
}

std::shared_ptr<store::ObjectStore> World::LinkTo(Process& process, Bucket& bucket) {
  const auto link = std::make_shared<Link>(scheduler_, weather_, trace_, bucket, process,
                                           &bucket == &bucket_ ? "sim://lake" : "sim://copy");
  store::RetryOptions retries;
  retries.tries_max = retries.throttled_tries_max = static_cast<int>(config_.tries_max);
  // An actor is a process: it shares its budget with no other.
  const auto repeating = std::make_shared<store::RetryStore>(
      link, retries, std::make_shared<store::Pacer>(kRetryTokens));
  ways_.push_back({link, std::make_shared<Asked>(repeating)});
  return ways_.back().asked;
}

std::unique_ptr<lake::Lake> World::OpenLake(Process& process, bool copy) {
  const lake::LakeOptions options{.cpu_threads = 1,
                                  .transfers = 2,
                                  .memory_bytes = 64 * kMiB,
                                  .compress = config_.seed % 4 == 0};
  const auto link = LinkTo(process, copy ? copy_bucket_ : bucket_);
  const OpContext ctx = process.Context();
  while (!process.dead && !failed()) {
    auto opened = lake::Lake::Open(ctx, link, options);
    if (opened.ok()) return std::move(opened).value();
    if (process.dead || !Explained(opened.error(), false, "open", {})) return nullptr;
    if (!ctx.SleepMs(1'000).ok()) return nullptr;
  }
  return nullptr;
}

bool World::Explained(const Error& error, bool healed_before, std::string_view operation,
                      std::initializer_list<ErrorCode> expected) {
  const ErrorCode code = error.code();
  if (std::find(expected.begin(), expected.end(), code) != expected.end()) return true;
  const bool weather = code == ErrorCode::kUnavailable || code == ErrorCode::kThrottled ||
                       code == ErrorCode::kUnknownOutcome;
  const bool deadline = code == ErrorCode::kTimeout && config_.Has(kDeadline);
  const bool damage = code == ErrorCode::kCorrupt && config_.Has(kDamage);
  const bool faulty = config_.faults != 0 && config_.strike_permille != 0;
  if (!healed_before && faulty && (weather || deadline || damage)) return true;
  Fail("I8 " + std::string(operation) + " failed without a cause: " + error.ToString());
  return false;
}

void World::Prepare(Process& process) {
  const OpContext ctx = process.Context();
  for (Bucket* bucket : {&bucket_, &copy_bucket_}) {
    if (bucket == &copy_bucket_ && !config_.Has(kCopier)) continue;
    const auto link = LinkTo(process, *bucket);
    const Status made = lake::Lake::Init(ctx, *link);
    if (!made.ok()) return Fail("I8 init failed: " + made.error().ToString());
  }
  if (config_.deep_history) Deepen(process);
}

// One version, then its entry again and again, until the next saves fold.
void World::Deepen(Process& process) {
  constexpr uint64_t kVersions = format::kInlineVersionsMax - 2;
  Intent& intent = intents_.New("m0");
  SaveOnce(*this, process, intent, {});
  const HeadRef latest = oracle_.Latest("m0");
  if (latest == nullptr || latest->versions.empty()) return Fail("I8 the first save failed");
  format::Head head = *latest;
  while (head.versions.size() < kVersions) {
    format::VersionEntry entry = head.versions.back();
    ++entry.version;
    ++entry.time_ms;
    entry.message = "deep";
    head.versions.push_back(entry);
  }
  ++head.seq;
  head.prev_nonce = std::exchange(head.nonce, std::string(32, 'd'));
  const auto json = format::EncodeHead(head);
  if (!json.ok()) return Fail("I8 " + json.error().ToString());
  const std::string key = format::HeadKey("m0");
  const ByteView view = AsBytes(*json);
  const auto moved = bucket_.Cas(0, key, Bytes(view.begin(), view.end()), bucket_.Find(key)->etag,
                                 process.clock.WallMs());
  if (!moved.ok()) Fail("I8 " + moved.error().ToString());
}

void World::StartActor(Actor actor, uint32_t incarnation, uint32_t operations_done) {
  const std::string name = std::string(ActorName(actor)) + "." + std::to_string(incarnation);
  const auto random = root_.Fork("skew " + name);
  const bool skewed = config_.Has(kClockJumps);
  const int64_t skew_ms =
      skewed ? static_cast<int64_t>(random->Between(0, 6 * kDayMs)) - 3 * kDayMs : 0;
  Process& process = scheduler_.NewProcess(name, root_.Fork(name), skew_ms);
  process.role = static_cast<int32_t>(actor);
  oracle_.SetRole(process.number, RoleOf(actor), GraceMsOf(config_, actor));
  scheduler_.Spawn(process, [this, &process, actor, operations_done] {
    uint32_t& done = operations_done_[actor];
    done = operations_done;
    const int64_t start_ms = static_cast<int64_t>(process.random->Between(0, 3'000));
    if (!process.Context().SleepMs(start_ms).ok()) return;
    RunActor(*this, process, actor, done);
  });
}

// Kills a process now and then, and starts another in its place.
void World::StartKiller() {
  Process& killer = scheduler_.NewProcess("Killer", root_.Fork("killer"), 0);
  scheduler_.Spawn(killer, [this, &killer] {
    const OpContext ctx = killer.Context();
    std::vector<uint32_t> incarnations(kActors, 0);
    for (int round = 0; round < 3; ++round) {
      if (!ctx.SleepMs(static_cast<int64_t>(killer.random->Between(100, 15'000))).ok()) return;
      const uint64_t pick = killer.random->Next64();
      if (!weather_.On(kKill) && !weather_.On(kClockJumps)) return;
      std::vector<Process*> alive;
      for (const auto& process : scheduler_.processes()) {
        if (process->role >= 0 && !process->dead) alive.push_back(process.get());
      }
      if (alive.empty()) continue;
      Process& victim = *alive[pick % alive.size()];
      if (weather_.On(kClockJumps)) {
        victim.clock.skew_ms_ += static_cast<int64_t>(pick >> 32) % (2 * kDayMs) - kDayMs;
      }
      if (!weather_.On(kKill)) continue;
      Note(victim, "KILL", victim.name, "");
      scheduler_.Kill(victim);
      if (!ctx.SleepMs(static_cast<int64_t>(pick >> 20 & 4095)).ok()) return;
      const auto role = static_cast<uint32_t>(victim.role);
      StartActor(static_cast<Actor>(role), ++incarnations[role], operations_done_[role]);
    }
  });
}

int64_t World::now_ms() const { return Link::StoreMs(scheduler_); }

void World::CheckRepeats() {
  for (const Way& way : ways_) {
    const uint64_t asked = way.asked->asked(), sent = way.link->sent();
    if (sent <=
        asked + asked / 2 + kRetryTokens / static_cast<uint64_t>(plan::RetryBudget::kRetryCost))
      continue;
    return Fail("I11 " + std::to_string(sent) + " requests were sent for " + std::to_string(asked));
  }
}

void World::CollectLast() {
  Process& last = scheduler_.NewProcess("Last", root_.Fork("last"), 0);
  int64_t began_ms = 0;  // What lived then may have ended since.
  scheduler_.Spawn(last, [this, &last, &began_ms] {
    const std::unique_ptr<lake::Lake> lake = OpenLake(last, false);
    if (lake == nullptr) return;
    lake::GcOptions options;
    options.apply = options.force = true;
    options.grace_ms = 0;
    for (int round = 0; round < 2; ++round) {
      began_ms = now_ms();
      const auto report = lake->CollectGarbage(last.Context(), options);
      if (!report.ok()) return Fail("I8 the last collection: " + report.error().ToString());
    }
    for (const std::string& name : oracle_.Artifacts()) {
      const auto report = lake->Verify(last.Context(), name);
      if (report.ok() ? report->damage.empty() : Meaning(oracle_.Latest(name).get(), name) == 0) {
        continue;
      }
      return Fail("I9 verify of " + name + " at the end finds damage, and there is none");
    }
  });
  scheduler_.Run(scheduler_.switches() + kSwitchesMax, [this] { return failed(); });
  if (!failed()) oracle_.CheckClean(began_ms);
}

void World::Drain() {
  for (const auto& process : scheduler_.processes()) scheduler_.Kill(*process);
  const uint64_t limit = scheduler_.switches() + kSwitchesMax;
  scheduler_.Run(limit, [this] { return scheduler_.unfinished() == 0; });
  if (scheduler_.unfinished() > 0) {
    Fail("I8 " + std::to_string(scheduler_.unfinished()) + " fibers do not end when cancelled");
  }
}

Outcome World::Run() {
  const auto stop = [this] { return outcome_.failed; };
  Process& setup = scheduler_.NewProcess("Setup", root_.Fork("setup"), 0);
  scheduler_.Spawn(setup, [this, &setup] { Prepare(setup); });
  scheduler_.Run(kSwitchesMax, [this] { return failed() || scheduler_.unfinished() == 0; });
  weather_.Begin();
  for (uint32_t actor = 0; actor < kActors; ++actor) {
    if (config_.Has(static_cast<Actor>(actor))) StartActor(static_cast<Actor>(actor), 0, 0);
  }
  if (config_.Has(kKill) || config_.Has(kClockJumps)) StartKiller();
  if (config_.heals) {
    Process& healer = scheduler_.NewProcess("Healer", root_.Fork("healer"), 0);
    scheduler_.Spawn(healer, [this, &healer] {
      const auto after_ms = static_cast<int64_t>(healer.random->Between(2'000, 40'000));
      if (!healer.Context().SleepMs(after_ms).ok()) return;
      Note(healer, "HEAL", "", "");
      weather_.Heal();
    });
  }
  if (!failed() && !scheduler_.Run(kSwitchesMax, stop)) {
    Fail("I8 no end after " + std::to_string(kSwitchesMax) + " steps");
  }
  if (!failed() && scheduler_.unfinished() > 0) {
    Fail("I8 " + std::to_string(scheduler_.unfinished()) + " fibers wait for ever");
  }
  if (!failed() && config_.heals) CollectLast();
  if (!failed()) CheckRepeats();
  if (!failed()) oracle_.CheckEnd(now_ms());
  if (!failed()) copy_oracle_.CheckEnd(now_ms());
  outcome_.trace_hash = trace_.hash();
  outcome_.events = trace_.events();
  outcome_.switches = scheduler_.switches();
  outcome_.strikes = weather_.strikes();
  outcome_.trace = trace_.lines();
  Drain();
  return outcome_;
}

}  // namespace varve::sim
