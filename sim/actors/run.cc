#include "sim/actors/actors.h"

namespace varve::sim {
namespace {

OpContext ContextOf(World& world, Process& process) {
  const OpContext ctx = process.Context();
  const uint64_t draw = process.random->Next64();
  if (!world.weather().On(kDeadline) || draw % 2 == 0) return ctx;
  return ctx.WithTimeout(static_cast<int64_t>(draw >> 8) & 0x7FFF);
}

bool Step(World& world, Process& process, Actor actor, lake::Lake& lake, lake::Lake* copy) {
  Random& random = *process.random;
  switch (actor) {
    case kSaverA:
    case kSaverB: {
      SaveChoice choice;
      if (random.Between(0, 2) == 0) choice.alias = actor == kSaverA ? "last" : "best";
      choice.pauses = random.Between(0, 3) == 0;
      return SaveStep(world, process, lake, world.intents().New("m0"), choice);
    }
    case kSaverC: {
      SaveChoice choice;
      if (random.Between(0, 1) == 0) choice.parent = "m0";
      return SaveStep(world, process, lake, world.intents().New("m1"), choice);
    }
    case kSaverD: {
      SaveChoice choice;
      choice.pauses = true;
      if (random.Between(0, 2) == 0) choice.parent = "m0";
      return SaveStep(world, process, lake, world.intents().New("m2"), choice);
    }
    case kLoader:
    case kLoaderB:
      return LoadOnce(world, process, lake);
    case kTagger:
      return LabelOnce(world, process, lake);
    case kForgetter:
      return ForgetOnce(world, process, lake);
    case kLister:
      return LookOnce(world, process, lake);
    case kCopier:
      return CopyOnce(world, process, lake, *copy);
    case kCollectorA:
    case kCollectorB:
      return CollectOnce(world, process, lake, GraceMsOf(world.config(), actor));
    case kRetainer:
      return RetainOnce(world, process, lake);
    case kKeeper:
      return KeepOnce(world, process, lake);
    case kRestorer:
      return RestoreOnce(world, process, lake);
    case kRepacker:
      return RepackOnce(world, process, lake);
    case kRepairer:
      return RepairOnce(world, process, lake);
    case kSaverRanks:
      return SaveRanksOnce(world, process);
    case kActors:
      break;
  }
  return false;
}

}  // namespace

Operation::Operation(World& world, Process& process)
    : ctx(ContextOf(world, process)),
      from(world.oracle().now()),
      healed(world.weather().healed()) {}

std::string AnyArtifact(World& world, Process& process) {
  const uint64_t pick = process.random->Next64();
  const std::vector<std::string> there = world.oracle().Artifacts();
  if (there.empty() || pick % 8 == 0) return "m" + std::to_string((pick >> 8) % 3);
  return there[(pick >> 8) % there.size()];
}

void RunActor(World& world, Process& process, Actor actor, uint32_t& done) {
  const std::unique_ptr<lake::Lake> lake = world.OpenLake(process, false);
  if (lake == nullptr) return;
  std::unique_ptr<lake::Lake> copy;
  if (actor == kCopier) {
    copy = world.OpenLake(process, true);
    if (copy == nullptr) return;
  }
  while (done < world.config().operations_max) {
    ++done;
    if (!Step(world, process, actor, *lake, copy.get())) return;
    if (process.dead || world.failed()) return;
    int64_t pause_ms =
        static_cast<int64_t>(process.random->Between(0, world.config().pause_max_ms));
    if (world.weather().On(kLongSleep) && process.random->Between(0, 5) == 0) pause_ms *= 3'600;
    if (!process.Context().SleepMs(pause_ms).ok()) return;
  }
}

}  // namespace varve::sim
