// varve find-lost: versions that no head names, and their way back.
#include <nlohmann/json.hpp>

#include "varve/cli/cli.h"
#include "varve/cli/duration.h"
#include "varve/cli/print.h"
#include "varve/cli/verbs.h"
#include "varve/format/names.h"

namespace varve::cli {
namespace {

struct Args {
  std::string rebuild, as;
};

Status List(Cli& cli, lake::Lake& lake) {
  VARVE_TRY(const auto lost, lake.FindLost(cli.context()));
  Json rows = Json::array();
  std::string text;
  for (const lake::LostVersion& each : lost) {
    rows.push_back({{"artifact", each.artifact},
                    {"version", each.version},
                    {"commit", each.commit_id.Hex()},
                    {"object", each.object},
                    {"created_ms", each.created_ms},
                    {"logical_bytes", each.logical_bytes},
                    {"complete", each.complete},
                    {"given_up", each.given_up},
                    {"thinned", each.thinned},
                    {"head_there", each.head_there}});
    text += each.artifact.empty() ? "(no name)"
                                  : format::VersionAddress(Printable(each.artifact), each.version);
    text += "  " + Time(each.created_ms) + "  " + Size(each.logical_bytes) + "  ";
    text += each.complete ? "complete" : "packs are missing";
    if (each.thinned) text += ", thinned";
    if (each.given_up) text += ", given up by a collector";
    if (!each.artifact.empty() && !each.head_there) text += ", its head is gone";
    text += "  " + each.object + "\n";
  }
  text += lost.empty()
              ? "no version is lost"
              : std::to_string(lost.size()) +
                    " versions that no head names; a save that died leaves one, too. varve "
                    "find-lost --rebuild NAME makes those of an artifact addressable";
  return cli.Answer({{"lost", rows}}, text);
}

Status Rebuild(Cli& cli, lake::Lake& lake, const Args& args) {
  lake::RebuildOptions options;
  options.artifact = args.rebuild;
  options.as = args.as;
  options.by = Who();
  VARVE_TRY(const lake::RebuildReport report, lake.Rebuild(cli.context(), options));
  Json rows = Json::array();
  std::string text;
  for (const auto& row : report.rebuilt) {
    rows.push_back({{"was", row.was}, {"version", row.version}, {"commit", row.commit_id.Hex()}});
    text += format::VersionAddress(Printable(report.artifact), row.version);
    if (row.was != row.version) text += "  was saved as v" + std::to_string(row.was);
    text += "\n";
  }
  for (const std::string& each : report.left) text += "left: " + Printable(each) + "\n";
  text += std::to_string(report.rebuilt.size()) +
          " versions found and kept for 30 days; look which were forgotten on purpose, then bring "
          "back the others: varve undelete " +
          Printable(report.artifact) + "@vN";
  return cli.Answer({{"artifact", report.artifact}, {"rebuilt", rows}, {"left", report.left}},
                    text);
}

}  // namespace

void AddFindLost(Cli& cli) {
  const auto args = std::make_shared<Args>();
  cli.AddVerb("find-lost", "versions that no head names, and their way back",
              "varve find-lost s3://bucket/team --rebuild llama")
      .LakeWord()
      .Option("--rebuild", args->rebuild,
              "an artifact: name its lost versions in its head again, to be undeleted one by one")
      .Option("--as", args->as, "with --rebuild: a new name, with numbers from one")
      .RunsOnLake([&cli, args](lake::Lake& lake) -> Status {
        if (!args->rebuild.empty()) return Rebuild(cli, lake, *args);
        if (args->as.empty()) return List(cli, lake);
        return Error(ErrorCode::kInvalidArgument, "--as goes with --rebuild");
      });
}

}  // namespace varve::cli
