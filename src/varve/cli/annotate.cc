// varve annotate: what was learned of a version, or of its run, after the save.
#include <nlohmann/json.hpp>

#include "varve/cli/cli.h"
#include "varve/cli/save_args.h"
#include "varve/cli/verbs.h"

namespace varve::cli {
namespace {

struct Args {
  std::string address, run_state, owner;
  std::vector<std::string> metrics;
};

}  // namespace

void AddAnnotate(Cli& cli) {
  const auto args = std::make_shared<Args>();
  cli.AddVerb("annotate", "add what was learned after a save",
              "varve annotate llama@v17 --metric val_loss=0.41 --run-state finished")
      .Word("address", args->address, "name@version")
      .Option("--metric", args->metrics, "name=number, stronger than that of the save; may repeat")
      .Option("--run-state", args->run_state,
              "of the artifact's run: running, preempted, finished, failed or unknown")
      .Option("--owner", args->owner, "of the artifact's run")
      .RunsOnLake([&cli, args](lake::Lake& lake) -> Status {
        lake::AnnotateOptions options;
        options.run_state = args->run_state;
        options.owner = args->owner;
        VARVE_TRY(options.metrics, MetricsFrom(args->metrics));
        VARVE_CHECK_OK(lake.Annotate(cli.context(), args->address, options));
        return cli.Answer({{"annotated", args->address}}, args->address + " is annotated");
      });
}

}  // namespace varve::cli
