// varve hold and unhold: keep a version until someone lifts it; no policy passes a hold.
#include <nlohmann/json.hpp>

#include "varve/cli/cli.h"
#include "varve/cli/duration.h"
#include "varve/cli/verbs.h"

namespace varve::cli {
namespace {

struct Args {
  std::string address, owner = Who(), reason;
};

}  // namespace

void AddHold(Cli& cli) {
  const auto args = std::make_shared<Args>();
  cli.AddVerb("hold", "keep a version until the hold is lifted",
              "varve hold llama@v17 --owner legal --reason 'case 7'")
      .Word("address", args->address, "name@version")
      .Option("--owner", args->owner, "whose hold; yours unless given")
      .Option("--reason", args->reason, "why")
      .RunsOnLake([&cli, args](lake::Lake& lake) -> Status {
        VARVE_CHECK_OK(lake.Hold(cli.context(), args->address, args->owner, args->reason));
        return cli.Answer({{"held", args->address}, {"owner", args->owner}},
                          args->address + " is held by " + args->owner);
      });
}

void AddUnhold(Cli& cli) {
  const auto args = std::make_shared<Args>();
  cli.AddVerb("unhold", "lift a hold", "varve unhold llama@v17 --owner legal")
      .Word("address", args->address, "name@version")
      .Option("--owner", args->owner, "whose; yours unless given")
      .RunsOnLake([&cli, args](lake::Lake& lake) -> Status {
        VARVE_CHECK_OK(lake.Unhold(cli.context(), args->address, args->owner));
        return cli.Answer({{"unheld", args->address}, {"owner", args->owner}},
                          args->address + " is no longer held by " + args->owner);
      });
}

}  // namespace varve::cli
