// Who lets go, who keeps, and who brings back.
#include "sim/actors/actors.h"

namespace varve::sim {
namespace {

constexpr auto kOwnErrors = {ErrorCode::kNotFound, ErrorCode::kGone, ErrorCode::kConflict};

// Parsed once; their graces are set for each use, shorter than the language allows.
const plan::PolicySet& AnyPolicies(Process& process) {
  static const std::vector<plan::PolicySet> policies = [] {
    std::vector<plan::PolicySet> parsed;
    for (const char* text :
         {"last 2; limit 100%", "last 1; all of weights; limit 100%",
          "last 1; all of weights+ema; limit 100%", "last 1; every 3 steps; limit 100%"}) {
      auto one = plan::ParsePolicies(text);
      if (!one.ok()) std::abort();
      parsed.push_back(std::move(one).value());
    }
    return parsed;
  }();
  return policies[process.random->Next64() % policies.size()];
}

// Where packs are to be partly dead, most of what is let go is dead at once.
int64_t AnyGraceMs(const World& world, Process& process) {
  static constexpr int64_t kGraceMs[] = {0, 0, 3'000, 20'000, 3'600'000};
  const uint64_t pick = process.random->Next64();
  return world.config().Has(kRepacker) && pick / 8 % 4 != 0 ? 0
                                                            : kGraceMs[pick % std::size(kGraceMs)];
}

bool AnyForgottenMeanwhile(const Oracle& oracle, uint64_t from) {
  for (const std::string& name : oracle.Artifacts()) {
    if (ForgottenMeanwhile(oracle, name, from)) return true;
  }
  return false;
}

// A version that was let go or thinned, if there is one.
uint64_t LostVersion(World& world, Process& process, const std::string& artifact) {
  const uint64_t pick = process.random->Next64();
  const HeadRef latest = world.oracle().Latest(artifact);
  std::vector<uint64_t> lost;
  if (latest != nullptr) {
    for (const auto& [version, row] : latest->forgotten) lost.push_back(version);
    for (const auto& [version, row] : latest->layouts) lost.push_back(version);
  }
  return lost.empty() ? AnyVersion(world, process, artifact) : lost[pick % lost.size()];
}

// The oldest version that may go while a newer one shares its packs; 0: none.
uint64_t OldestUnkept(World& world, const std::string& artifact) {
  const HeadRef latest = world.oracle().Latest(artifact);
  if (latest == nullptr) return 0;
  for (uint64_t version = 1; version < latest->last_version(); ++version) {
    if (latest->forgotten.contains(version)) continue;
    if (format::NamedBy(*latest, version, INT64_MIN).empty()) return version;
  }
  return 0;
}

// Where packs are to be partly dead, somebody waits for what may go.
void ChooseToForget(World& world, Process& process, std::string& artifact, uint64_t& version) {
  for (int wait = 0; wait < 5; ++wait) {
    for (const std::string& name : world.oracle().Artifacts()) {
      const uint64_t oldest = OldestUnkept(world, name);
      if (oldest == 0) continue;
      artifact = name;
      version = oldest;
      return;
    }
    if (!process.Context().SleepMs(1'500).ok()) return;
  }
}

}  // namespace

bool ForgetOnce(World& world, Process& process, lake::Lake& lake) {
  std::string artifact = AnyArtifact(world, process);
  uint64_t version = AnyVersion(world, process, artifact);
  if (world.config().Has(kRepacker) && process.random->Between(0, 3) != 0) {
    ChooseToForget(world, process, artifact, version);
    if (process.dead || world.failed()) return false;
  }
  const std::string target = artifact + "@v" + std::to_string(version);
  const lake::ForgetOptions options{.by = "", .policy = "", .grace_ms = AnyGraceMs(world, process)};
  const Operation operation(world, process);
  const Status done = lake.Forget(operation.ctx, target, "old", options);
  if (process.dead || world.failed()) return false;
  world.CountOperation(done.ok());
  world.Note(process, "FORGOT", target, done.ok() ? "ok" : ErrorName(done.error().code()));
  if (!done.ok()) return world.Explained(done.error(), operation.healed, "forget", kOwnErrors);
  const bool was = world.oracle().Ever(artifact, operation.from, [&](const format::Head* head) {
    return head != nullptr && head->forgotten.contains(version);
  });
  if (!was) world.Fail("P5 an acknowledged forget never was: " + target);
  return !world.failed();
}

bool RetainOnce(World& world, Process& process, lake::Lake& lake) {
  plan::PolicySet policies = AnyPolicies(process);
  lake::RetentionOptions options;
  options.measure = false;
  if (process.random->Between(0, 2) != 0) options.artifacts = {AnyArtifact(world, process)};
  const bool at_once = process.random->Between(0, 2) != 0;
  const int64_t grace_ms = AnyGraceMs(world, process);
  const int64_t pause_ms = static_cast<int64_t>(process.random->Between(0, 3'000));
  const Operation operation(world, process);
  Status done;
  if (at_once) {
    for (plan::Policy& policy : policies.policies) policy.grace_ms = grace_ms;
    const auto report = lake.Retain(operation.ctx, policies, options, "sim");
    if (!report.ok()) done = report.error();
  } else {
    const auto apply = [&]() -> Status {
      VARVE_TRY(const auto plan, lake.PlanRetention(operation.ctx, policies, options));
      VARVE_CHECK_OK(operation.ctx.SleepMs(pause_ms));
      VARVE_TRY(const auto report,
                lake.ApplyRetention(operation.ctx, plan,
                                    {.by = "sim", .ack = "", .fresh = false, .canary = false}));
      static_cast<void>(report);
      return OkStatus();
    };
    done = apply();
  }
  if (process.dead || world.failed()) return false;
  world.CountOperation(done.ok());
  world.Note(process, "RETAINED", options.artifacts.empty() ? "all" : options.artifacts[0],
             done.ok() ? "ok" : ErrorName(done.error().code()));
  if (done.ok()) return true;
  if (done.error().code() == ErrorCode::kCorrupt &&
      AnyForgottenMeanwhile(world.oracle(), operation.from)) {
    return true;
  }
  return world.Explained(done.error(), operation.healed, "retain", kOwnErrors);
}

bool KeepOnce(World& world, Process& process, lake::Lake& lake) {
  const std::string artifact = AnyArtifact(world, process);
  const uint64_t version = AnyVersion(world, process, artifact);
  const std::string target = artifact + "@v" + std::to_string(version);
  const bool hold = process.random->Between(0, 1) == 0, lifts = process.random->Between(0, 1) == 0;
  const int64_t pause_ms = static_cast<int64_t>(process.random->Between(0, 5'000));
  const Operation operation(world, process);
  const Status kept =
      hold ? lake.Hold(operation.ctx, target, process.name, "wanted")
           : lake.Pin(operation.ctx, target,
                      {.owner = process.name, .for_ms = 0, .lease = false, .reason = "read"});
  if (process.dead || world.failed()) return false;
  world.CountOperation(kept.ok());
  world.Note(process, hold ? "HELD" : "PINNED", target,
             kept.ok() ? "ok" : ErrorName(kept.error().code()));
  if (!kept.ok()) return world.Explained(kept.error(), operation.healed, "pin", kOwnErrors);
  if (!process.Context().SleepMs(pause_ms).ok()) return false;
  const Operation reading(world, process);
  uint64_t loaded_version = version;
  const Status loaded = LoadAddress(world, reading, lake, artifact, target, loaded_version);
  if (process.dead || world.failed()) return false;
  world.Note(process, "LOADED", target, loaded.ok() ? "ok" : ErrorName(loaded.error().code()));
  // Whatever others let go: this one is kept.
  if (!loaded.ok() &&
      !world.Explained(loaded.error(), reading.healed, "load of the kept " + target, {})) {
    return false;
  }
  if (!lifts) return true;
  const Operation lifting(world, process);
  const Status lifted = hold ? lake.Unhold(lifting.ctx, target, process.name)
                             : lake.Unpin(lifting.ctx, target, process.name);
  if (process.dead || world.failed()) return false;
  world.CountOperation(lifted.ok());
  return lifted.ok() || world.Explained(lifted.error(), lifting.healed, "unpin", {});
}

bool RestoreOnce(World& world, Process& process, lake::Lake& lake) {
  const std::string artifact = AnyArtifact(world, process);
  const uint64_t version = LostVersion(world, process, artifact);
  const std::string target = artifact + "@v" + std::to_string(version);
  const Operation operation(world, process);
  const Status done = lake.Undelete(operation.ctx, target);
  if (process.dead || world.failed()) return false;
  world.CountOperation(done.ok());
  world.Note(process, "RESTORED", target, done.ok() ? "ok" : ErrorName(done.error().code()));
  const Oracle& oracle = world.oracle();
  const auto ever = [&](const auto& holds) {
    return oracle.Ever(artifact, operation.from,
                       [&](const format::Head* head) { return head != nullptr && holds(*head); });
  };
  if (done.ok()) {
    if (!ever([&](const format::Head& head) { return !head.forgotten.contains(version); })) {
      world.Fail("P5 an acknowledged undelete never was: " + target);
    }
    return !world.failed();
  }
  const int64_t now_ms = world.now_ms();
  if (done.error().code() == ErrorCode::kGone && !ever([&](const format::Head& head) {
        const auto row = head.forgotten.find(version);
        return row == head.forgotten.end() || row->second.until_ms <= now_ms;
      })) {
    world.Fail("P10 " + target +
               " cannot be brought back within its grace: " + done.error().ToString());
    return false;
  }
  return world.Explained(
      done.error(), operation.healed, "undelete",
      {ErrorCode::kNotFound, ErrorCode::kGone, ErrorCode::kConflict, ErrorCode::kInvalidArgument});
}

}  // namespace varve::sim
