#include "varve/plan/repack.h"

#include <algorithm>
#include <numeric>

namespace varve::plan {
namespace {

uint64_t DeadBytes(uint64_t object_bytes, uint64_t live_bytes) {
  return object_bytes > live_bytes ? object_bytes - live_bytes : 0;
}

// In floating point: a limit that is off by a billionth is as good.
bool Worth(double dead_bytes, double moved_bytes, uint32_t dead_percent) {
  const double share = dead_percent;
  return dead_bytes > 0 && dead_bytes * (100 - share) >= moved_bytes * share;
}

// Takes out what is not worth it, until all that is left is: with every pack that goes, those that
// share its commit objects bear more of them.
void Settle(const std::vector<RepackPack>& packs, const std::vector<RepackCommit>& commits,
            uint32_t dead_percent, std::vector<RepackVerdict>& verdicts) {
  for (bool again = true; again;) {
    again = false;
    std::vector<uint32_t> shared_by(commits.size());
    for (size_t i = 0; i < packs.size(); ++i) {
      if (verdicts[i] != RepackVerdict::kMove) continue;
      for (const uint32_t commit : packs[i].commits) ++shared_by[commit];
    }
    for (size_t i = 0; i < packs.size(); ++i) {
      if (verdicts[i] != RepackVerdict::kMove) continue;
      auto moved_bytes = static_cast<double>(packs[i].live_bytes);
      for (const uint32_t commit : packs[i].commits) {
        moved_bytes += static_cast<double>(commits[commit].object_bytes) / shared_by[commit];
      }
      const uint64_t dead_bytes = DeadBytes(packs[i].object_bytes, packs[i].live_bytes);
      if (Worth(static_cast<double>(dead_bytes), moved_bytes, dead_percent)) continue;
      verdicts[i] = RepackVerdict::kCommits;
      again = true;
    }
  }
}

}  // namespace

bool RepackSuspect(uint64_t object_bytes, uint64_t live_bytes, uint32_t dead_percent) {
  return Worth(static_cast<double>(DeadBytes(object_bytes, live_bytes)),
               static_cast<double>(live_bytes), dead_percent);
}

std::vector<RepackVerdict> ChooseRepack(const std::vector<RepackPack>& packs,
                                        const std::vector<RepackCommit>& commits,
                                        const RepackRules& rules) {
  std::vector<RepackVerdict> verdicts(packs.size(), RepackVerdict::kMove);
  for (size_t i = 0; i < packs.size(); ++i) {
    const RepackPack& pack = packs[i];
    const bool fixed = std::any_of(pack.commits.begin(), pack.commits.end(),
                                   [&](uint32_t commit) { return commits[commit].fixed; });
    if (!RepackSuspect(pack.object_bytes, pack.live_bytes, rules.dead_percent))
      verdicts[i] = RepackVerdict::kMostlyLive;
    else if (pack.age_ms < rules.age_ms_min)
      verdicts[i] = RepackVerdict::kYoung;
    else if (fixed)
      verdicts[i] = RepackVerdict::kFixed;
  }
  Settle(packs, commits, rules.dead_percent, verdicts);
  std::vector<size_t> order(packs.size());
  std::iota(order.begin(), order.end(), 0);
  const auto live_share = [&](size_t i) {
    return static_cast<double>(packs[i].live_bytes) / static_cast<double>(packs[i].object_bytes);
  };
  std::stable_sort(order.begin(), order.end(),
                   [&](size_t a, size_t b) { return live_share(a) < live_share(b); });
  uint64_t moved_bytes = 0;
  bool any = false;
  for (const size_t i : order) {
    if (verdicts[i] != RepackVerdict::kMove) continue;
    if (any && packs[i].live_bytes >
                   rules.moved_bytes_max - std::min(rules.moved_bytes_max, moved_bytes)) {
      verdicts[i] = RepackVerdict::kLater;
      continue;
    }
    any = true;
    moved_bytes += packs[i].live_bytes;
  }
  Settle(packs, commits, rules.dead_percent, verdicts);
  return verdicts;
}

}  // namespace varve::plan
