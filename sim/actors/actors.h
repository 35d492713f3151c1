// Who uses the lake in a run. Each is one process that opens the lake and does a few operations;
// what it is told goes to the oracle. A dead process reports nothing. Threads: fibers.
#pragma once

#include "sim/world.h"

namespace varve::sim {

struct SaveChoice {
  bool pauses = false;        // Long, before the commit.
  std::string parent, alias;  // Empty: none.
};
// Chooses tensors, saves them, and reports. False: the process is to stop.
bool SaveOnce(World& world, Process& process, Intent& intent, const SaveChoice& choice);

// Operations from `done` on, which counts them.
void RunActor(World& world, Process& process, Actor actor, uint32_t& done);

// One operation of each kind; false: the process is to stop.
bool LoadOnce(World& world, Process& process, lake::Lake& lake);
bool LabelOnce(World& world, Process& process, lake::Lake& lake);
bool ForgetOnce(World& world, Process& process, lake::Lake& lake);
bool LookOnce(World& world, Process& process, lake::Lake& lake);
bool CollectOnce(World& world, Process& process, lake::Lake& lake, int64_t grace_ms);
bool RepairOnce(World& world, Process& process, lake::Lake& lake);
bool RepackOnce(World& world, Process& process, lake::Lake& lake);
bool RetainOnce(World& world, Process& process, lake::Lake& lake);
bool KeepOnce(World& world, Process& process, lake::Lake& lake);
bool RestoreOnce(World& world, Process& process, lake::Lake& lake);
bool CopyOnce(World& world, Process& process, lake::Lake& lake, lake::Lake& copy);
bool SaveRanksOnce(World& world, Process& process);
bool SaveStep(World& world, Process& process, lake::Lake& lake, Intent& intent,
              const SaveChoice& choice);

// Few contents, so that versions share chunks; tiny ones, and one that has no bytes.
Bytes AnyContent(uint64_t pick);

// Errors after which the caller may believe that nothing landed.
inline bool Definite(ErrorCode code) {
  return code != ErrorCode::kUnknownOutcome && code != ErrorCode::kCancelled;
}

// What operations share: a context, perhaps with a deadline, and the moment of its start.
struct Operation {
  Operation(World& world, Process& process);
  OpContext ctx;
  uint64_t from;  // Of the oracle.
  bool healed;    // All was well from the start.
};
// Opens `address` and reads what was not let go of it; checks the bytes.
Status LoadAddress(World& world, const Operation& operation, lake::Lake& lake,
                   const std::string& artifact, const std::string& address, uint64_t& version);

std::string AnyArtifact(World& world, Process& process);
uint64_t AnyVersion(World& world, Process& process, const std::string& artifact);
// Somebody let go of something since; it may be gone under whoever was reading it.
bool ForgottenMeanwhile(const Oracle& oracle, const std::string& artifact, uint64_t from);

}  // namespace varve::sim
