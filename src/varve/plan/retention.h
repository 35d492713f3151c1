// Verdicts of the retention language: which components of which versions stay, and why.
//
// Everything is decided from plain facts and a frozen time, so that a plan can be computed again
// and compared. Order is that of commits, never of names or files' times. What stays:
//   held, protected, named by an alias or a tag, pinned, leased, damaged; each policy's floor; what
//   any keep of any policy that matches selects; declared parents of whatever stays; and whatever
//   no policy matches.
// Pure; any thread.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "varve/plan/retention_policy.h"
#include "varve/result.h"

namespace varve::plan {

enum class Health : uint8_t { kUnknown, kPresent, kVerified, kDamaged };

// The facts about one version that is not forgotten.
struct Candidate {
  std::string artifact, kind;
  uint64_t version = 0;
  int64_t time_ms = 0;
  std::optional<int64_t> step;
  std::map<std::string, double> metrics;
  std::vector<std::string> aliases, tags;
  std::string held_by, pinned_by, leased_by;  // Empty: not.
  Health health = Health::kUnknown;
  bool managed = true;  // False: only here because others may descend from it, or it from others.
  bool thinned = false;
  uint64_t bytes = 0;
  std::vector<std::string> components;  // That it still has; ascending.
  std::string identity;                 // Commit id.
  std::vector<std::string> parents;     // Commit ids the save named as parents.
};

enum class Why : uint8_t {  // Strong to weak.
  kHold,
  kProtect,
  kAlias,
  kTag,
  kPin,
  kLease,
  kDamaged,
  kNewest,
  kFloor,
  kLineage,
  kKeep,
  kUnmanaged
};

struct Reason {
  Why why = Why::kKeep;
  uint32_t policy = 0, rule = 0;     // Of floor, keep; of protect: `policy` is its number.
  uint64_t rank = 0;                 // Of best, last: the place it took, from 1.
  uint32_t candidate = 0;            // Of lineage: the child.
  std::vector<std::string> parts{};  // Of keep: what it keeps; empty: all.
};

struct Miss {  // A rule that did not keep a version, and the place the version took in it.
  uint32_t policy = 0, rule = 0;
  uint64_t rank = 0;  // From 1; 0: the rule has no places.
};

struct Verdict {
  std::vector<std::string> kept, let_go;  // Components; together the candidate's.
  bool whole = true;                      // Nothing is let go.
  bool gone = false;                      // Everything is.
  std::vector<Reason> reasons;
  std::optional<Miss> miss;  // When something is let go: the rule that came nearest to keeping it.
  int64_t grace_ms = 0;      // The longest grace of the policies that let it go.
};

struct JudgeOptions {
  bool allow_unknown_metrics = false;  // A metric no version has: its rules keep what they may.
};

// One verdict per candidate. Errors, with the place in the policy: a metric that no version it
// applies to has; a policy whose keeps select nothing of a group, unless it says "floor 0".
Result<std::vector<Verdict>> Judge(const PolicySet& set, const std::vector<Candidate>& candidates,
                                   int64_t as_of_ms, JudgeOptions options = {});

// "last 3", "best 2 by val_loss min: number 1 with 0.412", "alias 'prod'".
std::string ReasonText(const PolicySet& set, const std::vector<Candidate>& candidates,
                       size_t candidate, const Reason& reason);
// "last 3: it is number 5".
std::string MissText(const PolicySet& set, const Miss& miss);
// Metrics that a rule names and no candidate it applies to has.
std::vector<std::string> UnknownMetrics(const PolicySet& set,
                                        const std::vector<Candidate>& candidates, int64_t as_of_ms);

bool Holds(const Predicate& predicate, const Candidate& candidate, int64_t as_of_ms);

}  // namespace varve::plan
