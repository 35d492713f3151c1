#include "varve/plan/nearest.h"

#include <algorithm>
#include <numeric>
#include <utility>

namespace varve::plan {
namespace {

// Letters put in, left out or replaced, and neighbours swapped, each counted as one.
size_t EditDistance(std::string_view a, std::string_view b) {
  std::vector<size_t> before(b.size() + 1);  // The row above the row above.
  std::vector<size_t> above(b.size() + 1);
  std::vector<size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), size_t{0});
  for (size_t i = 1; i <= a.size(); ++i) {
    std::swap(before, above);
    std::swap(above, row);
    row[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      const size_t replaced = above[j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1);
      row[j] = std::min({above[j] + 1, row[j - 1] + 1, replaced});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) {
        row[j] = std::min(row[j], before[j - 2] + 1);
      }
    }
  }
  return row[b.size()];
}

}  // namespace

std::string Nearest(std::string_view wanted, const std::vector<std::string>& names) {
  std::string nearest;
  size_t best = wanted.size() / 2 + 2;  // Farther than this is another word, not a slip.
  for (const std::string& name : names) {
    const size_t distance = EditDistance(wanted, name);
    // As far as the longer name is long, the two have no letter in the same place.
    if (distance < best && distance < std::max(wanted.size(), name.size())) {
      best = distance;
      nearest = name;
    }
  }
  return nearest;
}

}  // namespace varve::plan
