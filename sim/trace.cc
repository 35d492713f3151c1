#include "sim/trace.h"

#include <cstdio>

#include "sim/store/bucket.h"

namespace varve::sim {

void Trace::Note(int64_t now_ns, uint32_t process, std::string_view what, std::string_view where,
                 std::string_view outcome) {
  ++events_;
  hash_ = Fnv(what, hash_ ^ static_cast<uint64_t>(now_ns) ^ uint64_t{process} << 48);
  hash_ = Fnv(outcome, Fnv(where, hash_));
  if (!recording_) return;
  char line[400];
  std::snprintf(line, sizeof line, "%12.3f p%-2u %-14.*s %-44.*s %.*s",
                static_cast<double>(now_ns) * 1e-9, process, static_cast<int>(what.size()),
                what.data(), static_cast<int>(where.size()), where.data(),
                static_cast<int>(outcome.size()), outcome.data());
  lines_.emplace_back(line);
}

}  // namespace varve::sim
