#include "varve/store/s3/held_races.h"

#include <algorithm>

#include "varve/exec/parallel.h"
#include "varve/exec/sync.h"
#include "varve/plan/store_verdict.h"

namespace varve::store {
namespace {

struct Shape {
  uint32_t racers;
  uint64_t body_bytes;
  uint32_t rounds;  // Of creates, and as many of swaps.
  bool overlap;
};
constexpr Shape kOverlap{.racers = 2, .body_bytes = 64 * kKiB, .rounds = 1, .overlap = true};
constexpr Shape kShapes[] = {
    {.racers = 16, .body_bytes = 256 * kKiB, .rounds = 3, .overlap = false},
    {.racers = 8, .body_bytes = 6 * kMiB, .rounds = 2, .overlap = false},
};
constexpr Shape kBriefShapes[] = {
    {.racers = 16, .body_bytes = 256 * kKiB, .rounds = 1, .overlap = false},
    {.racers = 8, .body_bytes = 6 * kMiB, .rounds = 1, .overlap = false},
};
constexpr uint32_t kRacersMax = 16;
// A server with a lock may serve the others only once the first one has ended.
constexpr int64_t kHoldMsMax = 2000, kBriefHoldMsMax = 800, kHoldPollNs = 50'000'000;

// Opens when so many have come to it; a racer that ends without having come counts, too.
class Gate {
 public:
  Gate(const OpContext& ctx, uint32_t wanted, int64_t hold_ms)
      : ctx_(ctx), wanted_(wanted), hold_ms_(hold_ms) {}
  void Come() {
    const std::lock_guard lock(mutex_);
    ++come_;
    changed_.NotifyAll();
  }
  void Wait() {
    const int64_t until_ns = ctx_.clock().SteadyNs() + hold_ms_ * 1'000'000;
    std::unique_lock lock(mutex_);
    while (come_ < wanted_ && ctx_.Check().ok() && ctx_.clock().SteadyNs() < until_ns)
      changed_.WaitFor(lock, kHoldPollNs);
  }

 private:
  const OpContext& ctx_;
  const uint32_t wanted_;
  const int64_t hold_ms_;
  Mutex mutex_;
  CondVar changed_;
  uint32_t come_ = 0;  // Guarded by mutex_.
};

class HeldRace {
 public:
  HeldRace(const OpContext& ctx, Client& client, std::string scratch, RaceLength length)
      : ctx_(ctx),
        client_(client),
        scratch_(std::move(scratch)),
        brief_(length == RaceLength::kBrief),
        pool_({.name = "varve-held", .threads = kRacersMax - 1, .queue_max = 64}) {}

  std::vector<Fact> Run();

 private:
  struct Outcome {
    bool acknowledged = false, unknown = false;
  };
  static std::string Body(const std::string& key, uint32_t racer, const Shape& shape);
  Outcome Put(const std::string& key, std::string_view body, const Pairs& condition,
              std::function<void()> before_last_byte);
  Result<plan::RaceRound> Look(const std::string& key, const std::vector<Outcome>& outcomes,
                               const Shape& shape);
  // All together; or with `overlap` two, of whom the second runs while the first one is held.
  Result<plan::RaceRound> Round(const std::string& key, const Pairs& condition, const Shape& shape);
  Result<Pairs> Condition(const std::string& key, bool swap);
  Status Rounds(const Shape& shape, std::vector<plan::RaceRound>& seen);

