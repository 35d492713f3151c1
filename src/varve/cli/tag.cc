// varve tag: write a tag once.
#include <nlohmann/json.hpp>

#include "varve/cli/cli.h"
#include "varve/cli/print.h"
#include "varve/cli/verbs.h"

namespace varve::cli {
namespace {

struct Args {
  std::string name, tag, target;
};

}  // namespace

void AddTag(Cli& cli) {
  const auto args = std::make_shared<Args>();
  cli.AddVerb("tag", "write a tag once; it never moves", "varve tag llama paper v17")
      .Word("name", args->name, "the artifact")
      .Word("tag", args->tag, "the name to write")
      .Word("target", args->target, "v17, or an address")
      .RunsOnLake([&cli, args](lake::Lake& lake) -> Status {
        const auto& [name, tag, target] = *args;
        VARVE_CHECK_OK(lake.SetTag(cli.context(), name, tag, AddressOf(name, target)));
        return cli.Answer({{"name", name}, {"tag", tag}, {"target", target}},
                          name + "@" + tag + " is " + target + " for ever");
      });
}

}  // namespace varve::cli
