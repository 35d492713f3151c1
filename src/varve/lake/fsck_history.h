// Makes history nodes again that were lost, from commit objects alone. Private to lake/.
//
// A node is made again only when it is beyond doubt: for every version of its range that must stay
// there is exactly one commit that says it was saved as that version of that artifact, each follows
// the one before it, and no collector's list names it. Else it is left, and the outcome says why: a
// version under a wrong number would be a wrong answer. Versions of the range that were let go for
// good get an entry that names nothing; their tombstones stay as they are.
// Threads: one.
#pragma once

#include <map>
#include <string>

#include "varve/lake/fsck_lost.h"
#include "varve/lake/fsck_survey.h"

namespace varve::lake {

class FsckHistory {
 public:
  FsckHistory(const OpContext& ctx, Core& core, const FsckSurvey& survey)
      : ctx_(ctx), core_(core), survey_(survey) {}

  Status Run();
  // By node: empty when it was made again, else why not.
  const std::map<format::ObjectId, std::string>& outcomes() const { return outcomes_; }

 private:
  Result<std::string> Rebuild(const FsckLostNode& lost, const std::vector<LostCommit>& commits);

  const OpContext& ctx_;
  Core& core_;
  const FsckSurvey& survey_;
  std::map<format::ObjectId, std::string> outcomes_;
};

}  // namespace varve::lake
