// varve get: fetch the files of a version.
#include <nlohmann/json.hpp>

#include "varve/cli/cli.h"
#include "varve/cli/print.h"
#include "varve/cli/verbs.h"

namespace varve::cli {
namespace {

struct Args {
  std::string address, destination;
};

}  // namespace

void AddGet(Cli& cli) {
  const auto args = std::make_shared<Args>();
  cli.AddVerb("get", "fetch the files of a version", "varve get tokenizer@prod here")
      .Word("address", args->address, "name@version")
      .Word("destination", args->destination, "a folder that does not exist or is empty")
      .RunsOnLake([&cli, args](lake::Lake& lake) -> Status {
        VARVE_CHECK_OK(
            lake.GetPath(cli.context(), args->address, args->destination, ProgressBar("get")));
        return cli.Answer({{"address", args->address}, {"destination", args->destination}},
                          args->address + " is in " + args->destination + ", verified");
      });
}

}  // namespace varve::cli
