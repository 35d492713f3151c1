#include "sim/actors/actors.h"

namespace varve::sim {
namespace {

// Label operations fail of themselves when what they name is missing, kept or taken.
constexpr auto kOwnErrors = {ErrorCode::kNotFound, ErrorCode::kGone, ErrorCode::kAlreadyExists,
                             ErrorCode::kConflict};

}  // namespace

uint64_t AnyVersion(World& world, Process& process, const std::string& artifact) {
  const HeadRef latest = world.oracle().Latest(artifact);
  const uint64_t newest = latest == nullptr ? 1 : std::max<uint64_t>(1, latest->last_version());
  const uint64_t oldest = newest > 5 ? newest - 5 : 1;
  return process.random->Between(oldest, newest);
}

bool LabelOnce(World& world, Process& process, lake::Lake& lake) {
  const std::string artifact = AnyArtifact(world, process);
  const uint64_t version = AnyVersion(world, process, artifact);
  const std::string target = artifact + "@v" + std::to_string(version);
  const uint64_t kind = process.random->Between(0, 3);
  const std::string tag = "rc" + std::to_string(process.random->Between(1, 3));
  const std::string alias = process.random->Between(0, 1) == 0 ? "last" : "best";
  const Operation operation(world, process);
  Status done;
  if (kind < 2) {
    done = lake.SetTag(operation.ctx, artifact, tag, target);
  } else if (kind == 2) {
    done = lake.SetAlias(operation.ctx, artifact, alias, target);
  } else {
    done = lake.RemoveAlias(operation.ctx, artifact, alias);
  }
  if (process.dead || world.failed()) return false;
  world.CountOperation(done.ok());
  world.Note(process, kind < 2 ? "TAGGED" : "ALIASED", target,
             done.ok() ? "ok" : ErrorName(done.error().code()));
  const auto ever = [&](const auto& holds) {
    return world.oracle().Ever(artifact, operation.from, [&](const format::Head* head) {
      return head != nullptr && holds(*head);
    });
  };
  const auto names = [](const std::map<std::string, uint64_t>& labels, const std::string& label) {
    const auto found = labels.find(label);
    return found == labels.end() ? 0 : found->second;
  };
  if (!done.ok()) {
    if (kind < 2 && done.error().code() == ErrorCode::kAlreadyExists &&
        !ever([&](const format::Head& head) {
          const uint64_t holder = names(head.tags, tag);
          return (holder != 0 && holder != version) || head.aliases.contains(tag);
        })) {
      world.Fail("P4 a tag that was free was refused as taken: " + target);
    }
    return world.Explained(done.error(), operation.healed, "label of " + target, kOwnErrors);
  }
  const HeadRef head = world.oracle().Latest(artifact);
  if (head == nullptr) {
    world.Fail("P1 a label was acknowledged on nothing: " + target);
  } else if (kind < 2 && names(head->tags, tag) != version) {
    world.Fail("P1 an acknowledged tag is not there: " + tag + " on " + target);
  } else if (kind == 2 && !ever([&](const format::Head& each) {
               return names(each.aliases, alias) == version;
             })) {
    world.Fail("P5 an acknowledged alias never was: " + alias + " on " + target);
  } else if (kind == 3 &&
             !ever([&](const format::Head& each) { return names(each.aliases, alias) == 0; })) {
    world.Fail("P5 an alias was never removed: " + alias + " of " + artifact);
  }
  return !world.failed();
}

}  // namespace varve::sim
