// varve gc: delete what no version needs any more.
#include <algorithm>
#include <charconv>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <optional>

#include "varve/cli/cli.h"
#include "varve/cli/print.h"
#include "varve/cli/verbs.h"

namespace varve::cli {
namespace {

constexpr size_t kRowsShown = 20;

struct Args {
  bool apply = false, force = false;
  std::string grace = "48h";
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
            (reason.artifact.empty() ? std::string("of saves that never became a version")
                                     : std::to_string(reason.versions) + " forgotten of " +
                                           Printable(reason.artifact)) +
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

}  // namespace

void AddGc(Cli& cli) {
  const auto args = std::make_shared<Args>();
  cli.AddVerb("gc", "delete what no version needs any more; a dry run unless --apply",
              "varve gc s3://bucket/team --apply")
      .LakeWord()
      .Flag("--apply", args->apply, "delete")
      .Flag("--force", args->force, "also when more than 30 % of the bytes would go")
      .Option("--grace", args->grace,
              "leave what is younger: 48h, 7d, 0s; a courtesy to saves under way, never a risk")
      .RunsOnLake([&cli, args](lake::Lake& lake) -> Status {
        const auto grace_ms = DurationMs(args->grace);
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
