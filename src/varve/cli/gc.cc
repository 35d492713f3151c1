// varve gc: delete what no version needs any more, or ready for that what is mostly not needed.
#include <algorithm>
#include <charconv>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <optional>

#include "varve/cli/cli.h"
#include "varve/cli/prices.h"
#include "varve/cli/print.h"
#include "varve/cli/verbs.h"

namespace varve::cli {
namespace {

constexpr size_t kRowsShown = 20;

struct Args {
  bool apply = false, force = false, repack = false;
  std::string grace;
  uint64_t dead_percent = plan::kRepackDeadPercent;
  std::string prices;
};

// "48h", "0s", "7d": a whole number and one of s, m, h, d.
std::optional<int64_t> DurationMs(const std::string& text) {
  int64_t count = 0;
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), count);
  if (parsed.ec != std::errc() || parsed.ptr + 1 != text.data() + text.size() || count < 0) {
    return std::nullopt;
  }
  constexpr std::pair<char, int64_t> kUnits[] = {
      {'s', 1000}, {'m', 60'000}, {'h', 3'600'000}, {'d', 86'400'000}};
  for (const auto& [unit, ms] : kUnits) {
    int64_t duration_ms = 0;
    if (*parsed.ptr == unit && !__builtin_mul_overflow(count, ms, &duration_ms)) return duration_ms;
  }
  return std::nullopt;
}

Json BytesJson(const lake::GcBytes& bytes) {
  return {{"objects", bytes.objects}, {"bytes", bytes.bytes}};
}

std::string Text(const lake::GcBytes& bytes) {
  return Size(bytes.bytes) + " in " + std::to_string(bytes.objects) +
         (bytes.objects == 1 ? " object" : " objects");
}

Json ReportJson(const lake::GcReport& report) {
  constexpr const char* kKinds[] = {"packs", "commits", "history", "sessions"};
  Json json = {{"applied", report.applied},
               {"resumed", report.resumed},
               {"under_way", report.under_way},
               {"epoch", report.epoch},
               {"artifacts", report.refs},
               {"versions", report.versions},
               {"listed", BytesJson(report.listed)},
               {"young", BytesJson(report.young)},
               {"uploads", BytesJson(report.uploads)},
               {"aborted_uploads", report.aborted_uploads},
               {"deleted_objects", report.deleted},
               {"freed", BytesJson(report.freed)},
               {"skipped_objects", report.skipped_total}};
  for (size_t kind = 0; kind < format::kIdKinds; ++kind) {
    json["garbage"][kKinds[kind]] = BytesJson(report.garbage[kind]);
  }
  json["reasons"] = Json::array();
  for (const auto& reason : report.reasons) {
    json["reasons"].push_back({{"artifact", reason.artifact},
                               {"versions", reason.versions},
                               {"replaced", reason.replaced},
                               {"garbage", BytesJson(reason.garbage)}});
  }
  json["skipped"] = Json::array();
  for (const auto& each : report.skipped) {
    json["skipped"].push_back({{"key", each.key}, {"reason", each.reason}});
  }
  return json;
}

std::string ReportText(const lake::GcReport& report) {
  std::string text;
  if (report.resumed) text += "finished a collection that had been cut off\n";
  if (report.under_way) text += "another collection is under way; this is how it looks now\n";
  const lake::GcBytes garbage = report.Garbage();
  text += "lake      " + Text(report.listed) + ", " + std::to_string(report.versions) +
          " versions of " + std::to_string(report.refs) + " artifacts\n";
  text += "garbage   " + Text(garbage) + "\n";
  for (size_t i = 0; i < std::min(report.reasons.size(), kRowsShown); ++i) {
    const auto& reason = report.reasons[i];
    text += "  " + Text(reason.garbage) + "  " +
            (reason.artifact.empty()
                 ? std::string("that no version names")
                 : std::to_string(reason.versions) + " forgotten" +
                       (reason.replaced == 0
                            ? std::string()
                            : ", " + std::to_string(reason.replaced) + " laid out anew") +
                       " of " + Printable(reason.artifact)) +
            "\n";
  }
  if (report.reasons.size() > kRowsShown) {
    text += "  and " + std::to_string(report.reasons.size() - kRowsShown) + " artifacts more\n";
  }
  if (report.young.objects > 0) text += "too young " + Text(report.young) + "; see --grace\n";
  if (report.uploads.objects > 0) {
    text += "uploads   " + std::to_string(report.uploads.objects) + " in parts, given up";
    if (!report.applied) text += ", " + Size(report.uploads.bytes);
    text += "\n";
  }
  if (!report.applied) return text + "nothing was deleted: this was a dry run; delete with --apply";
  text +=
      "deleted   " + std::to_string(report.deleted) + " objects, freed " + Size(report.freed.bytes);
  if (report.skipped_total > 0) {
    text += "\nskipped   " + std::to_string(report.skipped_total) +
            " objects that the store would not delete; the next collection tries again";
    for (size_t i = 0; i < std::min(report.skipped.size(), kRowsShown); ++i) {
      text += "\n  " + report.skipped[i].key + "  " + Printable(report.skipped[i].reason);
    }
  }
  return text;
}

constexpr const char* kVerdicts[plan::kRepackVerdicts] = {
    "move", "mostly_live", "commit_objects", "too_young", "no_room", "next_time"};
constexpr const char* kWhyLeft[plan::kRepackVerdicts] = {
    "",
    "not dead enough when all versions are looked at",
    "more commit objects would be written than is freed",
    "younger than what their storage class bills at least",
    "named by a version whose layout cannot change",
    "past the limit of one run; run it again"};

Json RepackJson(const lake::RepackReport& report) {
  Json json = {{"applied", report.applied},
               {"packs", BytesJson({report.packs, report.packs_bytes})},
               {"versions", report.versions},
               {"artifacts", report.artifacts},
               {"read_bytes", report.read_bytes},
               {"read_requests", report.read_requests},
               {"written_bytes", report.written_bytes},
               {"written_objects", report.written_objects},
               {"freed_bytes", report.freed_bytes},
               {"moved", report.moved},
               {"damaged", report.damaged}};
  for (size_t i = 0; i < report.groups.size(); ++i) {
    const auto& group = report.groups[i];
    json["suspects"][kVerdicts[i]] = {
        {"packs", group.packs}, {"bytes", group.bytes}, {"live_bytes", group.live_bytes}};
  }
  json["rows"] = Json::array();
  for (const auto& row : report.rows) {
    json["rows"].push_back({{"key", row.key},
                            {"bytes", row.bytes},
                            {"live_bytes", row.live_bytes},
                            {"versions", row.versions}});
  }
  if (report.quote.has_value()) {
    json["quote"] = {{"read_usd", report.quote->read_usd},
                     {"write_usd", report.quote->write_usd},
                     {"saved_usd_month", report.quote->saved_usd_month},
                     {"price", report.quote->price}};
  }
  return json;
}

std::string RepackText(const lake::RepackReport& report) {
  const auto& move = report.groups[static_cast<size_t>(plan::RepackVerdict::kMove)];
  std::string text =
      "packs     " + Text(lake::GcBytes{report.packs, report.packs_bytes}) + " of live versions\n";
  text += "repack    " + Text(lake::GcBytes{move.packs, move.bytes}) + ", of which " +
          Size(move.live_bytes) + " live in " + std::to_string(report.versions) + " versions of " +
          std::to_string(report.artifacts) + " artifacts\n";
  for (size_t i = 0; i < std::min(report.rows.size(), kRowsShown); ++i) {
    const auto& row = report.rows[i];
    text += "  " + row.key + "  " + Size(row.live_bytes) + " of " + Size(row.bytes) + " live, in " +
            std::to_string(row.versions) + " versions\n";
  }
  if (move.packs > kRowsShown) {
    text += "  and " + std::to_string(move.packs - kRowsShown) + " packs more\n";
  }
  for (size_t i = 1; i < report.groups.size(); ++i) {
    const auto& group = report.groups[i];
    if (group.packs == 0) continue;
    text +=
        "left      " + Text(lake::GcBytes{group.packs, group.bytes}) + ": " + kWhyLeft[i] + "\n";
  }
  for (const std::string& key : report.damaged) {
    text += "damaged   " + key + " does not read back and was left; run: varve fsck --deep\n";
  }
  const std::string would = report.applied ? "" : "would be ";
  text += "read      " + would + Size(report.read_bytes) + " in " +
          std::to_string(report.read_requests) + " requests\n";
  text += "written   " + would + Size(report.written_bytes) + " in " +
          std::to_string(report.written_objects) + " objects\n";
  text += "freed     " + Size(report.freed_bytes) + " by the next varve gc --apply\n";
  if (report.quote.has_value()) {
    text += "price     " + plan::UsdText(report.quote->read_usd) + " to read, " +
            plan::UsdText(report.quote->write_usd) + " to write, " +
            plan::UsdText(report.quote->saved_usd_month) + " less a month (" +
            Printable(report.quote->price) + "; transfer out of a region is not in it)\n";
  }
  if (!report.applied) {
    return text + "nothing was written: this was a dry run; repack with --repack --apply";
  }
  return text + "moved     " + std::to_string(report.moved) +
         " commit objects of versions; nothing was deleted";
}

Status Repack(Cli& cli, lake::Lake& lake, const Args& args) {
  if (args.force || !args.grace.empty()) {
    return Error(ErrorCode::kInvalidArgument,
                 "--repack deletes nothing, so --force and --grace say nothing; leave them out");
  }
  lake::RepackOptions options;
  options.apply = args.apply;
  options.dead_percent = static_cast<uint32_t>(args.dead_percent);
  VARVE_TRY(options.prices, LoadPrices(args.prices));
  VARVE_TRY(const auto report, lake.Repack(cli.context(), options));
  if (cli.json())
    cli.AnswerJson(RepackJson(report));
  else
    std::puts(RepackText(report).c_str());
  return OkStatus();
}

}  // namespace

void AddGc(Cli& cli) {
  const auto args = std::make_shared<Args>();
  cli.AddVerb("gc", "delete what no version needs any more; a dry run unless --apply",
              "varve gc s3://bucket/team --apply")
      .LakeWord()
      .Flag("--apply", args->apply, "delete")
      .Flag("--force", args->force, "also when more than 30 % of the bytes would go")
      .Option("--grace", args->grace,
              "leave what is younger: 48h (unless said), 7d, 0s; a courtesy to saves, never a risk")
      .Flag("--repack", args->repack,
            "instead: copy what lives out of packs that are mostly dead, so that the next gc frees "
            "them")
      .Option("--dead", args->dead_percent,
              "with --repack: a pack is mostly dead from so many percent on", 1, 99)
      .Option("--prices", args->prices, "with --repack: a file of prices over those of varve")
      .RunsOnLake([&cli, args](lake::Lake& lake) -> Status {
        if (args->repack) return Repack(cli, lake, *args);
        const auto grace_ms = DurationMs(args->grace.empty() ? "48h" : args->grace);
        if (!grace_ms.has_value()) {
          return Error(
              ErrorCode::kInvalidArgument,
              "--grace takes a number and s, m, h or d, such as 48h; not '" + args->grace + "'");
        }
        lake::GcOptions options;
        options.apply = args->apply;
        options.force = args->force;
        options.grace_ms = *grace_ms;
        options.holder = "varve gc";
        VARVE_TRY(const auto report, lake.CollectGarbage(cli.context(), options));
        if (cli.json()) {
          cli.AnswerJson(ReportJson(report));
        } else {
          std::puts(ReportText(report).c_str());  // Its lines are made here, its names Printable.
        }
        return OkStatus();
      });
}

}  // namespace varve::cli
