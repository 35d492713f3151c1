// varve fsck: what of a lake is damaged.
#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "varve/cli/cli.h"
#include "varve/cli/document.h"
#include "varve/cli/duration.h"
#include "varve/cli/print.h"
#include "varve/cli/verbs.h"
#include "varve/plan/retention_values.h"

namespace varve::cli {
namespace {

constexpr size_t kRowsShown = 100;
constexpr size_t kCursorBytesMax = 1000;

struct Args {
  bool deep = false, repair = false;
  std::string budget, time, cursor_file, from;
};

// What is damaged now: neither a note nor mended.
uint64_t Hurt(const lake::FsckReport& report) {
  const auto fine = std::count_if(
      report.findings.begin(), report.findings.end(), [](const lake::FsckFinding& finding) {
        return finding.repaired || plan::RuleOf(finding.kind).harm == plan::Harm::kNote;
      });
  return report.findings_total - static_cast<uint64_t>(fine);
}

Json ReportJson(const lake::FsckReport& report) {
  Json findings = Json::array();
  for (const lake::FsckFinding& finding : report.findings) {
    const plan::DamageRule& rule = plan::RuleOf(finding.kind);
    Json row = {{"kind", rule.name},
                {"harm", plan::HarmName(rule.harm)},
                {"object", finding.object},
                {"detail", finding.detail},
                {"meaning", rule.meaning},
                {"advice", rule.advice},
                {"affected", finding.affected},
                {"affected_total", finding.affected_total}};
    if (!finding.repair.empty()) {
      row["repaired"] = finding.repaired;
      row["repair"] = finding.repair;
    }
    findings.push_back(std::move(row));
  }
  return {{"deep", report.deep},
          {"complete", report.complete},
          {"cursor", report.cursor},
          {"artifacts", report.artifacts},
          {"versions", report.versions},
          {"commits", report.commits},
          {"objects", report.objects},
          {"object_bytes", report.object_bytes},
          {"unreferenced_objects", report.unreferenced},
          {"unreferenced_bytes", report.unreferenced_bytes},
          {"packs", report.packs},
          {"packs_checked", report.packs_checked},
          {"read_bytes", report.read_bytes},
          {"written_bytes", report.written_bytes},
          {"findings_total", report.findings_total},
          {"findings", findings}};
}

std::string FindingText(const lake::FsckFinding& finding) {
  const plan::DamageRule& rule = plan::RuleOf(finding.kind);
  std::string text = std::string(rule.name) + ": " + Printable(finding.object);
  if (!finding.detail.empty()) text += " (" + Printable(finding.detail) + ")";
  text += "\n  " + std::string(rule.meaning) + "\n";
  for (const std::string& item : finding.affected) text += "  hurts " + Printable(item) + "\n";
  if (finding.affected_total > finding.affected.size()) {
    text += "  and " + std::to_string(finding.affected_total - finding.affected.size()) + " more\n";
  }
  if (finding.repair.empty()) return text + "  -> " + std::string(rule.advice) + "\n";
  return text + (finding.repaired ? "  mended: " : "  not mended: ") + Printable(finding.repair) +
         "\n";
}

std::string ReportText(const lake::FsckReport& report) {
  std::string text;
  for (size_t i = 0; i < std::min(report.findings.size(), kRowsShown); ++i) {
    text += FindingText(report.findings[i]);
  }
  if (report.findings_total > kRowsShown) {
    text += "and " + std::to_string(report.findings_total - kRowsShown) +
            " findings more; --json gives the first 10,000\n";
  }
  text += std::to_string(report.versions) + " versions of " + std::to_string(report.artifacts) +
          " artifacts, " + std::to_string(report.packs_checked) + " of " +
          std::to_string(report.packs) + " packs " + (report.deep ? "hashed, " : "looked at, ") +
          Size(report.read_bytes) + " of them read\n";
  if (report.unreferenced > 0) {
    text += Size(report.unreferenced_bytes) + " in " + std::to_string(report.unreferenced) +
            " objects that no version names; see varve gc and varve find-lost\n";
  }
  if (!report.complete)
    text += "stopped at the budget; go on with --cursor " + report.cursor + "\n";
  const uint64_t hurt = Hurt(report);
  return text + (hurt == 0 ? "nothing is damaged" : std::to_string(hurt) + " things are damaged");
}

// A cursor that ends a pass is kept beside the caller's other files, never in the lake.
Status KeepCursor(const std::string& path, const std::string& cursor) {
  std::error_code failed;
  if (cursor.empty()) {
    std::filesystem::remove(path, failed);
  } else {
    std::ofstream file(path + ".new", std::ios::trunc);
    file.write(cursor.data(), static_cast<std::streamsize>(cursor.size()));
    file.put('\n');
    file.close();
    if (file.fail()) failed = std::make_error_code(std::errc::io_error);
    if (!failed) std::filesystem::rename(path + ".new", path, failed);
  }
  if (!failed) return OkStatus();
  return Error(ErrorCode::kInvalidArgument,
               "the cursor cannot be written to '" + path + "': " + failed.message());
}

Result<lake::FsckOptions> OptionsOf(const Args& args) {
  lake::FsckOptions options;
  options.deep = args.deep;
  if (!args.budget.empty()) {
    const auto bytes = plan::SizeOf(args.budget);
    if (!bytes.has_value() || *bytes == 0) {
      return Error(ErrorCode::kInvalidArgument,
                   "--budget wants bytes such as 50GiB, not '" + args.budget + "'");
    }
    options.budget_bytes = *bytes;
  }
  if (!args.time.empty()) {
    VARVE_TRY(options.budget_ms, DurationMs("--time", args.time));
  }
  if (args.cursor_file.empty() || !std::filesystem::exists(args.cursor_file)) return options;
  VARVE_TRY(options.cursor, ReadLocalFile(args.cursor_file, kCursorBytesMax));
  while (!options.cursor.empty() && options.cursor.back() == '\n') options.cursor.pop_back();
  return options;
}

Result<lake::FsckReport> CheckOrRepair(const Cli& cli, lake::Lake& lake, const Args& args,
                                       const lake::FsckOptions& options) {
  if (!args.repair) {
    if (args.from.empty()) return lake.Fsck(cli.context(), options);
    return Error(ErrorCode::kInvalidArgument, "--from goes with --repair");
  }
  std::unique_ptr<lake::Lake> from;
  if (!args.from.empty()) {
    VARVE_TRY(from, cli.OpenLake(args.from));
  }
  return lake.Repair(cli.context(), options, from.get());
}

}  // namespace

void AddFsck(Cli& cli) {
  const auto args = std::make_shared<Args>();
  cli.AddVerb("fsck", "find what is damaged in a lake, and mend what can be mended",
              "varve fsck s3://bucket/team --deep --budget 500GiB --cursor-file fsck.cursor")
      .LakeWord()
      .Flag("--deep", args->deep, "hash every byte again; else records, lengths and footers")
      .Option("--budget", args->budget, "stop after so many bytes of packs, such as 500GiB")
      .Option("--time", args->time, "stop after so long, such as 2h")
      .Option("--cursor-file", args->cursor_file,
              "a local file: a check that stops leaves its place there, the next goes on from it")
      .Flag("--repair", args->repair, "mend what can be mended; only adds, never deletes")
      .Option("--from", args->from, "with --repair: another lake to take whole chunks from")
      .RunsOnLake([&cli, args](lake::Lake& lake) -> Status {
        VARVE_TRY(const lake::FsckOptions options, OptionsOf(*args));
        VARVE_TRY(const lake::FsckReport report, CheckOrRepair(cli, lake, *args, options));
        if (cli.json())
          cli.AnswerJson(ReportJson(report));
        else
          std::puts(ReportText(report).c_str());  // Its lines are made here, its names Printable.
        if (!args->cursor_file.empty())
          VARVE_CHECK_OK(KeepCursor(args->cursor_file, report.cursor));
        const uint64_t hurt = Hurt(report);
        if (hurt == 0) return OkStatus();
        return Error(ErrorCode::kCorrupt, std::to_string(hurt) +
                                              " things are damaged; docs/repair.md says what each "
                                              "means and what to do");
      });
}

}  // namespace varve::cli
