// What deletes. Called for decided lists, and for the collector's own papers, by nobody else.
#pragma once

#include "varve/lake/gc.h"
#include "varve/lake/gc_lists.h"

namespace varve::lake {

// Deletes every object of the list that gc/state calls dead. Refusals are skipped and reported;
// any other failure is an error, and sweeping again finishes.
Status SweepDead(const OpContext& ctx, Core& core, const GcIds& dead, GcReport& report);

// Deletes lists that no state will ever name again, marks of epochs that have passed, and our own
// (none: null). Failures cost nothing.
void TidyPapers(const OpContext& ctx, Core& core, const format::ObjectId* mark_id);

}  // namespace varve::lake
