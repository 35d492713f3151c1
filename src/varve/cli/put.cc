// varve put: a file or folder as the next version.
#include "varve/cli/cli.h"
#include "varve/cli/print.h"
#include "varve/cli/save_args.h"
#include "varve/cli/verbs.h"

namespace varve::cli {
namespace {

struct Args {
  std::string name, path;
  SaveArgs save{"model"};
};

}  // namespace

void AddPut(Cli& cli) {
  const auto args = std::make_shared<Args>();
  Verb verb = cli.AddVerb("put", "store a file or folder as the next version",
                          "varve put tokenizer out/tokenizer --alias prod");
  verb.Word("name", args->name, "the artifact").Word("path", args->path, "the file or folder");
  AddSaveOptions(verb, args->save);
  verb.RunsOnLake([&cli, args](lake::Lake& lake) -> Status {
    VARVE_TRY(const lake::SaveOptions options, OptionsFrom(args->save));
    VARVE_TRY(const auto report,
              lake.PutPath(cli.context(), args->name, args->path, options, ProgressBar("put")));
    return AnswerSave(cli, args->name, report);
  });
}

}  // namespace varve::cli
