// varve save: the tensors of safetensors files as the next version.
#include "varve/cli/cli.h"
#include "varve/cli/print.h"
#include "varve/cli/save_args.h"
#include "varve/cli/verbs.h"
#include "varve/lake/tensor_files.h"

namespace varve::cli {
namespace {

struct Args {
  std::string name;
  std::vector<std::string> files;
  SaveArgs save{"model"};
};

}  // namespace

void AddSave(Cli& cli) {
  const auto args = std::make_shared<Args>();
  Verb verb = cli.AddVerb("save", "store the tensors of safetensors files as the next version",
                          "varve save llama model-1.safetensors model-2.safetensors --step 1000");
  verb.Word("name", args->name, "the artifact")
      .Words("files", args->files, "safetensors files; together one version");
  AddSaveOptions(verb, args->save);
  verb.RunsOnLake([&cli, args](lake::Lake& lake) -> Status {
    VARVE_TRY(const lake::SaveOptions options, OptionsFrom(args->save));
    VARVE_TRY(const auto report, lake::SaveTensorFiles(cli.context(), lake, args->name, args->files,
                                                       options, ProgressBar("save")));
    return AnswerSave(cli, args->name, report);
  });
}

}  // namespace varve::cli
