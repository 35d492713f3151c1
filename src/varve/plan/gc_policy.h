// What a collector makes of one listed object, and when it asks before it goes on.
//
// Times are the store's. They decide only what is worth trying: whether a delete is safe is decided
// by the fence, for any answer given here. Pure.
#pragma once

#include <cstdint>

namespace varve::plan {

inline constexpr int64_t kGcGraceMs = 48LL * 3600 * 1000;
inline constexpr uint32_t kGcSharePercentMax = 30;  // Of the bytes listed; above: only with force.

// Whether something that happened at `then_ms` is old enough. A grace of nothing is always over.
constexpr bool GraceOver(int64_t now_ms, int64_t then_ms, int64_t grace_ms) {
  return grace_ms <= 0 || (then_ms <= now_ms && now_ms - then_ms >= grace_ms);
}

// Whether an upload in parts, or what its session wrote last, is so old that nobody will finish it.
// A grace of nothing does not end an upload that may well go on.
inline constexpr int64_t kUploadGraceMsMin = 24LL * 3600 * 1000;
constexpr bool UploadOver(int64_t now_ms, int64_t then_ms, int64_t grace_ms) {
  const int64_t least_ms = grace_ms > kUploadGraceMsMin ? grace_ms : kUploadGraceMsMin;
  return then_ms > 0 && GraceOver(now_ms, then_ms, least_ms);
}

// Whether so much garbage is likelier a mistake than garbage.
constexpr bool ShareTooLarge(uint64_t garbage_bytes, uint64_t listed_bytes) {
  return static_cast<double>(garbage_bytes) * 100 >
         static_cast<double>(listed_bytes) * kGcSharePercentMax;
}

}  // namespace varve::plan
