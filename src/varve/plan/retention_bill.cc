#include "varve/plan/retention_bill.h"

#include <algorithm>
#include <limits>

namespace varve::plan {
namespace {

constexpr double kDayMs = 86'400'000, kMonthDays = 365.0 / 12;

// Calls visit(blob, candidate, component, stays) for every use.
template <typename Visit>
void EachUse(const Usage& usage, const std::vector<Candidate>& candidates,
             const std::vector<Fate>& verdicts, const Visit& visit) {
  for (uint32_t i = 0; i < candidates.size(); ++i) {
    for (uint32_t c = 0; c < usage.of[i].size(); ++c) {
      const std::vector<std::string>& kept = verdicts[i].kept;
      const bool stays = verdicts[i].whole ||
                         std::binary_search(kept.begin(), kept.end(), candidates[i].components[c]);
      for (const uint32_t blob : usage.of[i][c]) visit(blob, i, c, stays);
    }
  }
}

double AgeDays(int64_t written_ms, int64_t now_ms) {
  return std::max(0.0, (static_cast<double>(now_ms) - static_cast<double>(written_ms)) / kDayMs);
}

}  // namespace

Freed FreedBy(const Usage& usage, const std::vector<Candidate>& candidates,
              const std::vector<Fate>& verdicts) {
  std::vector<bool> stays(usage.blobs.size()), goes(usage.blobs.size());
  EachUse(usage, candidates, verdicts, [&](uint32_t blob, uint32_t, uint32_t, bool stay) {
    (stay ? stays : goes)[blob] = true;
  });
  std::vector<bool> pack_stays(usage.packs);
  for (size_t b = 0; b < stays.size(); ++b) {
    if (stays[b]) pack_stays[usage.blobs[b].pack] = true;
  }
  Freed freed;
  for (size_t b = 0; b < stays.size(); ++b) {
    const Usage::Blob& blob = usage.blobs[b];
    if (stays[b] || goes[b]) freed.total_bytes += blob.bytes;
    if (stays[b] && goes[b]) freed.shared_bytes += blob.bytes;
    if (stays[b] || !goes[b]) continue;
    freed.bytes += blob.bytes;
    if (!pack_stays[blob.pack]) freed.whole_bytes += blob.bytes;
  }
  return freed;
}

Bill BillOf(const Usage& usage, const std::vector<Candidate>& candidates,
            const std::vector<Fate>& verdicts, const Price& price, int64_t as_of_ms) {
  // A blob goes when the last version that has it may.
  std::vector<int64_t> free_ms(usage.blobs.size(), as_of_ms);
  std::vector<bool> stays(usage.blobs.size()), goes(usage.blobs.size());
  EachUse(usage, candidates, verdicts, [&](uint32_t blob, uint32_t i, uint32_t, bool stay) {
    (stay ? stays : goes)[blob] = true;
    free_ms[blob] = std::max(free_ms[blob], as_of_ms + verdicts[i].grace_ms);
  });
  double total_bytes = 0, freed_bytes = 0;
  Bill bill;
  for (size_t b = 0; b < stays.size(); ++b) {
    const auto bytes = static_cast<double>(usage.blobs[b].bytes);
    if (stays[b] || goes[b]) total_bytes += bytes;
    if (stays[b] || !goes[b]) continue;
    freed_bytes += bytes;
    bill.early += EarlyDeleteUsd(price, bytes, AgeDays(usage.blobs[b].time_ms, free_ms[b]));
  }
  bill.now_month = MonthlyUsd(price, total_bytes);
  bill.saved_month = bill.now_month - MonthlyUsd(price, total_bytes - freed_bytes);
  return bill;
}

TierBill TierBillOf(const Usage& usage, const std::vector<Candidate>& candidates,
                    const std::vector<Fate>& verdicts, const TierPick& pick, const Price& from,
                    const Price& to, int64_t as_of_ms, uint64_t pack_bytes) {
  std::vector<uint32_t> uses(usage.blobs.size()), picked(usage.blobs.size());
  EachUse(usage, candidates, verdicts,
          [&](uint32_t blob, uint32_t, uint32_t, bool stay) { uses[blob] += stay ? 1 : 0; });
  for (const auto& [i, parts] : pick.parts) {
    for (const uint32_t c : parts) {
      if (c >= usage.of[i].size()) continue;
      for (const uint32_t blob : usage.of[i][c]) ++picked[blob];
    }
  }
  TierBill bill;
  bill.versions = pick.parts.size();
  double early = 0;
  for (size_t b = 0; b < uses.size(); ++b) {
    if (picked[b] == 0 || picked[b] != uses[b]) continue;
    bill.bytes += usage.blobs[b].bytes;
    early += EarlyDeleteUsd(from, static_cast<double>(usage.blobs[b].bytes),
                            AgeDays(usage.blobs[b].time_ms, as_of_ms));
  }
  if (bill.bytes == 0) return bill;
  bill.objects = (bill.bytes + pack_bytes - 1) / pack_bytes;
  const auto objects = static_cast<double>(bill.objects), bytes = static_cast<double>(bill.bytes);
  const double billed = std::max(bytes, objects * static_cast<double>(to.min_object_bytes));
  bill.once = early + objects / 1000 * std::max(to.transition_usd, to.put_usd);
  bill.saved_month = MonthlyUsd(from, bytes) - MonthlyUsd(to, billed);
  bill.break_even_days = bill.saved_month > 0 ? bill.once / bill.saved_month * kMonthDays
                                              : std::numeric_limits<double>::infinity();
  bill.profitable = bill.break_even_days < kTierHorizonDays &&
                    static_cast<double>(to.min_days) <= kTierHorizonDays;
  return bill;
}

}  // namespace varve::plan
