// What carrying out verdicts frees, and what it comes to in money. Pure; plain values.
#pragma once

#include <string>
#include <vector>

#include "varve/plan/retention.h"

namespace varve::plan {

struct Freed {                // Stored bytes of chunks.
  uint64_t bytes = 0;         // That nothing which stays needs.
  uint64_t whole_bytes = 0;   // Of them, in packs that go whole.
  uint64_t shared_bytes = 0;  // Of what is let go, that what stays needs.
  uint64_t total_bytes = 0;   // Of all candidates, before.
};
Freed FreedBy(const Usage& usage, const std::vector<Candidate>& candidates,
              const std::vector<Fate>& verdicts);

struct Bill {  // Estimates at list price, in USD.
  double now_month = 0, saved_month = 0;
  // The minimum duration that is billed all the same: when the freed bytes go as soon as the grace
  // of their policies is over.
  double early = 0;
};
// What `verdicts` free, each at its grace after `as_of_ms`.
Bill BillOf(const Usage& usage, const std::vector<Candidate>& candidates,
            const std::vector<Fate>& verdicts, const Price& price, int64_t as_of_ms);

inline constexpr double kTierHorizonDays = 365;  // So long what moves is taken to stay.

struct TierBill {
  uint64_t versions = 0, bytes = 0, objects = 0;
  double once = 0, saved_month = 0;
  double break_even_days = 0;  // Infinite when it never pays.
  bool profitable = false;     // Within the horizon, and not below the class's minimum.
};
// Moving what `pick` selects, where all that stays of a chunk's users is selected. `pack_bytes`:
// the size of the objects it would be moved as.
TierBill TierBillOf(const Usage& usage, const std::vector<Candidate>& candidates,
                    const std::vector<Fate>& verdicts, const TierPick& pick, const Price& from,
                    const Price& to, int64_t as_of_ms, uint64_t pack_bytes);

}  // namespace varve::plan
