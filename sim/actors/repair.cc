// The production repair, beside everybody else. Nothing is damaged but what reads of it may be.
#include "sim/actors/actors.h"

namespace varve::sim {

bool RepairOnce(World& world, Process& process, lake::Lake& lake) {
  lake::FsckOptions options;
  options.deep = process.random->Between(0, 2) == 0;
  const Operation operation(world, process);
  const auto done = lake.Repair(operation.ctx, options, nullptr);
  if (process.dead || world.failed()) return false;
  world.CountOperation(done.ok());
  world.Note(process, "REPAIRED", "all",
             done.ok() ? std::to_string(done->findings.size()) : ErrorName(done.error().code()));
  if (!done.ok())
    return world.Explained(done.error(), operation.healed, "repair", {ErrorCode::kConflict});
  const bool flipped = !operation.healed && world.config().Has(kDamage);
  const bool partial = !operation.healed && world.config().Has(kStaleList);
  for (const lake::FsckFinding& finding : done->findings) {
    if (plan::RuleOf(finding.kind).harm == plan::Harm::kNote || flipped) continue;
    if (partial && finding.kind == plan::Damage::kListingPartial) continue;
    world.Fail("P1 a check found damage: " + std::string(plan::RuleOf(finding.kind).name) + " " +
               finding.object + " " + finding.detail);
    return false;
  }
  return true;
}

}  // namespace varve::sim
