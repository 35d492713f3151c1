// varve verify: read and hash again everything a version names.
#include <cstdio>
#include <nlohmann/json.hpp>

#include "varve/cli/cli.h"
#include "varve/cli/print.h"
#include "varve/cli/verbs.h"

namespace varve::cli {
namespace {

Json ReportJson(const std::string& address, const lake::VerifyReport& report) {
  Json damage = Json::array();
  for (const auto& row : report.damage)
    damage.push_back(
        {{"item", row.item}, {"chunk", row.chunk}, {"object", row.pack_key}, {"what", row.what}});
  return {{"address", address},
          {"items", report.items},
          {"chunks", report.chunks},
          {"raw_bytes", report.raw_bytes},
          {"read_bytes", report.read_bytes},
          {"recorded", report.recorded},
          {"damage", damage}};
}

void PrintReport(const std::string& address, const lake::VerifyReport& report) {
  for (const auto& row : report.damage)
    std::printf("damaged: %s: chunk %s %s (%s)\n", Printable(row.item).c_str(), row.chunk.c_str(),
                Printable(row.what).c_str(), row.pack_key.c_str());
  std::printf("%s: %llu items, %llu chunks, %s read; %s\n", Printable(address).c_str(),
              static_cast<unsigned long long>(report.items),
              static_cast<unsigned long long>(report.chunks), Size(report.read_bytes).c_str(),
              report.damage.empty() ? "all as it was saved" : "damaged");
  if (!report.not_recorded.empty())
    std::printf("not recorded in the lake: %s\n", Printable(report.not_recorded).c_str());
}

}  // namespace

void AddVerify(Cli& cli) {
  const auto address = std::make_shared<std::string>();
  cli.AddVerb("verify", "read and hash again everything a version names",
              "varve verify llama@latest")
      .Word("address", *address, "name@version")
      .RunsOnLake([&cli, address](lake::Lake& lake) -> Status {
        VARVE_TRY(const auto report, lake.Verify(cli.context(), *address, ProgressBar("verify")));
        if (cli.json())
          cli.AnswerJson(ReportJson(*address, report));
        else
          PrintReport(*address, report);
        if (report.damage.empty()) return OkStatus();
        return Error(ErrorCode::kCorrupt, "'" + *address + "' is damaged in " +
                                              std::to_string(report.damage.size()) + " places");
      });
}

}  // namespace varve::cli
