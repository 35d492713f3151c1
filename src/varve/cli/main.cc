// The `varve` command: parses, calls the lake, prints. Every verb has --json and --help.
#include <CLI/CLI.hpp>
#include <csignal>  // SIGPIPE: a closed pipe is an error of write, not the end.
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <functional>
#include <nlohmann/json.hpp>

#include "varve/cli/interrupt.h"
#include "varve/cli/open_store.h"
#include "varve/cli/print.h"
#include "varve/lake/lake.h"
#include "varve/plan/nearest.h"

using namespace varve;
using cli::Json;

namespace {

struct Common {
  std::string lake;
  bool json = false;
  bool answered = false;  // The one JSON object is out, failure or not.
};

std::string LakeOf(const Common& common) {
  if (!common.lake.empty()) return common.lake;
  if (const char* lake = std::getenv("VARVE_LAKE"); lake != nullptr) return lake;
  const char* home = std::getenv("HOME");
  std::ifstream file(std::string(home == nullptr ? "" : home) + "/.config/varve/config.json");
  const Json config = Json::parse(file, nullptr, false);
  return config.is_object() && config.contains("lake") && config["lake"].is_string()
             ? config["lake"].get<std::string>()
             : "";
}

std::optional<cli::Interrupt> interrupt;
const OpContext& Context() { return interrupt->context(); }

Result<std::unique_ptr<lake::Lake>> OpenLake(const std::string& location) {
  VARVE_TRY(auto store, cli::OpenStore(location));
  return lake::Lake::Open(Context(), std::move(store));
}

int Finish(const Common& common, const Status& status) {
  // The lake is done with; what a signal interrupts from here on is only the printing.
  interrupt.reset();
  if (status.ok()) return 0;
  const Error& error = status.error();
  if (common.json && !common.answered) {
    cli::PrintJson({{"error",
                     {{"code", ErrorName(error.code())},
                      {"message", error.message()},
                      {"key", error.key()},
                      {"request_id", error.request_id()}}}});
  }
  std::fprintf(stderr, "varve: %s\n", cli::Printable(error.message()).c_str());
  std::string where;
  if (!error.key().empty()) where = " (" + error.operation() + " " + error.key() + ")";
  std::fprintf(stderr, "  %.*s%s\n", static_cast<int>(Advice(error.code()).size()),
               Advice(error.code()).data(), cli::Printable(where).c_str());
  return ExitCode(error.code());
}

struct PutArgs {
  std::string name, path, type = "model", message, metadata;
  std::vector<std::string> metrics, aliases, parents;
  std::optional<int64_t> step;
};

Result<lake::SaveOptions> OptionsFrom(const PutArgs& args) {
  lake::SaveOptions options;
  options.artifact_type = args.type;
  options.message = args.message;
  options.metadata_json = args.metadata;
  options.aliases = args.aliases;
  options.parents = args.parents;
  options.step = args.step;
  for (const std::string& metric : args.metrics) {
    const size_t equals = metric.find('=');
    char* end = nullptr;
    const double value =
        equals == std::string::npos ? 0 : std::strtod(metric.c_str() + equals + 1, &end);
    if (end == nullptr || end == metric.c_str() + equals + 1 || *end != '\0' || equals == 0) {
      return Error(ErrorCode::kInvalidArgument, "--metric wants name=number, not '" + metric + "'");
    }
    options.metrics[metric.substr(0, equals)] = value;
  }
  return options;
}

// A command line that could not be understood: which part, and where the help for it is.
Error UsageError(const CLI::App& app, const CLI::ParseError& error, int argc, char** argv) {
  const auto verbs = app.get_subcommands();
  std::string message = error.what();
  std::string help = "varve --help";
  if (!verbs.empty()) {
    help = "varve " + verbs.front()->get_name() + " --help";
  } else if (argc > 1 && argv[1][0] != '-') {
    std::vector<std::string> names;
    for (const CLI::App* verb : app.get_subcommands({})) names.push_back(verb->get_name());
    const std::string nearest = plan::Nearest(argv[1], names);
    message = "no verb '" + std::string(argv[1]) + "'";
    if (!nearest.empty()) message += "; the nearest is '" + nearest + "'";
  }
  return Error(ErrorCode::kInvalidArgument, message + "; see: " + help);
}

std::string AddressOf(const std::string& name, const std::string& target) {
  return target.find('@') == std::string::npos ? name + "@" + target : target;
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app{"varve: a versioned, deduplicated lake for checkpoints, models and artifacts"};
  app.require_subcommand(1);
  app.set_version_flag("--version", VARVE_VERSION);
  Common common;
  app.add_option("--lake", common.lake, "as after the verb");
  app.add_flag("--json", common.json, "as after the verb");
  std::function<Status()> action;
  std::string a, b, c;
  size_t limit = 20;
  PutArgs put;

  const auto verb = [&](const char* name, const char* help, const char* example) {
    CLI::App* sub = app.add_subcommand(name, help);
    sub->add_option("--lake", common.lake,
                    "s3://bucket/prefix or a folder; default: $VARVE_LAKE, then the config file");
    sub->add_flag("--json", common.json, "print one JSON object");
    sub->footer(std::string("Example: ") + example);
    return sub;
  };
  const auto with_lake = [&](const std::function<Status(lake::Lake&)>& work) {
    return [&common, work]() -> Status {
      VARVE_TRY(const auto lake, OpenLake(LakeOf(common)));
      return work(*lake);
    };
  };
  const auto on = [&](CLI::App* sub, std::function<Status()> work) {
    sub->callback([&action, work] { action = work; });
  };

  CLI::App* init = verb("init", "make a lake", "varve init s3://bucket/team");
  init->add_option("location", common.lake, "where");
  on(init, [&]() -> Status {
    VARVE_TRY(const auto store, cli::OpenStore(LakeOf(common)));
    VARVE_CHECK_OK(lake::Lake::Init(Context(), *store));
    if (common.json)
      cli::PrintJson({{"lake", store->Describe()}});
    else
      std::printf("made lake %s\n", store->Describe().c_str());
    return OkStatus();
  });

  CLI::App* ls = verb("ls", "list artifacts", "varve ls");
  ls->add_option("location", common.lake, "the lake");
  on(ls, with_lake([&](lake::Lake& lake) -> Status {
       VARVE_TRY(const auto artifacts, lake.ListArtifacts(Context()));
       return cli::PrintArtifacts(artifacts, common.json);
     }));

  CLI::App* log = verb("log", "versions of an artifact, newest first", "varve log llama -n 5");
  log->add_option("name", a)->required();
  log->add_option("-n,--limit", limit, "at most so many")->check(CLI::Range(1, 1'000'000));
  on(log, with_lake([&](lake::Lake& lake) -> Status {
       VARVE_TRY(const auto history, lake.History(Context(), a, limit));
       return cli::PrintHistory(a, history, common.json);
     }));

  CLI::App* show = verb("show", "everything about one version", "varve show llama@v17");
  show->add_option("address", a)->required();
  on(show, with_lake([&](lake::Lake& lake) -> Status {
       VARVE_TRY(const auto info, lake.Describe(Context(), a));
       VARVE_TRY(const auto version, lake.OpenAt(Context(), a));
       return cli::PrintVersion(info, *version, common.json);
     }));

  CLI::App* diff = verb("diff", "compare two versions", "varve diff llama@v16 llama@v17");
  diff->add_option("left", a)->required();
  diff->add_option("right", b)->required();
  on(diff, with_lake([&](lake::Lake& lake) -> Status {
       VARVE_TRY(const auto report, lake.Diff(Context(), a, b));
       return cli::PrintDiff(report, common.json);
     }));

  CLI::App* put_verb = verb("put", "store a file or folder as the next version",
                            "varve put tokenizer out/tokenizer --alias prod");
  put_verb->add_option("name", put.name)->required();
  put_verb->add_option("path", put.path)->required();
  put_verb->add_option("--type", put.type, "model, dataset, log or any word");
  put_verb->add_option("-m,--message", put.message);
  put_verb->add_option("--step", put.step);
  put_verb->add_option("--metric", put.metrics, "name=number; may repeat");
  put_verb->add_option("--metadata", put.metadata, "a JSON object");
  put_verb->add_option("--alias", put.aliases, "moved to the new version; may repeat");
  put_verb->add_option("--parent", put.parents, "address this derives from; may repeat");
  on(put_verb, with_lake([&](lake::Lake& lake) -> Status {
       VARVE_TRY(const lake::SaveOptions options, OptionsFrom(put));
       VARVE_TRY(const auto report,
                 lake.PutPath(Context(), put.name, put.path, options, cli::ProgressBar("put")));
       return cli::PrintSave(put.name, report, common.json);
     }));

  CLI::App* get = verb("get", "fetch the files of a version", "varve get tokenizer@prod here");
  get->add_option("address", a)->required();
  get->add_option("destination", b, "a folder that does not exist or is empty")->required();
  on(get, with_lake([&](lake::Lake& lake) -> Status {
       VARVE_CHECK_OK(lake.GetPath(Context(), a, b, cli::ProgressBar("get")));
       if (common.json)
         cli::PrintJson({{"address", a}, {"destination", b}});
       else
         std::printf("%s is in %s, verified\n", a.c_str(), b.c_str());
       return OkStatus();
     }));

  const auto done = [&](const Json& json, const std::string& text) {
    if (common.json)
      cli::PrintJson(json);
    else
      std::printf("%s\n", cli::Printable(text).c_str());
    return OkStatus();
  };
  CLI::App* alias = verb("alias", "move an alias to a version", "varve alias llama best v17");
  alias->add_option("name", a)->required();
  alias->add_option("alias", b)->required();
  alias->add_option("target", c, "v17, or an address")->required();
  on(alias, with_lake([&](lake::Lake& lake) -> Status {
       VARVE_CHECK_OK(lake.SetAlias(Context(), a, b, AddressOf(a, c)));
       return done({{"name", a}, {"alias", b}, {"target", c}}, a + "@" + b + " is " + c);
     }));
  CLI::App* unalias = verb("unalias", "remove an alias", "varve unalias llama best");
  unalias->add_option("name", a)->required();
  unalias->add_option("alias", b)->required();
  on(unalias, with_lake([&](lake::Lake& lake) -> Status {
       VARVE_CHECK_OK(lake.RemoveAlias(Context(), a, b));
       return done({{"name", a}, {"removed", b}}, a + "@" + b + " is removed");
     }));
  CLI::App* tag = verb("tag", "write a tag once; it never moves", "varve tag llama paper v17");
  tag->add_option("name", a)->required();
  tag->add_option("tag", b)->required();
  tag->add_option("target", c, "v17, or an address")->required();
  on(tag, with_lake([&](lake::Lake& lake) -> Status {
       VARVE_CHECK_OK(lake.SetTag(Context(), a, b, AddressOf(a, c)));
       return done({{"name", a}, {"tag", b}, {"target", c}},
                   a + "@" + b + " is " + c + " for ever");
     }));
  CLI::App* forget =
      verb("forget", "make a version unreachable", "varve forget llama@v3 --reason diverged");
  forget->add_option("address", a)->required();
  forget->add_option("--reason", b);
  on(forget, with_lake([&](lake::Lake& lake) -> Status {
       VARVE_CHECK_OK(lake.Forget(Context(), a, b));
       return done({{"forgotten", a}}, a + " is forgotten");
     }));

  CLI::App* verify =
      verb("verify", "read and hash again everything a version names", "varve verify llama@latest");
  verify->add_option("address", a)->required();
  on(verify, with_lake([&](lake::Lake& lake) -> Status {
       VARVE_TRY(const auto report, lake.Verify(Context(), a, cli::ProgressBar("verify")));
       cli::PrintVerify(a, report, common.json);
       common.answered = true;
       if (report.damage.empty()) return OkStatus();
       return Error(ErrorCode::kCorrupt, "'" + a + "' is damaged in " +
                                             std::to_string(report.damage.size()) + " places");
     }));

  CLI::App* copy =
      verb("copy", "copy a version, or all of an artifact, to another lake; commit ids stay",
           "varve copy llama@v17 --to s3://bucket/team");
  copy->add_option("address", a, "name@version, or a name for all its versions")->required();
  copy->add_option("--to", b, "the lake to copy into")->required();
  on(copy, [&]() -> Status {
    VARVE_TRY(const auto source, OpenLake(LakeOf(common)));
    VARVE_TRY(const auto destination, OpenLake(b));
    VARVE_TRY(const auto report,
              destination->CopyFrom(Context(), *source, a, cli::ProgressBar("copy")));
    return done({{"versions_copied", report.versions_copied},
                 {"versions_skipped", report.versions_skipped},
                 {"bytes_sent", report.bytes_sent}},
                std::to_string(report.versions_copied) + " copied, " +
                    std::to_string(report.versions_skipped) + " there already, " +
                    cli::Size(report.bytes_sent) + " sent");
  });

  std::signal(SIGPIPE, SIG_IGN);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() == 0) return app.exit(error);  // --help and --version.
    // The flag may stand behind the word that was not understood.
    for (int i = 1; i < argc; ++i) common.json |= std::string_view(argv[i]) == "--json";
    return Finish(common, UsageError(app, error, argc, argv));
  }
  interrupt.emplace();
  return Finish(common, action());
}
