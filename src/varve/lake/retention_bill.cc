// The money of a plan: what is freed, at the list price of the class that the lake is written to.
#include "varve/plan/retention_bill.h"

#include <algorithm>

#include "varve/lake/retention.h"

namespace varve::lake {
namespace {

// What a collector adds before the bytes are gone.
constexpr int64_t kCollectMs = plan::kGcGraceMs;
constexpr const char* kNotMoved =
    "tiers are planned and priced, not carried out: an object's name is never written twice, so "
    "nothing moves between classes; VARVE_S3_STORAGE_CLASS sets the class of new objects";

std::string FirstBill(const plan::RetentionVerdicts& judged, int64_t as_of_ms) {
  int64_t first_ms = INT64_MAX;
  for (const plan::Fate& verdict : judged.verdicts) {
    if (!verdict.whole) first_ms = std::min(first_ms, as_of_ms + verdict.grace_ms + kCollectMs);
  }
  return first_ms == INT64_MAX ? "" : plan::DateText(first_ms).substr(0, 7);
}

std::vector<std::string> PriceWarnings(const plan::Price& price, int64_t as_of_ms) {
  std::vector<std::string> warnings;
  if (as_of_ms - plan::PriceDateMs(price) > plan::kPriceStaleMs) {
    warnings.push_back("the price of " + price.storage_class + " is of " + price.as_of +
                       ", more than 180 days old; give newer ones with --prices");
  }
  return warnings;
}

}  // namespace

format::RetentionPrice PlanPrice(const plan::Price& price) {
  format::RetentionPrice kept{price.provider, price.region, price.storage_class,
                              price.as_of,    price.source, price.confidence,
                              price.gb_bytes, {},           price.min_days};
  for (const plan::PriceTier& tier : price.tiers) kept.tiers.emplace_back(tier.gb, tier.usd_month);
  return kept;
}

plan::Price PriceOf(const format::RetentionPrice& price) {
  plan::Price made;
  made.provider = price.provider;
  made.region = price.region;
  made.storage_class = price.storage_class;
  made.as_of = price.as_of;
  made.source = price.source;
  made.confidence = price.confidence;
  made.gb_bytes = price.gb_bytes;
  made.min_days = price.min_days;
  for (const auto& [gb, usd] : price.tiers) made.tiers.push_back({gb, usd});
  return made;
}

void FillBill(const RetentionOptions& options, const plan::PolicySet& policies,
              const std::vector<plan::Candidate>& candidates, const plan::RetentionVerdicts& judged,
              const plan::Usage* usage, const plan::Price* price, const Core& core,
              format::RetentionPlan& plan) {
  const store::Placement place = core.store->placement();
  if (price == nullptr && !options.prices.rows.empty() && !place.provider.empty()) {
    plan.warnings.push_back("no price is known for " + place.provider + " " + place.region + " " +
                            place.storage_class + "; give one with --prices");
  }
  if (price != nullptr) {
    plan.price = PlanPrice(*price);
    for (std::string& warning : PriceWarnings(*price, plan.as_of_ms))
      plan.warnings.push_back(std::move(warning));
  }
  for (const plan::CapState& state : judged.caps) {
    const plan::Policy& policy = policies.policies[state.policy];
    plan.caps.push_back({policy.name, plan::CapText(policy.caps[state.cap]), state.key, state.bytes,
                         state.evicted, state.over});
    if (!state.over) continue;
    plan.warnings.push_back("cap " + plan.caps.back().rule + " of '" + state.key +
                            "': " + std::to_string(state.bytes) +
                            " bytes stay all the same, kept by what is stronger than a cap");
  }
  if (usage == nullptr) return;
  if (options.measure) {
    const plan::Freed freed = plan::FreedBy(*usage, candidates, judged.verdicts);
    plan.freed_bytes = freed.bytes;
    plan.freed_whole_bytes = freed.whole_bytes;
    plan.shared_bytes = freed.shared_bytes;
    if (price != nullptr) {
      const plan::Bill bill =
          plan::BillOf(*usage, candidates, judged.verdicts, *price, plan.as_of_ms);
      plan.bill = {bill.now_month, bill.saved_month, bill.early,
                   freed.bytes == 0 ? "" : FirstBill(judged, plan.as_of_ms)};
    }
  }
  for (const plan::TierPick& pick : judged.tiers) {
    const plan::Policy& policy = policies.policies[pick.policy];
    const plan::Tier& tier = policy.tiers[pick.tier];
    format::RetentionTier row;
    row.policy = policy.name;
    row.rule = plan::TierText(tier);
    row.versions = pick.parts.size();
    const plan::Price* to = price == nullptr ? nullptr
                                             : plan::FindPrice(options.prices, price->provider,
                                                               price->region, tier.storage_class);
    const plan::Price none;
    const plan::TierBill bill =
        plan::TierBillOf(*usage, candidates, judged.verdicts, pick, to == nullptr ? none : *price,
                         to == nullptr ? none : *to, plan.as_of_ms, core.descriptor.pack_bytes);
    row.bytes = bill.bytes;
    row.priced = to != nullptr;
    row.proposed = bill.bytes > 0 && (!tier.only_if_profitable || (row.priced && bill.profitable));
    if (row.priced) {
      row.once = bill.once;
      row.saved_month = bill.saved_month;
      row.break_even_days = bill.break_even_days;
    }
    plan.tiers.push_back(std::move(row));
  }
  if (!judged.tiers.empty()) plan.warnings.emplace_back(kNotMoved);
}

}  // namespace varve::lake
