// varve get: fetch the files of a version.
#include <nlohmann/json.hpp>

#include "varve/cli/cli.h"
#include "varve/cli/duration.h"
#include "varve/cli/print.h"
#include "varve/cli/verbs.h"
#include "varve/lake/read_lease.h"

namespace varve::cli {
namespace {

struct Args {
  std::string address, destination;
  bool lease = false;
};

}  // namespace

void AddGet(Cli& cli) {
  const auto args = std::make_shared<Args>();
  cli.AddVerb("get", "fetch the files of a version", "varve get tokenizer@prod here")
      .Word("address", args->address, "name@version")
      .Word("destination", args->destination, "a folder that does not exist or is empty")
      .Flag("--lease", args->lease, "keep retention from letting it go meanwhile; needs to write")
      .RunsOnLake([&cli, args](lake::Lake& lake) -> Status {
        std::function<void(lake::Progress)> on_progress = ProgressBar("get");
        std::unique_ptr<lake::ReadLease> lease;
        if (args->lease) {
          VARVE_TRY(lease, lake::ReadLease::Take(cli.context(), lake, args->address, Who()));
          on_progress = [&cli, &lease, draw = std::move(on_progress)](lake::Progress progress) {
            // A lease that could not be renewed runs on to its end.
            static_cast<void>(lease->RenewIfDue(cli.context()));
            if (draw) draw(progress);
          };
        }
        VARVE_CHECK_OK(lake.GetPath(cli.context(), lease ? lease->address() : args->address,
                                    args->destination, on_progress));
        return cli.Answer({{"address", args->address}, {"destination", args->destination}},
                          args->address + " is in " + args->destination + ", verified");
      });
}

}  // namespace varve::cli
