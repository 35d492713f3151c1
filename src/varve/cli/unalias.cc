// varve unalias: remove an alias.
#include <nlohmann/json.hpp>

#include "varve/cli/cli.h"
#include "varve/cli/verbs.h"

namespace varve::cli {
namespace {

struct Args {
  std::string name, alias;
};

}  // namespace

void AddUnalias(Cli& cli) {
  const auto args = std::make_shared<Args>();
  cli.AddVerb("unalias", "remove an alias", "varve unalias llama best")
      .Word("name", args->name, "the artifact")
      .Word("alias", args->alias, "the name to remove")
      .RunsOnLake([&cli, args](lake::Lake& lake) -> Status {
        VARVE_CHECK_OK(lake.RemoveAlias(cli.context(), args->name, args->alias));
        return cli.Answer({{"name", args->name}, {"removed", args->alias}},
                          args->name + "@" + args->alias + " is removed");
      });
}

}  // namespace varve::cli
