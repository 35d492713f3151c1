// What bytes cost in a class of a bucket: a table with the day and the source of every price.
//
// Nothing here knows a discount, a tax or the rest of an account: every figure is an estimate from
// list prices. A place that no row fits has no price, and nobody pretends one. Pure; plain values.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "varve/plan/retention_document.h"
#include "varve/result.h"

namespace varve::plan {

inline constexpr size_t kPriceRowsMax = 10'000;
inline constexpr size_t kPriceTiersMax = 32;
inline constexpr int64_t kPriceStaleMs = int64_t{180} * 86'400'000;

struct PriceTier {
  double gb = 0;  // How many of the provider's units this price is for; infinite in the last.
  double usd_month = 0;
};

// One class of one region. Counts of requests are per 1,000.
struct Price {
  std::string provider, region, storage_class;  // "aws", "us-east-1", "STANDARD"
  std::vector<PriceTier> tiers;                 // At least one.
  double gb_bytes = 1073741824;
  double put_usd = 0, transition_usd = 0, read_usd_gb = 0;
  int64_t min_days = 0;           // Deleted sooner, the rest of these is billed all the same.
  uint64_t min_object_bytes = 0;  // A smaller object is billed as this.
  std::string as_of, source, confidence;
  friend bool operator==(const Price&, const Price&) = default;
};
inline bool operator==(const PriceTier& a, const PriceTier& b) {
  return a.gb == b.gb && a.usd_month == b.usd_month;
}

struct PriceTable {
  std::vector<Price> rows;  // Unique by provider, region and class.
};

// {"as_of", "source", "prices": [{"provider", "region", "class", "usd_gb_month", ...}]}, as
// prices/prices.yaml explains. kInvalidArgument beginning with "line:column: ".
Result<PriceTable> PricesOf(const Document& document);
// Rows of `over` replace those of the same key.
PriceTable Merged(PriceTable table, const PriceTable& over);
const Price* FindPrice(const PriceTable& table, std::string_view provider, std::string_view region,
                       std::string_view storage_class);

double MonthlyUsd(const Price& price, double bytes);
// What is billed for `bytes` of this age although they are deleted: the rest of the minimum.
double EarlyDeleteUsd(const Price& price, double bytes, double age_days);
std::string UsdText(double usd);          // "$1,234.50", "$0.0031"
int64_t PriceDateMs(const Price& price);  // Of its as_of; 0 when that is no date.

}  // namespace varve::plan
