// Lists of condemned and dead ids: in memory by kind, in the bucket in parts.
// Threads: one, except where said.
#pragma once

#include <array>
#include <vector>

#include "varve/format/gc_state.h"
#include "varve/lake/core.h"

namespace varve::lake {

// By IdKind; each sorted and unique.
using GcIds = std::array<std::vector<format::ObjectId>, format::kIdKinds>;

// Writes the parts under fresh names; nothing names them yet.
Result<format::GcList> WriteGcList(const OpContext& ctx, Core& core, uint64_t epoch, bool dead,
                                   const GcIds& ids);
// kNotFound when a part is gone: the state has moved on.
Result<GcIds> ReadGcList(const OpContext& ctx, Core& core, const format::GcList& list);

}  // namespace varve::lake
