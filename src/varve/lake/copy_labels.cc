#include "varve/lake/copy_labels.h"

namespace varve::lake {

uint64_t CarryLabels(const format::Head& source, const std::map<uint64_t, uint64_t>& copies,
                     format::Head& there) {
  uint64_t set = 0;
  const auto carry = [&](const std::map<std::string, uint64_t>& from,
                         std::map<std::string, uint64_t>& to) {
    for (const auto& [label, version] : from) {
      const auto copy = copies.find(version);
      if (copy == copies.end() || to.size() >= format::kLabelsMax) continue;
      if (there.aliases.contains(label) || there.tags.contains(label)) continue;
      to.emplace(label, copy->second);
      ++set;
    }
  };
  carry(source.tags, there.tags);
  carry(source.aliases, there.aliases);
  for (const auto& [version, copy] : copies) {
    const auto learned = source.late_metrics.find(version);
    if (learned == source.late_metrics.end()) continue;
    auto metrics = there.late_metrics[copy];
    for (const auto& [metric, value] : learned->second) metrics.try_emplace(metric, value);
    if (metrics.size() <= format::kEntryMetricsMax) there.late_metrics[copy] = std::move(metrics);
  }
  return set;
}

}  // namespace varve::lake
