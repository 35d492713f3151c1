// The retention language (docs/retention.md): policies as a tree, and the text that means them.
//
// A policy names what to keep; what no rule keeps is let go, and what no policy matches stays. The
// unit is a component of a version ("weights of llama@v3"). Text, JSON and YAML give the same tree
// (retention_document.h). Errors are kInvalidArgument and begin with "line:column: ".
// Invariants of a tree that was parsed: counts and durations are positive, lists are not empty, a
// policy has a keep, names are unique. Pure; plain values.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "varve/result.h"

namespace varve::plan {

inline constexpr size_t kPolicyBytesMax = 1 << 20;  // Of one text.
inline constexpr size_t kPoliciesMax = 256;
inline constexpr size_t kRulesMax = 256;  // Of one policy, of each kind.
inline constexpr size_t kPredicateDepthMax = 32;
inline constexpr size_t kListMax = 4096;  // Values of "in" and "steps".
inline constexpr uint64_t kCountMax = 1'000'000'000;
inline constexpr int64_t kDurationMsMax = int64_t{100} * 365 * 86'400'000;
inline constexpr int64_t kGraceMsDefault = int64_t{7} * 86'400'000;
inline constexpr int64_t kGraceMsMin = 86'400'000;
inline constexpr double kLimitPercentDefault = 20;
inline constexpr uint64_t kLimitBytesDefault = 10'000'000'000'000;

struct Position {  // Of a character, both from 1.
  uint32_t line = 1, column = 1;
};
Error At(Position at, const std::string& message);

enum class Compare : uint8_t {
  kEqual,
  kNotEqual,
  kMatch,
  kLess,
  kLessEqual,
  kGreater,
  kGreaterEqual,
  kIn
};

struct Predicate {
  enum class Kind : uint8_t { kCompare, kAnd, kOr, kNot };
  Kind kind = Kind::kCompare;
  Position at;
  std::string field;  // "kind", "step", "metric.loss", ...; see docs/retention.md.
  Compare compare = Compare::kEqual;
  std::vector<std::string> texts;   // As they were written; one, or more with "in".
  std::vector<double> numbers;      // The same as numbers, for fields that are numbers.
  std::vector<Predicate> children;  // One of kNot, at least two of kAnd and kOr.
};
// Fields that are numbers: step, version, age (ms), bytes and every metric.
bool IsNumberField(std::string_view field);

enum class Calendar : uint8_t { kHourly, kDaily, kWeekly, kMonthly, kYearly };

struct Selector {
  enum class Kind : uint8_t {
    kAll,
    kLast,
    kFirst,
    kEverySteps,
    kEveryEpochs,
    kEveryTime,
    kBest,
    kBucket,
    kWithin,
    kSteps,
    kWhere
  };
  Kind kind = Kind::kAll;
  uint64_t count = 0;       // Of last, first, every, best, bucket.
  int64_t duration_ms = 0;  // Of every, within.
  bool exact = false;
  std::string metric;
  bool maximise = false;
  bool keep_missing = true;
  Calendar calendar = Calendar::kDaily;
  int32_t zone_minutes = 0;  // East of UTC.
  std::vector<int64_t> steps;
  std::optional<Predicate> where;
};

struct Keep {
  Position at;
  Selector selector;
  std::vector<std::string> parts;  // Components, ascending; empty: all.
  int64_t for_ms = 0;              // 0: without an end.
};

// Bounds what a policy's keeps hold per key: size, or money by the price of the lake's class. It
// evicts what its policy's keeps alone hold, and nothing stronger.
struct Cap {
  enum class Evict : uint8_t { kOldest, kWorst, kCheapest };
  Position at;
  uint64_t bytes = 0;  // 0: usd_month says.
  double usd_month = 0;
  std::string key;  // Of artifact, project, run, kind.
  Evict evict = Evict::kOldest;
  std::string metric;     // Of kWorst.
  bool maximise = false;  // The greatest is best.
};

// Where what it selects should lie once it is that old. Planned and priced, not carried out.
struct Tier {
  Position at;
  Selector selector;
  std::vector<std::string> parts;  // As of Keep.
  int64_t after_ms = 0;
  std::string storage_class;
  bool only_if_profitable = false;
};

enum class Order : uint8_t { kCommit, kStep, kTime };

struct Policy {
  std::string name;
  Position at;
  std::optional<Predicate> match;     // None: everything it is applied to.
  std::vector<std::string> group_by;  // Of artifact, project, run, kind; empty: artifact.
  Order order = Order::kCommit;
  std::vector<Keep> keeps;
  std::vector<Tier> tiers;
  std::vector<Cap> caps;
  uint64_t floor = 1;
  bool floor_verified = true;
  int64_t grace_ms = kGraceMsDefault;
  double limit_percent = kLimitPercentDefault;  // Of the versions it matches, in one apply.
  uint64_t limit_bytes = kLimitBytesDefault;
};

struct Protect {
  std::string name;
  Position at;
  Predicate match;
  int64_t until_ms = 0;  // 0: without an end.
  std::string reason;
};

struct PolicySet {
  std::vector<Policy> policies;
  std::vector<Protect> protects;
};

// A file of policies, or bare rules ("last 3; best 2 by val_loss min"), which make one policy
// called "rules" that matches everything it is applied to.
Result<PolicySet> ParsePolicies(std::string_view text);
// The one spelling of a tree; parses back to it.
std::string PolicyText(const PolicySet& set);
std::string KeepText(const Keep& keep);  // "last 3 of weights"
std::string CapText(const Cap& cap);     // "2TB per project evict oldest"
std::string TierText(const Tier& tier);  // "all after 30d to GLACIER_IR only if profitable"
std::string PredicateText(const Predicate& predicate);
std::string DurationText(int64_t duration_ms);  // "36h"
std::string DateText(int64_t time_ms);          // "2027-01-31", UTC; 1970 for what is before.

// For documents whose leaves are text: one rule, predicate, ... that begins at `at`.
Result<Keep> ParseKeep(std::string_view text, Position at);
Result<Predicate> ParsePredicate(std::string_view text, Position at);
// A clause of a policy, as its key and what follows: "floor", "2 verified"; "cap", "2TB per run
// evict oldest"; "tier"; "grace"; "limit"; "group by"; "order by".
Status ParseClause(std::string_view key, std::string_view text, Position at, Policy& policy);
Result<int64_t> ParseDate(std::string_view text, Position at);  // "2027-01-31" as ms, UTC.
// What only the whole tree shows: a policy without a keep, a name used twice, limits above.
Status CheckPolicies(const PolicySet& set);

}  // namespace varve::plan
