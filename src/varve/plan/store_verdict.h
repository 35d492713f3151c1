// From what a probe observed of a store to whether several writers may share a lake there.
//
// One table names every check, what each outcome of it means, and what a person should do. A check
// that is not in the table, or whose outcome is not, is a note: only a row can refuse. Pure.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace varve::plan {

struct Observation {
  std::string check;     // "swap.stale"
  std::string outcome;   // "ok", or a word of the table: "ignored", "several winners", ...
  std::string evidence;  // What was seen, on one line.
};

enum class Verdict : uint8_t { kOk, kNote, kWarn, kFail };
std::string_view VerdictName(Verdict verdict);  // "ok", "note", "warn", "fail"

struct JudgedCheck {
  Observation seen;
  Verdict verdict = Verdict::kOk;
  std::string advice;  // Empty when all is well.
};
struct StoreVerdict {
  bool safe = false;   // For several writers at once.
  std::string reason;  // When not: the first check that fails, in words.
  std::vector<JudgedCheck> checks;
};

// Safe only when no check fails and each of kEssentialChecks was made.
StoreVerdict JudgeStore(std::vector<Observation> seen);

// What a commit stands on; `varve init` runs these and, where the store has them, "race.held".
extern const std::vector<std::string_view> kEssentialChecks;

// One round of a race: every racer tries the same conditional write with a body of its own.
struct RaceRound {
  uint32_t acknowledged = 0;          // Racers that were told they won.
  uint32_t unknown = 0;               // Racers that were told neither.
  bool content_of_a_racer = false;    // What is there afterwards is the body of one of them,
  bool content_of_the_winner = true;  // and of the one that was told it won, if one was.
};
// "ok"; "several winners"; "lost write" (the content is not the winner's); "nobody" (no round had
// one).
Observation JudgeRaces(std::string check, const std::vector<RaceRound>& rounds);

// Writers that each add one to a counter by swaps, over and over: every acknowledged addition must
// be in the sum, and additions that were told neither may be. "ok" or "lost write".
Observation JudgeCounter(std::string check, uint64_t acknowledged, uint64_t unknown, uint64_t sum);

// The store's clock against ours, `store_ms - local_ms` taken while the answer travelled for
// `travel_ms`. "ok", "off" (above a minute) or "refused soon" (near the 15 minutes of signatures).
Observation JudgeClock(int64_t difference_ms, int64_t travel_ms);

}  // namespace varve::plan
