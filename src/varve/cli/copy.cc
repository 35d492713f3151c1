// varve copy: a version, or all of an artifact, to another lake.
#include <nlohmann/json.hpp>

#include "varve/cli/cli.h"
#include "varve/cli/print.h"
#include "varve/cli/verbs.h"

namespace varve::cli {
namespace {

struct Args {
  std::string address, to;
};

}  // namespace

void AddCopy(Cli& cli) {
  const auto args = std::make_shared<Args>();
  cli.AddVerb("copy",
              "copy a version, or all of an artifact, to another lake; commit ids and labels stay",
              "varve copy llama@v17 --to s3://bucket/team")
      .Word("address", args->address, "name@version, or a name for all its versions")
      .RequiredOption("--to", args->to, "the lake to copy into")
      .RunsOnLake([&cli, args](lake::Lake& source) -> Status {
        VARVE_TRY(const auto destination, cli.OpenLake(args->to));
        VARVE_TRY(const auto report,
                  destination->CopyFrom(cli.context(), source, args->address, ProgressBar("copy")));
        return cli.Answer({{"versions_copied", report.versions_copied},
                           {"versions_skipped", report.versions_skipped},
                           {"bytes_sent", report.bytes_sent},
                           {"labels_set", report.labels_set}},
                          std::to_string(report.versions_copied) + " copied, " +
                              std::to_string(report.versions_skipped) + " there already, " +
                              Size(report.bytes_sent) + " sent, " +
                              std::to_string(report.labels_set) + " aliases and tags set");
      });
}

}  // namespace varve::cli
