// The production collector, as `varve gc` runs it.
#include "sim/actors/actors.h"

namespace varve::sim {
bool CollectOnce(World& world, Process& process, lake::Lake& lake, int64_t grace_ms) {
  lake::GcOptions options;
  options.apply = process.random->Between(0, 7) != 0;
  options.force = process.random->Between(0, 3) != 0;
  options.grace_ms = grace_ms;
  // Few, so that writers meet lists that are gone.
  options.list_epochs = static_cast<uint32_t>(process.random->Between(1, 3));
  options.holder = process.name;
  const Operation operation(world, process);
  const auto done = lake.CollectGarbage(operation.ctx, options);
  if (process.dead || world.failed()) return false;
  world.CountOperation(done.ok());
  world.Note(process, options.apply ? "COLLECTED" : "LOOKED", "garbage",
             done.ok() ? "ok" : ErrorName(done.error().code()));
  if (done.ok()) return true;
  const ErrorCode code = done.error().code();
  // It does not believe a listing that lacks what lives.
  if (code == ErrorCode::kCorrupt && !operation.healed && world.config().Has(kStaleList))
    return true;
  if (code == ErrorCode::kInvalidArgument && options.apply && !options.force) return true;
  // Others moved the lake faster than it could be marked.
  return world.Explained(done.error(), operation.healed, "collect", {ErrorCode::kConflict});
}

}  // namespace varve::sim
