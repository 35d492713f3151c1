#include "varve/plan/price.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>

#include "varve/plan/nearest.h"
#include "varve/plan/retention_values.h"

namespace varve::plan {
namespace {

using Kind = Document::Kind;
constexpr double kMonthDays = 365.0 / 12;

Result<double> NumberOf(const Document& node, const std::string& what, double least) {
  std::optional<double> value = Number<double>(node.text);
  if (node.text == "inf") value = std::numeric_limits<double>::infinity();
  if (node.kind != Kind::kText || !value.has_value() || !(*value >= least)) {
    return At(node.at, what + " is a number from " + std::to_string(static_cast<int>(least)) +
                           " on, not '" + node.text + "'");
  }
  return *value;
}

Result<std::string> TextOf(const Document& node, const std::string& what) {
  if (node.kind == Kind::kText && !node.text.empty() && node.text.size() <= 200) return node.text;
  return At(node.at, what + " is 1 to 200 bytes of text");
}

Status CheckDate(const std::string& text, Position at) {
  auto date = ParseDate(text, at);
  return date.ok() ? OkStatus() : Status(std::move(date).error());
}

// One price, or widths and prices: [[51200, 0.023], [inf, 0.021]].
Result<std::vector<PriceTier>> TiersOf(const Document& node) {
  if (node.kind != Kind::kList) {
    VARVE_TRY(const double usd, NumberOf(node, "a price", 0));
    return std::vector<PriceTier>{{std::numeric_limits<double>::infinity(), usd}};
  }
  std::vector<PriceTier> tiers;
  for (const Document& item : node.items) {
    if (item.kind != Kind::kList || item.items.size() != 2 || tiers.size() == kPriceTiersMax) {
      return At(item.at, "tiers are at most 32 pairs of GB and price, such as [51200, 0.023]");
    }
    PriceTier tier;
    VARVE_TRY(tier.gb, NumberOf(item.items[0], "the width of a tier", 0));
    VARVE_TRY(tier.usd_month, NumberOf(item.items[1], "a price", 0));
    tiers.push_back(tier);
  }
  if (tiers.empty() || !std::isinf(tiers.back().gb))
    return At(node.at, "the last tier must be as wide as 'inf'");
  return tiers;
}

Result<Price> PriceOf(const Document& node, const Price& defaults) {
  if (node.kind != Kind::kMap) return At(node.at, "a price is a map of provider, region, ...");
  Price price = defaults;
  const std::vector<std::string> known{
      "provider", "region",         "class",       "usd_gb_month", "gb_bytes",
      "usd_put",  "usd_transition", "usd_read_gb", "min_days",     "min_object_bytes",
      "as_of",    "source",         "confidence"};
  for (const auto& [key, value] : node.fields) {
    const std::string& name = key.text;
    if (name == "usd_gb_month") {
      VARVE_TRY(price.tiers, TiersOf(value));
    } else if (name == "gb_bytes") {
      VARVE_TRY(price.gb_bytes, NumberOf(value, "gb_bytes", 1));
    } else if (name == "usd_put") {
      VARVE_TRY(price.put_usd, NumberOf(value, "usd_put", 0));
    } else if (name == "usd_transition") {
      VARVE_TRY(price.transition_usd, NumberOf(value, "usd_transition", 0));
    } else if (name == "usd_read_gb") {
      VARVE_TRY(price.read_usd_gb, NumberOf(value, "usd_read_gb", 0));
    } else if (name == "min_days") {
      VARVE_TRY(const double days, NumberOf(value, "min_days", 0));
      price.min_days = static_cast<int64_t>(std::min(days, 36'500.0));
    } else if (name == "min_object_bytes") {
      VARVE_TRY(const double bytes, NumberOf(value, "min_object_bytes", 0));
      price.min_object_bytes = static_cast<uint64_t>(std::min(bytes, 1e15));
    } else if (std::find(known.begin(), known.end(), name) != known.end()) {
      VARVE_TRY(const std::string text, TextOf(value, "'" + name + "'"));
      (name == "provider" ? price.provider
       : name == "region" ? price.region
       : name == "class"  ? price.storage_class
       : name == "as_of"  ? price.as_of
       : name == "source" ? price.source
                          : price.confidence) = text;
      if (name == "as_of") VARVE_CHECK_OK(CheckDate(text, value.at));
    } else {
      const std::string nearest = Nearest(name, known);
      return At(key.at, "no field '" + name + "' of a price" +
                            (nearest.empty() ? "" : "; did you mean '" + nearest + "'?"));
    }
  }
  if (price.provider.empty() || price.region.empty() || price.storage_class.empty() ||
      price.tiers.empty()) {
    return At(node.at, "a price needs provider, region, class and usd_gb_month");
  }
  if (price.as_of.empty() || price.source.empty())
    return At(node.at, "a price without as_of and source is worth nothing; give both");
  return price;
}

}  // namespace

Result<PriceTable> PricesOf(const Document& document) {
  if (document.kind != Kind::kMap)
    return At(document.at, "a price file is a map of as_of, source and prices");
  Price defaults;
  const Document* rows = nullptr;
  for (const auto& [key, value] : document.fields) {
    if (key.text == "prices") {
      rows = &value;
    } else if (key.text == "as_of" || key.text == "source") {
      VARVE_TRY(const std::string text, TextOf(value, "'" + key.text + "'"));
      (key.text == "as_of" ? defaults.as_of : defaults.source) = text;
      if (key.text == "as_of") VARVE_CHECK_OK(CheckDate(text, value.at));
    } else {
      return At(key.at, "no field '" + key.text + "' of a price file; fields are as_of, source, " +
                            "prices");
    }
  }
  if (rows == nullptr || rows->kind != Kind::kList || rows->items.empty())
    return At(document.at, "a price file needs prices: a list");
  PriceTable table;
  for (const Document& row : rows->items) {
    VARVE_TRY(Price price, PriceOf(row, defaults));
    if (FindPrice(table, price.provider, price.region, price.storage_class) != nullptr)
      return At(row.at, "the price of " + price.storage_class + " is there twice");
    if (table.rows.size() == kPriceRowsMax) return At(row.at, "there are more than 10,000 prices");
    table.rows.push_back(std::move(price));
  }
  return table;
}

PriceTable Merged(PriceTable table, const PriceTable& over) {
  for (const Price& price : over.rows) {
    const auto same = std::find_if(table.rows.begin(), table.rows.end(), [&](const Price& each) {
      return each.provider == price.provider && each.region == price.region &&
             each.storage_class == price.storage_class;
    });
    if (same == table.rows.end())
      table.rows.push_back(price);
    else
      *same = price;
  }
  return table;
}

const Price* FindPrice(const PriceTable& table, std::string_view provider, std::string_view region,
                       std::string_view storage_class) {
  const auto found = std::find_if(table.rows.begin(), table.rows.end(), [&](const Price& each) {
    return each.provider == provider && each.region == region &&
           each.storage_class == storage_class;
  });
  return found == table.rows.end() ? nullptr : &*found;
}

double MonthlyUsd(const Price& price, double bytes) {
  double left_gb = bytes / price.gb_bytes, usd = 0;
  for (const PriceTier& tier : price.tiers) {
    const double gb = std::min(left_gb, tier.gb);
    usd += gb * tier.usd_month;
    left_gb -= gb;
    if (left_gb <= 0) break;
  }
  return usd;
}

double EarlyDeleteUsd(const Price& price, double bytes, double age_days) {
  const double left_days = std::max(0.0, static_cast<double>(price.min_days) - age_days);
  return MonthlyUsd(price, bytes) * left_days / kMonthDays;
}

std::string UsdText(double usd) {
  char text[64];
  std::snprintf(text, sizeof text, usd != 0 && std::abs(usd) < 0.1 ? "%.4f" : "%.2f", usd);
  std::string number = text;
  for (size_t at = std::min(number.find('.'), number.size()); at > 3;) {
    at -= 3;
    if (number[at - 1] != '-') number.insert(at, ",");
  }
  return "$" + number;
}

int64_t PriceDateMs(const Price& price) {
  const auto date = ParseDate(price.as_of, {});
  return date.ok() ? *date : 0;
}

}  // namespace varve::plan
