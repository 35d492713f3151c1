// Splits one object into the parts of a multipart upload.
//
// A module of its own because part boundaries decide how much memory an upload holds, which parts a
// resumed upload may reuse, and whether the store accepts it at all. So they are computed once, by
// a pure function. Equal inputs give equal plans in every release, since the record of an
// interrupted upload names a part by its index alone.
#pragma once

#include <cstdint>

#include "varve/base/bytes.h"
#include "varve/result.h"

namespace varve::plan {

// Of S3 and most that speak its protocol. One part size per upload, since some stores insist.
struct PartLimits {
  uint64_t part_bytes_min = 5 * kMiB;  // The last part may be smaller.
  uint64_t part_bytes_max = 5 * kGiB;
  uint32_t part_count_max = 10'000;
};

// Invariant: count >= 1; the parts cover [0, object_bytes) once, in order; all but the last are
// part_bytes long.
struct PartPlan {
  uint64_t object_bytes = 0;
  uint64_t part_bytes = 0;
  uint32_t count = 0;

  uint64_t Offset(uint32_t index) const { return index * part_bytes; }
  uint64_t PartBytes(uint32_t index) const;  // Requires index < count.
};

struct PartPlanInput {
  uint64_t object_bytes = 0;
  uint64_t part_bytes_wanted = 32 * kMiB;  // A wish; the limits win.
  PartLimits limits;
};
// An empty object gets one empty part. A part that must grow grows to whole MiB where it may.
// Errors: kInvalidArgument if the limits contradict each other (a zero, or min above max);
//         kResourceExhausted if part_count_max parts of part_bytes_max cannot hold the object.
Result<PartPlan> PlanParts(const PartPlanInput& input);

}  // namespace varve::plan
