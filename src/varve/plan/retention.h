// Verdicts of the retention language: which components of which versions stay, and why.
//
// Everything is decided from plain facts and a frozen time, so that a plan can be computed again
// and compared. Order is that of commits, never of names or files' times. What stays:
//   held, protected, named by an alias or a tag, pinned, leased, damaged; the newest verified
//   checkpoint of a run that may go on; each policy's floor and the last good version; what any
//   keep of any policy that matches selects; declared parents of whatever stays; and whatever no
//   policy matches.
// Pure; any thread.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "varve/plan/price.h"
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
  std::string run_state, owner;               // Of the artifact's run; empty: nobody said.
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
  kRun,
  kNewest,
  kFloor,
  kLastGood,
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
  bool cap = false;   // `rule` is the cap that evicted it.
};

// What candidates hold in common: a blob is a stored chunk, and versions share blobs.
struct Usage {
  struct Blob {
    uint64_t bytes = 0;
    int64_t time_ms = INT64_MAX;  // When it was written: of the oldest version that has it.
    uint32_t pack = 0;            // That it lies in.
  };
  std::vector<Blob> blobs;
  std::vector<std::vector<std::vector<uint32_t>>> of;  // By candidate, by its component.
  uint32_t packs = 0;
};

struct Fate {
  std::vector<std::string> kept, let_go;  // Components; together the candidate's.
  bool whole = true;                      // Nothing is let go.
  bool gone = false;                      // Everything is.
  std::vector<Reason> reasons;
  std::optional<Miss> miss;  // When something is let go: the rule that came nearest to keeping it.
  int64_t grace_ms = 0;      // The longest grace of the policies that let it go.
};

struct JudgeOptions {
  bool allow_unknown_metrics = false;  // A metric no version has: its rules keep what they may.
  const Usage* usage = nullptr;  // For caps; none: versions share nothing, and have their `bytes`.
  const Price* price = nullptr;  // For caps in money; none: they are refused.
};

struct CapState {  // What a cap came to, for one value of its key.
  uint32_t policy = 0, cap = 0;
  std::string key;
  uint64_t bytes = 0;    // That stay.
  uint64_t evicted = 0;  // Versions.
  bool over = false;     // Still: what stays is held by what is stronger.
};
struct TierPick {  // What a tier selects of what stays.
  uint32_t policy = 0, tier = 0;
  std::vector<std::pair<uint32_t, std::vector<uint32_t>>> parts;  // Candidate, its components.
};
struct RetentionVerdicts {
  std::vector<Fate> verdicts;  // One per candidate.
  std::vector<CapState> caps;
  std::vector<TierPick> tiers;
};

// Errors, with the place in the policy: a metric that no version it applies to has; a policy whose
// keeps select nothing of a group, unless it says "floor 0"; a cap in money without a price.
Result<RetentionVerdicts> Judge(const PolicySet& set, const std::vector<Candidate>& candidates,
                                int64_t as_of_ms, JudgeOptions options = {});
bool NeedsUsage(const PolicySet& set);  // It has caps or tiers.
bool NeedsPrice(const PolicySet& set);  // It has a cap in money.

// "last 3", "best 2 by val_loss min: number 1 with 0.412", "alias 'prod'".
std::string ReasonText(const PolicySet& set, const std::vector<Candidate>& candidates,
                       size_t candidate, const Reason& reason);
// "last 3: it is number 5".
std::string MissText(const PolicySet& set, const Miss& miss);
// Metrics that a rule names and no candidate it applies to has.
std::vector<std::string> UnknownMetrics(const PolicySet& set,
                                        const std::vector<Candidate>& candidates, int64_t as_of_ms);

// The value of a key of "group by" and "per": artifact, project, run or kind.
std::string KeyOf(std::string_view key, const Candidate& candidate);
bool Holds(const Predicate& predicate, const Candidate& candidate, int64_t as_of_ms);

}  // namespace varve::plan
