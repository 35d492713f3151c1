// varve load: the tensors of a version as a safetensors file.
#include <nlohmann/json.hpp>

#include "varve/cli/cli.h"
#include "varve/cli/print.h"
#include "varve/cli/verbs.h"
#include "varve/lake/tensor_files.h"

namespace varve::cli {
namespace {

struct Args {
  std::string address, destination;
  std::vector<std::string> only;
};

}  // namespace

void AddLoad(Cli& cli) {
  const auto args = std::make_shared<Args>();
  cli.AddVerb("load", "write the tensors of a version to a safetensors file",
              "varve load llama@v17 llama.safetensors --only 'model/*'")
      .Word("address", args->address, "name@version")
      .Word("destination", args->destination, "a file that does not exist")
      .Option("--only", args->only,
              "glob of tensor paths, '*' matching '/' as well; may repeat; the rest is left out")
      .RunsOnLake([&cli, args](lake::Lake& lake) -> Status {
        VARVE_TRY(const auto report,
                  lake::LoadTensorFile(cli.context(), lake, args->address, args->destination,
                                       args->only, ProgressBar("load")));
        return cli.Answer({{"address", args->address},
                           {"destination", args->destination},
                           {"tensors", report.tensors},
                           {"bytes", report.bytes}},
                          args->destination + " has " + std::to_string(report.tensors) +
                              " tensors of " + args->address + ", " + Size(report.bytes) +
                              ", verified");
      });
}

}  // namespace varve::cli
