// varve doctor: whether several writers may share a lake on a store, and what else is wrong there.
#include "varve/lake/doctor.h"

#include <algorithm>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "varve/cli/cli.h"
#include "varve/cli/print.h"
#include "varve/cli/verbs.h"

namespace varve::cli {
namespace {

Json ReportJson(const lake::DoctorReport& report) {
  Json checks = Json::array();
  for (const plan::JudgedCheck& check : report.verdict.checks) {
    Json row{{"name", check.seen.check},
             {"verdict", plan::VerdictName(check.verdict)},
             {"outcome", check.seen.outcome},
             {"evidence", check.seen.evidence}};
    if (!check.advice.empty()) row["advice"] = check.advice;
    checks.push_back(std::move(row));
  }
  return {{"lake", report.place},
          {"shared_writing", report.verdict.safe ? "safe" : "refused"},
          {"reason", report.verdict.reason},
          {"checks", checks},
          {"lake_found", report.lake_found},
          {"stored", report.stored},
          {"seconds", report.seconds}};
}

void PrintReport(const lake::DoctorReport& report) {
  size_t width = 0;
  for (const plan::JudgedCheck& check : report.verdict.checks)
    width = std::max(width, check.seen.check.size());
  for (const plan::JudgedCheck& check : report.verdict.checks) {
    const std::string outcome = check.seen.outcome == "ok" ? "" : check.seen.outcome + ": ";
    std::printf("%-4s  %-*s  %s\n", std::string(plan::VerdictName(check.verdict)).c_str(),
                static_cast<int>(width), check.seen.check.c_str(),
                Printable(outcome + check.seen.evidence).c_str());
    if (!check.advice.empty())
      std::printf("      %-*s  -> %s\n", static_cast<int>(width), "", check.advice.c_str());
  }
  std::printf("\n%s: shared writing is %s", Printable(report.place).c_str(),
              report.verdict.safe ? "safe" : "refused");
  if (!report.verdict.safe) std::printf(": %s", Printable(report.verdict.reason).c_str());
  if (report.stored) std::printf("; the lake remembers it");
  if (!report.lake_found) std::printf("; there is no lake yet");
  if (report.lake_found && !report.stored)
    std::printf("; the lake could not be told: %s", Printable(report.not_stored).c_str());
  std::printf(" (%.1f s)\n", report.seconds);
}

}  // namespace

void AddDoctor(Cli& cli) {
  cli.AddVerb("doctor", "try what a lake needs of its store, and say what to do",
              "varve doctor s3://bucket/team")
      .LakeWord()
      .Runs([&cli]() -> Status {
        VARVE_TRY(const auto store, cli.OpenStore());
        VARVE_TRY(const lake::DoctorReport report, lake::Examine(cli.context(), *store));
        if (cli.json())
          cli.AnswerJson(ReportJson(report));
        else
          PrintReport(report);
        if (report.verdict.safe) return OkStatus();
        return Error(ErrorCode::kUnsupported,
                     report.place + " is refused for shared writing: " + report.verdict.reason);
      });
}

}  // namespace varve::cli
