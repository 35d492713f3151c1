// One check with all that it learned, for the report and for a repair. Private to lake/.
#pragma once

#include <set>

#include "varve/lake/fsck.h"
#include "varve/lake/fsck_survey.h"

namespace varve::lake {

struct FsckRun {
  FsckSurvey survey;
  std::set<format::ObjectId> bad_packs;  // That versions name.
  FsckReport report;
};
// kUnsupported when this build may not write to the lake, or not repair it.
Status CheckMayRepair(const OpContext& ctx, Core& core);
Status RunCheck(const OpContext& ctx, Core& core, const FsckOptions& options, FsckRun& run);

}  // namespace varve::lake
