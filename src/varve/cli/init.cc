// varve init: make a lake.
#include <nlohmann/json.hpp>

#include "varve/cli/cli.h"
#include "varve/cli/verbs.h"

namespace varve::cli {

void AddInit(Cli& cli) {
  cli.AddVerb("init", "make a lake", "varve init s3://bucket/team")
      .LakeWord()
      .Runs([&cli]() -> Status {
        VARVE_TRY(const auto store, cli.OpenStore());
        VARVE_CHECK_OK(lake::Lake::Init(cli.context(), *store, cli.single_writer()));
        return cli.Answer({{"lake", store->Describe()}}, "made lake " + store->Describe());
      });
}

}  // namespace varve::cli
