// varve alias: move an alias to a version.
#include <nlohmann/json.hpp>

#include "varve/cli/cli.h"
#include "varve/cli/print.h"
#include "varve/cli/verbs.h"

namespace varve::cli {
namespace {

struct Args {
  std::string name, alias, target;
};

}  // namespace

void AddAlias(Cli& cli) {
  const auto args = std::make_shared<Args>();
  cli.AddVerb("alias", "move an alias to a version", "varve alias llama best v17")
      .Word("name", args->name, "the artifact")
      .Word("alias", args->alias, "the name to move")
      .Word("target", args->target, "v17, or an address")
      .RunsOnLake([&cli, args](lake::Lake& lake) -> Status {
        const auto& [name, alias, target] = *args;
        VARVE_CHECK_OK(lake.SetAlias(cli.context(), name, alias, AddressOf(name, target)));
        return cli.Answer({{"name", name}, {"alias", alias}, {"target", target}},
                          name + "@" + alias + " is " + target);
      });
}

}  // namespace varve::cli
