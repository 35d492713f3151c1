// Commit objects that no head names: what a repair may take tables from, and what find-lost lists.
// Private to lake/.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "varve/lake/fsck_survey.h"

namespace varve::lake {

struct LostCommit {
  format::ObjectId meta_id;
  hash::Digest commit_id;
  format::Origin origin;
  std::vector<hash::Digest> parents;
  int64_t created_ms = 0;
  uint64_t logical_bytes = 0;
  bool complete = false;  // Every pack is listed, with the length it was written with.
  bool given_up = false;  // On a list of the collector's: nothing named it, and that was meant.
  bool thinned = false;
  bool followed = false;  // Another of them was saved on top of it: its own save did not die.
};

// Reads every commit object that no head names; what cannot be read is left out. By artifact,
// number and time.
Result<std::vector<LostCommit>> ScanLost(const OpContext& ctx, Core& core,
                                         const FsckSurvey& survey);

}  // namespace varve::lake
