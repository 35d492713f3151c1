// varve ls: list artifacts.
#include <cstdio>
#include <nlohmann/json.hpp>

#include "varve/cli/cli.h"
#include "varve/cli/print.h"
#include "varve/cli/verbs.h"

namespace varve::cli {
namespace {

Json ArtifactsJson(const std::vector<lake::ArtifactInfo>& artifacts) {
  Json list = Json::array();
  for (const auto& each : artifacts) {
    list.push_back({{"name", each.name},
                    {"type", each.artifact_type},
                    {"versions", each.versions},
                    {"last_version", each.last_version},
                    {"time", Time(each.time_ms)},
                    {"logical_bytes", each.logical_bytes},
                    {"aliases", each.aliases},
                    {"tags", each.tags}});
  }
  return {{"artifacts", list}};
}

void PrintArtifacts(const std::vector<lake::ArtifactInfo>& artifacts) {
  if (artifacts.empty())
    std::printf("no artifacts yet; make one with: varve put NAME PATH\n");
  else
    std::printf("%-32s %-12s %8s %10s  %s\n", "NAME", "TYPE", "VERSIONS", "SIZE", "NEWEST");
  for (const auto& each : artifacts) {
    std::printf("%-32s %-12s %8llu %10s  %s\n", Printable(each.name).c_str(),
                Printable(each.artifact_type).c_str(),
                static_cast<unsigned long long>(each.versions), Size(each.logical_bytes).c_str(),
                each.time_ms == 0 ? "-" : Time(each.time_ms).c_str());
  }
}

}  // namespace

void AddLs(Cli& cli) {
  cli.AddVerb("ls", "list artifacts", "varve ls")
      .LakeWord()
      .RunsOnLake([&cli](lake::Lake& lake) -> Status {
        VARVE_TRY(const auto artifacts, lake.ListArtifacts(cli.context()));
        if (cli.json())
          cli.AnswerJson(ArtifactsJson(artifacts));
        else
          PrintArtifacts(artifacts);
        return OkStatus();
      });
}

}  // namespace varve::cli