  const OpContext& ctx_;
  Client& client_;
  const std::string scratch_;
  const bool brief_;
  ThreadPool pool_;
  uint32_t names_ = 0;
};

std::string HeldRace::Body(const std::string& key, uint32_t racer, const Shape& shape) {
  std::string body = key + " racer " + std::to_string(racer) + " ";
  body.resize(shape.body_bytes, 'x');
  return body;
}

HeldRace::Outcome HeldRace::Put(const std::string& key, std::string_view body,
                                const Pairs& condition, std::function<void()> before_last_byte) {
  const Call call{.method = "PUT",
                  .key = key,
                  .headers = condition,
                  .body = AsBytes(body),
                  .before_last_byte = std::move(before_last_byte),
                  .role = Role::kWrite};
  bool maybe_sent = false;
  const auto answer = client_.Send(ctx_, call, &maybe_sent);
  if (!answer.ok()) return {.unknown = maybe_sent};
  return {.acknowledged = answer->reply.status == 200, .unknown = answer->reply.status >= 500};
}

Result<plan::RaceRound> HeldRace::Look(const std::string& key, const std::vector<Outcome>& outcomes,
                                       const Shape& shape) {
  const Call call{
      .method = "GET", .key = key, .role = Role::kRead, .reply_bytes_max = 2 * shape.body_bytes};
  VARVE_TRY(const Answer now, client_.Send(ctx_, call));
  plan::RaceRound round;
  for (uint32_t racer = 0; racer < outcomes.size(); ++racer) {
    const bool there = now.reply.status == 200 &&
                       AsText(now.reply.body) == std::string_view(Body(key, racer, shape));
    round.acknowledged += outcomes[racer].acknowledged ? 1U : 0U;
    round.unknown += outcomes[racer].unknown ? 1U : 0U;
    if (there) round.content_of_a_racer = true;
    if (outcomes[racer].acknowledged && !there) round.content_of_the_winner = false;
  }
  return round;
}

Result<plan::RaceRound> HeldRace::Round(const std::string& key, const Pairs& condition,
                                        const Shape& shape) {
  const uint32_t racers = shape.racers;
  const bool overlap = shape.overlap;
  std::vector<std::string> bodies;
  for (uint32_t racer = 0; racer < racers; ++racer) bodies.push_back(Body(key, racer, shape));
  std::vector<Outcome> outcomes(racers);
  const int64_t hold_ms = brief_ ? kBriefHoldMsMax : kHoldMsMax;
  Gate held(ctx_, overlap ? 1 : racers, hold_ms), served(ctx_, 1, hold_ms);
  const auto race = [&](size_t racer) -> Status {
    const bool holds = !overlap || racer == 0;
    bool came = false;
    const auto hold = [&] {
      if (!came) held.Come();
      came = true;
      overlap ? served.Wait() : held.Wait();
    };
    if (!holds) held.Wait();
    outcomes[racer] = Put(key, bodies[racer], condition,
                          holds ? std::function<void()>(hold) : std::function<void()>());
    if (holds && !came) held.Come();
    if (!holds) served.Come();
    return OkStatus();
  };
  VARVE_CHECK_OK(ParallelFor(ctx_, pool_, racers, racers, race));
  return Look(key, outcomes, shape);
}

// What is asked of a name for a create, or for a swap of what is put there first.
Result<Pairs> HeldRace::Condition(const std::string& key, bool swap) {
  if (!swap) return Pairs{{"if-none-match", "*"}};
  for (const char* quote : {"", "\""}) {  // Without quotes first: servers that know one form.
    const Call first{.method = "PUT", .key = key, .body = AsBytes("first"), .role = Role::kWrite};
    VARVE_TRY(const Answer put, client_.Send(ctx_, first));
    std::string etag = put.reply.Header("etag");
    etag.erase(std::remove(etag.begin(), etag.end(), '"'), etag.end());
    Call again = first;
    again.headers = {{"if-match", quote + etag + quote}};
    VARVE_TRY(const Answer swapped, client_.Send(ctx_, again));
    if (swapped.reply.status != 200) continue;
    std::string now = swapped.reply.Header("etag");
    now.erase(std::remove(now.begin(), now.end(), '"'), now.end());
    return Pairs{{"if-match", quote + now + quote}};
  }
  return Error(ErrorCode::kUnsupported, "no swap succeeds");
}

Status HeldRace::Rounds(const Shape& shape, std::vector<plan::RaceRound>& seen) {
  for (uint32_t number = 0; number < 2 * shape.rounds; ++number) {
    if (!seen.empty() && seen.back().acknowledged > 1) break;  // One is proof enough.
    const std::string key = scratch_ + "/held" + std::to_string(names_++);
    const auto condition = Condition(key, number % 2 == 1);
    if (!condition.ok() && condition.error().code() == ErrorCode::kUnsupported) continue;
    if (!condition.ok()) return condition.error();
    VARVE_TRY(const plan::RaceRound round, Round(key, *condition, shape));
    seen.push_back(round);
  }
  return OkStatus();
}

std::vector<Fact> HeldRace::Run() {
  std::vector<Fact> facts;
  const auto judge = [&](const char* check, std::span<const Shape> shapes) {
    std::vector<plan::RaceRound> seen;
    for (const Shape& shape : shapes) {
      if (!Rounds(shape, seen).ok()) break;
    }
    if (seen.empty()) return;  // Not asked, not judged.
    plan::Observation judged = plan::JudgeRaces(check, seen);
    facts.push_back(
        {std::move(judged.check), std::move(judged.outcome), std::move(judged.evidence)});
  };
  if (!brief_) judge("race.overlap", std::span(&kOverlap, 1));
  judge("race.held",
        brief_ ? std::span<const Shape>(kBriefShapes) : std::span<const Shape>(kShapes));
  for (uint32_t i = 0; i < names_; ++i) {
    const Call call{.method = "DELETE", .key = scratch_ + "/held" + std::to_string(i)};
    static_cast<void>(client_.Send(ctx_, call));  // The doctor looks for what is left.
  }
  return facts;
}

}  // namespace

std::vector<Fact> HeldRaces(const OpContext& ctx, Client& client, const std::string& scratch,
                            RaceLength length) {
  return HeldRace(ctx, client, scratch, length).Run();
}

}  // namespace varve::store
