// What people attached to versions, for the copies of these versions in another lake.
//
// Pure: edits a head that the caller writes. Only adds; a name or value that the other lake gave
// already stays, so that copying again, or into a lake that lives a life of its own, moves nothing.
#pragma once

#include <cstdint>
#include <map>

#include "varve/format/head.h"

namespace varve::lake {

// Gives `there` the aliases, tags and late metrics that `source` has for the keys of
// `copies` (version in the source -> version there, live there). Returns how many aliases and tags
// were set. Left out: a label that `there` uses already for anything, one too many, metrics too
// many.
uint64_t CarryLabels(const format::Head& source, const std::map<uint64_t, uint64_t>& copies,
                     format::Head& there);

}  // namespace varve::lake
