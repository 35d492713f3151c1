#include <charconv>

#include "varve/exec/parallel.h"
#include "varve/lake/probe.h"

namespace varve::lake {
namespace {

struct Tried {
  bool acknowledged = false, unknown = false;
};

// What one racer was told. An error: the store cannot be asked.
Result<Tried> Judge(const Result<store::ObjectInfo>& moved) {
  Tried tried;
  tried.acknowledged = moved.ok();
  if (moved.ok()) return tried;
  tried.unknown = moved.error().code() == ErrorCode::kUnknownOutcome;
  // Losing a race looks so on servers that run into themselves; a plain loss is kConflict.
  if (!tried.unknown && CannotAsk(moved.error()) && moved.error().code() != ErrorCode::kThrottled) {
    return moved.error();
  }
  return tried;
}

uint64_t CountOf(const Bytes& body) {
  const std::string_view text = AsText(body);
  uint64_t count = 0;
  std::from_chars(text.data(), text.data() + text.size(), count);
  return count;
}

}  // namespace

Result<plan::RaceRound> Probe::Race(ThreadPool& pool, const store::Key& key,
                                    const std::optional<store::Etag>& expected) {
  std::vector<std::string> bodies;
  for (uint32_t i = 0; i < kRacers; ++i) {
    // Large enough that a server which writes first and checks then is seen to.
    bodies.push_back(key.str() + (expected.has_value() ? " swap " : " create ") +
                     std::to_string(i) + std::string(256, 'x'));
  }
  std::vector<Tried> tried(kRacers);
  const auto run = [&](size_t i) -> Status {
    VARVE_TRY(tried[i], Judge(store_.Cas(ctx_, key, AsBytes(bodies[i]), expected)));
    return OkStatus();
  };
  VARVE_CHECK_OK(ParallelFor(ctx_, pool, kRacers, kRacers, run));
  const auto now = store_.Get(ctx_, key, {});
  if (!now.ok() && CannotAsk(now.error())) return now.error();
  plan::RaceRound round;
  for (uint32_t i = 0; i < kRacers; ++i) {
    const bool there = now.ok() && AsText(now->body) == bodies[i];
    round.acknowledged += tried[i].acknowledged ? 1U : 0U;
    round.unknown += tried[i].unknown ? 1U : 0U;
    if (there) round.content_of_a_racer = true;
    if (tried[i].acknowledged && !there) round.content_of_the_winner = false;
  }
  return round;
}

Status Probe::Counter(ThreadPool& pool, uint32_t steps) {
  const store::Key key = Name("counter");
  const auto born = store_.Cas(ctx_, key, AsBytes("0 "), std::nullopt);
  if (!born.ok() && CannotAsk(born.error())) return born.error();
  std::vector<uint64_t> acknowledged(kRacers), unknown(kRacers);
  const auto run = [&](size_t i) -> Status {
    for (uint32_t step = 0; step < steps; ++step) {
      const auto now = store_.Get(ctx_, key, {});
      if (!now.ok()) {
        if (CannotAsk(now.error())) return now.error();
        continue;
      }
      const std::string next = std::to_string(CountOf(now->body) + 1) + " " + std::to_string(i) +
                               " " + std::to_string(step);
      VARVE_TRY(const Tried tried, Judge(store_.Cas(ctx_, key, AsBytes(next), now->info.etag)));
      acknowledged[i] += tried.acknowledged ? 1U : 0U;
      unknown[i] += tried.unknown ? 1U : 0U;
    }
    return OkStatus();
  };
  VARVE_CHECK_OK(ParallelFor(ctx_, pool, kRacers, kRacers, run));
  const auto last = store_.Get(ctx_, key, {});
  if (!last.ok() && CannotAsk(last.error())) return last.error();
  uint64_t told = 0, untold = 0;
  for (uint32_t i = 0; i < kRacers; ++i) {
    told += acknowledged[i];
    untold += unknown[i];
  }
  seen_.push_back(
      plan::JudgeCounter("race.counter", told, untold, last.ok() ? CountOf(last->body) : 0));
  return OkStatus();
}

Status Probe::Races(const DoctorOptions& options) {
  ThreadPool pool(
      {.name = "varve-doctor", .threads = kRacers - 1, .queue_max = 64, .background = false});
  std::vector<plan::RaceRound> creates, swaps;
  for (uint32_t number = 0; number < options.race_rounds; ++number) {
    const store::Key key = Name("race-" + std::to_string(number));
    VARVE_TRY(const plan::RaceRound create, Race(pool, key, std::nullopt));
    creates.push_back(create);
    const auto now = store_.Get(ctx_, key, {});
    if (!now.ok() && CannotAsk(now.error())) return now.error();
    if (now.ok()) {
      VARVE_TRY(const plan::RaceRound swap, Race(pool, key, now->info.etag));
      swaps.push_back(swap);
    }
    // One is proof enough.
    if (create.acknowledged > 1 || (!swaps.empty() && swaps.back().acknowledged > 1)) break;
  }
  seen_.push_back(plan::JudgeRaces("race.create", creates));
  seen_.push_back(plan::JudgeRaces("race.swap", swaps));
  return Counter(pool, options.counter_steps);
}

}  // namespace varve::lake
