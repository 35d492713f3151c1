// varve undelete: bring back a version, or what was let go of it.
#include <nlohmann/json.hpp>

#include "varve/cli/cli.h"
#include "varve/cli/verbs.h"

namespace varve::cli {

void AddUndelete(Cli& cli) {
  const auto address = std::make_shared<std::string>();
  cli.AddVerb("undelete", "bring back a forgotten version, or components let go of it",
              "varve undelete llama@v3")
      .Word("address", *address, "name@version")
      .RunsOnLake([&cli, address](lake::Lake& lake) -> Status {
        VARVE_CHECK_OK(lake.Undelete(cli.context(), *address));
        return cli.Answer({{"restored", *address}}, *address + " is back");
      });
}

}  // namespace varve::cli
