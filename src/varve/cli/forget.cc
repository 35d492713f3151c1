// varve forget: make a version unreachable.
#include <nlohmann/json.hpp>

#include "varve/cli/cli.h"
#include "varve/cli/verbs.h"

namespace varve::cli {
namespace {

struct Args {
  std::string address, reason;
};

}  // namespace

void AddForget(Cli& cli) {
  const auto args = std::make_shared<Args>();
  cli.AddVerb("forget", "make a version unreachable", "varve forget llama@v3 --reason diverged")
      .Word("address", args->address, "name@version")
      .Option("--reason", args->reason, "kept in the history")
      .RunsOnLake([&cli, args](lake::Lake& lake) -> Status {
        VARVE_CHECK_OK(lake.Forget(cli.context(), args->address, args->reason));
        return cli.Answer({{"forgotten", args->address}}, args->address + " is forgotten");
      });
}

}  // namespace varve::cli
