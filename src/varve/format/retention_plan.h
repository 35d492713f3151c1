// What retention would do, frozen: the record that `varve retain plan` writes and `apply` checks.
//
// JSON (docs/retention.md, Plan), kept by whoever asked for it, not in the lake. It holds the
// policy, the time it was judged at, what it saw of every artifact and what it lets go, each with
// its reasons. The id is the digest of the rest, so a plan that was edited is refused. Hostile
// bytes, as everywhere. Pure.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "varve/result.h"

namespace varve::format {

inline constexpr uint64_t kRetentionPlanBytesMax = 1 << 30;

struct RetentionItem {
  std::string artifact;
  uint64_t version = 0;
  std::optional<int64_t> step;
  int64_t time_ms = 0;
  uint64_t logical_bytes = 0;
  std::vector<std::string> kept, let_go;  // Components.
  std::vector<std::string> reasons;       // Of what is kept.
  std::string missed;                     // Of what is let go: the rule that came nearest.
  std::string policy;                     // That lets it go; empty when nothing is.
  int64_t grace_ms = 0;
  friend bool operator==(const RetentionItem&, const RetentionItem&) = default;
};

struct RetentionShare {  // Per policy and project, what it lets go of what it matches.
  std::string policy, project;
  uint64_t matched = 0, let_go = 0, let_go_bytes = 0;
  double limit_percent = 0;
  uint64_t limit_bytes = 0;
  bool over = false;  // More than its limit: apply wants the plan's id once more.
  friend bool operator==(const RetentionShare&, const RetentionShare&) = default;
};

struct RetentionPrice {  // Of the class that new objects of the lake are written to.
  std::string provider, region, storage_class, as_of, source, confidence;
  double gb_bytes = 1;
  std::vector<std::pair<double, double>> tiers;  // Width in GB, USD per GB and month.
  int64_t min_days = 0;
  friend bool operator==(const RetentionPrice&, const RetentionPrice&) = default;
};
struct RetentionBill {  // USD, estimates.
  double now_month = 0, saved_month = 0;
  double early = 0;        // Billed all the same when bytes went right after their policy's grace.
  std::string first_bill;  // The month of it, "2026-12"; empty when nothing is freed.
  friend bool operator==(const RetentionBill&, const RetentionBill&) = default;
};
struct RetentionCap {
  std::string policy, rule, key;
  uint64_t bytes = 0, evicted = 0;
  bool over = false;
  friend bool operator==(const RetentionCap&, const RetentionCap&) = default;
};
struct RetentionTier {
  std::string policy, rule;
  uint64_t versions = 0, bytes = 0;
  bool priced = false, proposed = false;
  double once = 0, saved_month = 0, break_even_days = 0;  // When priced.
  friend bool operator==(const RetentionTier&, const RetentionTier&) = default;
};

struct RetentionPlan {
  std::string lake_id;
  int64_t as_of_ms = 0;
  std::string policy;                  // Its one spelling.
  std::vector<std::string> artifacts;  // It was asked for; empty: all.
  // What was seen of each artifact it may change: "newest" -> "v17", "alias best" -> "v3", ...
  std::map<std::string, std::map<std::string, std::string>> facts;
  std::vector<RetentionItem> items;
  std::vector<RetentionShare> shares;
  std::vector<std::string> warnings;
  // Payload bytes that nothing which stays needs, and those of them in packs that go whole, which
  // the collector frees at once; the rest waits for a repack. Absent: not measured.
  std::optional<uint64_t> freed_bytes, freed_whole_bytes;
  std::optional<uint64_t> shared_bytes;  // Of what is let go, that what stays needs: never freed.
  std::optional<RetentionPrice> price;
  std::optional<RetentionBill> bill;  // Only with a price, and measured.
  std::vector<RetentionCap> caps;
  std::vector<RetentionTier> tiers;

  bool NeedsAck() const;
  uint64_t LetGo() const;  // Versions of which anything is let go.
};

struct EncodedRetentionPlan {
  std::string json, id;
};
EncodedRetentionPlan EncodeRetentionPlan(const RetentionPlan& plan);
// kInvalidArgument: it is no plan, or not the one its id names.
Result<RetentionPlan> DecodeRetentionPlan(std::string_view json);

// What becomes of versions otherwise by `after` than by `before`: "stays", "goes", "keeps weights",
// "is not there". Versions that only one plan has are among them.
struct FateChange {
  std::string artifact;
  uint64_t version = 0;
  std::string before, after;
  friend bool operator==(const FateChange&, const FateChange&) = default;
};
std::vector<FateChange> DiffRetentionPlans(const RetentionPlan& before, const RetentionPlan& after);

}  // namespace varve::format
