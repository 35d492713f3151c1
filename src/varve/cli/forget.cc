// varve forget: make a version unreachable.
#include <nlohmann/json.hpp>

#include "varve/cli/cli.h"
#include "varve/cli/duration.h"
#include "varve/cli/verbs.h"

namespace varve::cli {
namespace {

struct Args {
  std::string address, reason, grace = "7d";
};

}  // namespace

void AddForget(Cli& cli) {
  const auto args = std::make_shared<Args>();
  cli.AddVerb("forget", "make a version unreachable", "varve forget llama@v3 --reason diverged")
      .Word("address", args->address, "name@version")
      .Option("--reason", args->reason, "kept in the history")
      .Option("--grace", args->grace, "how long it may be brought back; 7d unless given")
      .RunsOnLake([&cli, args](lake::Lake& lake) -> Status {
        lake::ForgetOptions options;
        options.by = Who();
        VARVE_TRY(options.grace_ms, DurationMs("--grace", args->grace));
        VARVE_CHECK_OK(lake.Forget(cli.context(), args->address, args->reason, options));
        return cli.Answer({{"forgotten", args->address}, {"grace_ms", options.grace_ms}},
                          args->address + " is forgotten; for " + args->grace +
                              " it comes back with: varve undelete " + args->address);
      });
}

}  // namespace varve::cli
