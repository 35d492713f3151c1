#include "sim/actors/actors.h"

namespace varve::sim {
namespace {

std::string AnyAddress(World& world, Process& process, const std::string& artifact) {
  static constexpr const char* kLabels[] = {"last", "best", "rc1", "rc2", "rc3"};
  const HeadRef latest = world.oracle().Latest(artifact);
  const uint64_t newest = latest == nullptr ? 0 : latest->last_version();
  switch (process.random->Between(0, 3)) {
    case 0:
      return artifact + "@" + kLabels[process.random->Between(0, 4)];
    case 1:
      return artifact + "@v" + std::to_string(process.random->Between(1, newest + 1));
    default:
      return artifact;
  }
}

}  // namespace

bool ForgottenMeanwhile(const Oracle& oracle, const std::string& artifact, uint64_t from) {
  const format::Head* before = nullptr;
  bool first = true, found = false;
  oracle.Ever(artifact, from, [&](const format::Head* head) {
    if (!std::exchange(first, false) && before != nullptr && head != nullptr) {
      found |= head->layouts != before->layouts;
      for (const auto& [version, row] : head->forgotten)
        found |= !before->forgotten.contains(version);
    }
    before = head;
    return false;
  });
  return found;
}

Status LoadAddress(World& world, const Operation& operation, lake::Lake& lake,
                   const std::string& artifact, const std::string& address, uint64_t& version) {
  std::vector<Bytes> bytes;
  VARVE_TRY(const auto open, lake.OpenAt(operation.ctx, address));
  version = open->entry().version;
  const auto& tensors = open->commit().tensors;
  std::vector<lake::OpenVersion::TensorRead> reads;
  for (const format::TensorRow& row : tensors) bytes.emplace_back(row.raw_bytes);
  for (size_t i = 0; i < bytes.size(); ++i) {
    if (open->commit().GoneBy(i) == nullptr) reads.push_back({i, bytes[i]});
  }
  VARVE_CHECK_OK(open->ReadTensors(operation.ctx, reads));
  const Intent* intent = world.oracle().IntentOf(artifact, version);
  if (intent == nullptr || tensors.size() != intent->tensors.size()) {
    world.Fail("P1 " + address + " was loaded with other tensors than were saved");
    return OkStatus();
  }
  for (const auto& read : reads) {
    const std::string& name = tensors[read.index].name;
    const auto expected = intent->tensors.find(name);
    if (expected == intent->tensors.end() || expected->second != bytes[read.index]) {
      world.Fail("P6 " + address + " was loaded with wrong bytes in " + name);
    }
  }
  // What its head never said to be let go must be there.
  if (reads.size() < tensors.size() &&
      !world.oracle().Ever(artifact, operation.from, [&](const format::Head* head) {
        return head != nullptr && head->layouts.contains(version) &&
               !head->layouts.at(version).let_go.empty();
      })) {
    world.Fail("P1 " + address + " lacks what nobody let go");
  }
  return OkStatus();
}

bool LoadOnce(World& world, Process& process, lake::Lake& lake) {
  const std::string artifact = AnyArtifact(world, process);
  const std::string address = AnyAddress(world, process, artifact);
  const Operation operation(world, process);
  Oracle& oracle = world.oracle();
  uint64_t version = 0;
  const Status loaded = LoadAddress(world, operation, lake, artifact, address, version);
  if (process.dead || world.failed()) return false;
  world.CountOperation(loaded.ok());
  const auto means = [&](uint64_t number) {
    return oracle.Ever(artifact, operation.from,
                       [&](const format::Head* head) { return Meaning(head, address) == number; });
  };
  if (loaded.ok()) {
    world.Note(process, "LOADED", address, "v" + std::to_string(version));
    if (!means(version)) world.Fail("P5 " + address + " never meant v" + std::to_string(version));
    return !world.failed();
  }
  const ErrorCode code = loaded.error().code();
  world.Note(process, "NOT LOADED", address, ErrorName(code));
  if ((code == ErrorCode::kNotFound || code == ErrorCode::kGone) && means(0)) return true;
  if (code == ErrorCode::kGone && ForgottenMeanwhile(oracle, artifact, operation.from)) return true;
  return world.Explained(loaded.error(), operation.healed, "load of " + address, {});
}

bool LookOnce(World& world, Process& process, lake::Lake& lake) {
  const std::string artifact = AnyArtifact(world, process);
  const Operation operation(world, process);
  Oracle& oracle = world.oracle();
  const uint64_t kind = process.random->Between(0, 3);
  const HeadRef before = oracle.Latest(artifact);
  const uint64_t newest = before == nullptr ? 0 : before->last_version();
  Status looked;
  if (kind == 0) {
    const auto names_before = oracle.Artifacts();
    const auto listed = lake.ListArtifacts(operation.ctx);
    if (listed.ok()) {
      if (process.dead) return false;
      for (const std::string& name : names_before) {
        bool there = false;
        for (const auto& each : *listed) there |= each.name == name;
        if (!there) world.Fail("P5 a listing lacks " + name);
      }
    } else {
      looked = listed.error();
    }
  } else if (kind == 1) {
    const auto history = lake.History(operation.ctx, artifact, 200);
    if (history.ok()) {
      if (process.dead) return false;
      if (history->size() < newest) world.Fail("I2 the history of " + artifact + " is short");
      for (const auto& each : *history) {
        const bool known = oracle.Ever(artifact, operation.from, [&](const format::Head* head) {
          return head != nullptr && head->last_version() >= each.entry.version &&
                 head->forgotten.contains(each.entry.version) == each.forgotten.has_value();
        });
        if (!known) world.Fail("P5 the history of " + artifact + " was never so");
      }
    } else {
      looked = history.error();
    }
  } else if (kind == 2) {
    const auto report = lake.Verify(operation.ctx, artifact);
    if (report.ok()) {
      if (process.dead) return false;
      const bool flipped = !operation.healed && world.config().Has(kDamage);
      if (!report->damage.empty() && !flipped) {
        world.Fail("P1 verify found damage in " + artifact + ": " + report->damage[0].what);
      }
    } else {
      looked = report.error();
    }
  } else {
    const auto diff = lake.Diff(operation.ctx, artifact, artifact + "@v1");
    if (!diff.ok()) looked = diff.error();
  }
  if (process.dead || world.failed()) return false;
  world.CountOperation(looked.ok());
  world.Note(process, "LOOKED", artifact, looked.ok() ? "ok" : ErrorName(looked.error().code()));
  if (looked.ok()) return true;
  const ErrorCode code = looked.error().code();
  const bool absent = oracle.Ever(artifact, operation.from, [&](const format::Head* head) {
    return Meaning(head, artifact) == 0 || Meaning(head, artifact + "@v1") == 0;
  });
  if ((code == ErrorCode::kNotFound || code == ErrorCode::kGone) && absent) return true;
  if (code == ErrorCode::kGone && ForgottenMeanwhile(oracle, artifact, operation.from)) return true;
  return world.Explained(looked.error(), operation.healed, "a look at " + artifact, {});
}

bool CopyOnce(World& world, Process& process, lake::Lake& lake, lake::Lake& copy) {
  const Operation operation(world, process);
  const HeadRef before = world.oracle().Latest("m0");
  const auto copied = copy.CopyFrom(operation.ctx, lake, "m0");
  if (process.dead || world.failed()) return false;
  world.CountOperation(copied.ok());
  world.Note(process, "COPIED", "m0", copied.ok() ? "ok" : ErrorName(copied.error().code()));
  if (copied.ok()) {
    const HeadRef there = world.copy_oracle().Latest("m0");
    const uint64_t live = before == nullptr ? 0 : before->last_version() - before->forgotten.size();
    const uint64_t held = there == nullptr ? 0 : there->last_version();
    // What was live before the copy began and still is must be there.
    const bool forgotten = ForgottenMeanwhile(world.oracle(), "m0", operation.from);
    if (held < live && !forgotten) world.Fail("P1 a copy of m0 lacks versions");
    return !world.failed();
  }
  const ErrorCode code = copied.error().code();
  const bool absent = world.oracle().Ever(
      "m0", operation.from, [&](const format::Head* head) { return Meaning(head, "m0") == 0; });
  if (code == ErrorCode::kNotFound && absent) return true;
  if (code == ErrorCode::kGone && ForgottenMeanwhile(world.oracle(), "m0", operation.from)) {
    return true;
  }
  return world.Explained(copied.error(), operation.healed, "copy", {});
}

}  // namespace varve::sim
