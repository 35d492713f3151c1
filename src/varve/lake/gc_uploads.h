// Uploads in parts that nobody will finish: their parts are paid for and no listing shows them.
//
// One is given up when it is ours by its key, older than the grace and a day, and nothing is there
// that its session wrote within that time, all by the store's clock. Whoever still sends one that
// was aborted hears that it is gone and uploads again; nothing that a version names is ever
// touched. Threads: one; requests run on the lake's transfer pool. Cancel: as a crash.
#pragma once

#include <set>
#include <vector>

#include "varve/lake/gc.h"
#include "varve/store/object_store.h"

namespace varve::lake {

inline constexpr size_t kGcUploadsMax = 10'000;  // Of one run; the rest waits for the next.

// Empty on a store without such uploads, or that does not let us list them (then a skipped row says
// so). `busy`: sessions that wrote something lately.
Result<std::vector<store::PendingUpload>> FindDeadUploads(const OpContext& ctx, Core& core,
                                                          const std::set<uint64_t>& busy,
                                                          int64_t now_ms, int64_t grace_ms,
                                                          GcReport& report);
// For people: the bytes that they hold. What the store does not say counts as nothing.
void MeasureUploads(const OpContext& ctx, Core& core,
                    const std::vector<store::PendingUpload>& uploads, GcReport& report);
// What the store refuses is skipped and reported.
Status AbortUploads(const OpContext& ctx, Core& core,
                    const std::vector<store::PendingUpload>& uploads, GcReport& report);

}  // namespace varve::lake
