// The production collector and repack, as `varve gc` runs them.
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

namespace {

size_t LetGo(const Oracle& oracle) {
  size_t count = 0;
  for (const std::string& name : oracle.Artifacts()) {
    const HeadRef head = oracle.Latest(name);
    if (head != nullptr) count += head->forgotten.size();
  }
  return count;
}

}  // namespace

bool RepackOnce(World& world, Process& process, lake::Lake& lake) {
  // Until something more is let go there is nothing for it to do.
  const size_t before = LetGo(world.oracle());
  for (int wait = 0; wait < 8 && LetGo(world.oracle()) == before; ++wait) {
    const auto pause_ms = static_cast<int64_t>(process.random->Between(10, 3'000));
    if (!process.Context().SleepMs(pause_ms).ok()) return false;
  }
  lake::RepackOptions options;
  options.apply = process.random->Between(0, 7) != 0;
  // Commit objects outweigh these packs by far.
  options.dead_percent = static_cast<uint32_t>(process.random->Between(0, 3) / 2);
  // Often one pack at a time.
  if (process.random->Between(0, 2) == 0) options.moved_bytes_max = 1;
  const Operation operation(world, process);
  const auto done = lake.Repack(operation.ctx, options);
  if (process.dead || world.failed()) return false;
  world.CountOperation(done.ok());
  world.Note(process, options.apply ? "REPACKED" : "LOOKED",
             done.ok() ? std::to_string(done->moved) : "packs",
             done.ok() ? "ok" : ErrorName(done.error().code()));
  if (done.ok()) {
    if (!done->damaged.empty() && !world.config().Has(kDamage)) {
      world.Fail("P1 a repack found damage: " + done->damaged.front());
    }
    return !world.failed();
  }
  return world.Explained(done.error(), operation.healed, "repack", {ErrorCode::kConflict});
}

}  // namespace varve::sim
