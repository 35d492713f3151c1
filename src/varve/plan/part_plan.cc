#include "varve/plan/part_plan.h"

#include <algorithm>
#include <cassert>
#include <string>

namespace varve::plan {
namespace {

// Not (n + d - 1) / d, which wraps near 2^64.
constexpr uint64_t DivCeil(uint64_t n, uint64_t d) { return n / d + (n % d != 0 ? 1 : 0); }
static_assert(DivCeil(0, 7) == 0 && DivCeil(7, 7) == 1 && DivCeil(8, 7) == 2);

}  // namespace

uint64_t PartPlan::PartBytes(uint32_t index) const {
  assert(index < count);
  return std::min(part_bytes, object_bytes - Offset(index));  // Cannot wrap: the offset is inside.
}

Result<PartPlan> PlanParts(const PartPlanInput& input) {
  const PartLimits& limits = input.limits;
  if (limits.part_bytes_min == 0 || limits.part_count_max == 0 ||
      limits.part_bytes_min > limits.part_bytes_max) {
    return Error(ErrorCode::kInvalidArgument, "the limits of a part contradict each other");
  }
  uint64_t needed_bytes = DivCeil(input.object_bytes, limits.part_count_max);
  if (needed_bytes > limits.part_bytes_max) {
    return Error(ErrorCode::kResourceExhausted,
                 "the file is too large for the parts of this store. bytes=" +
                     std::to_string(input.object_bytes));
  }
  if (needed_bytes > input.part_bytes_wanted) needed_bytes = DivCeil(needed_bytes, kMiB) * kMiB;
  PartPlan plan;
  plan.object_bytes = input.object_bytes;
  plan.part_bytes = std::clamp(std::max(input.part_bytes_wanted, needed_bytes),
                               limits.part_bytes_min, limits.part_bytes_max);
  const uint64_t count = std::max<uint64_t>(1, DivCeil(input.object_bytes, plan.part_bytes));
  assert(count <= limits.part_count_max);
  plan.count = static_cast<uint32_t>(count);
  return plan;
}

}  // namespace varve::plan
