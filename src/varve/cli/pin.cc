// varve pin and unpin: keep a version alive for an owner until a date.
#include <nlohmann/json.hpp>

#include "varve/cli/cli.h"
#include "varve/cli/duration.h"
#include "varve/cli/verbs.h"

namespace varve::cli {
namespace {

struct Args {
  std::string address, owner = Who(), time, reason;
};

}  // namespace

void AddPin(Cli& cli) {
  const auto args = std::make_shared<Args>();
  cli.AddVerb("pin", "keep a version alive for an owner",
              "varve pin llama@v17 --owner eval --for 30d")
      .Word("address", args->address, "name@version")
      .Option("--owner", args->owner, "who needs it; you unless given")
      .Option("--for", args->time, "how long, such as 30d; until it is lifted unless given")
      .Option("--reason", args->reason, "why")
      .RunsOnLake([&cli, args](lake::Lake& lake) -> Status {
        lake::PinOptions options;
        options.owner = args->owner;
        options.reason = args->reason;
        if (!args->time.empty()) {
          VARVE_TRY(options.for_ms, DurationMs("--for", args->time));
        }
        VARVE_CHECK_OK(lake.Pin(cli.context(), args->address, options));
        return cli.Answer(
            {{"pinned", args->address}, {"owner", args->owner}, {"for_ms", options.for_ms}},
            args->address + " is pinned for " + args->owner);
      });
}

void AddUnpin(Cli& cli) {
  const auto args = std::make_shared<Args>();
  cli.AddVerb("unpin", "lift a pin", "varve unpin llama@v17 --owner eval")
      .Word("address", args->address, "name@version")
      .Option("--owner", args->owner, "whose; yours unless given")
      .RunsOnLake([&cli, args](lake::Lake& lake) -> Status {
        VARVE_CHECK_OK(lake.Unpin(cli.context(), args->address, args->owner));
        return cli.Answer({{"unpinned", args->address}, {"owner", args->owner}},
                          args->address + " is no longer pinned for " + args->owner);
      });
}

}  // namespace varve::cli
