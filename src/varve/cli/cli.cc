#include "varve/cli/cli.h"

#include <CLI/CLI.hpp>
#include <csignal>  // SIGPIPE: a closed pipe is an error of write, not the end.
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <nlohmann/json.hpp>

#include "varve/cli/interrupt.h"
#include "varve/cli/open_store.h"
#include "varve/cli/print.h"
#include "varve/plan/nearest.h"

namespace varve::cli {

struct Cli::Impl {
  CLI::App app{"varve: a versioned, deduplicated lake for checkpoints, models and artifacts"};
  std::string lake;
  bool json = false;
  bool single_writer = false;
  int exit_status = 0;    // Not 0: instead of the table's.
  bool answered = false;  // The one JSON object is out, failure or not.
  std::function<Status()> action;
  std::optional<Interrupt> interrupt;
};

struct Verb::Impl {
  Cli& cli;
  CLI::App& app;
  std::function<Status()>& action;
  std::string& lake;
};

Verb& Verb::Word(const char* name, std::string& into, const char* help) {
  impl_->app.add_option(name, into, help)->required();
  return *this;
}

Verb& Verb::OptionalWord(const char* name, std::string& into, const char* help) {
  impl_->app.add_option(name, into, help);
  return *this;
}

Verb& Verb::Words(const char* name, std::vector<std::string>& into, const char* help) {
  impl_->app.add_option(name, into, help)->required();
  return *this;
}

Verb& Verb::OptionalWords(const char* name, std::vector<std::string>& into, const char* help) {
  impl_->app.add_option(name, into, help);
  return *this;
}

Verb& Verb::LakeWord() { return OptionalWord("lake", impl_->lake, "the lake; the same as --lake"); }

Verb& Verb::Option(const char* names, std::string& into, const char* help) {
  impl_->app.add_option(names, into, help);
  return *this;
}

Verb& Verb::Option(const char* names, std::vector<std::string>& into, const char* help) {
  // One value each time: what follows is a word of the verb.
  impl_->app.add_option(names, into, help)
      ->expected(1)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
  return *this;
}

Verb& Verb::Option(const char* names, std::optional<int64_t>& into, const char* help) {
  impl_->app.add_option(names, into, help);
  return *this;
}

Verb& Verb::Option(const char* names, uint64_t& into, const char* help, uint64_t min,
                   uint64_t max) {
  impl_->app.add_option(names, into, help)->check(CLI::Range(min, max));
  return *this;
}

Verb& Verb::RequiredOption(const char* names, std::string& into, const char* help) {
  impl_->app.add_option(names, into, help)->required();
  return *this;
}

Verb& Verb::Flag(const char* names, bool& into, const char* help) {
  impl_->app.add_flag(names, into, help);
  return *this;
}

void Verb::Runs(std::function<Status()> work) {
  impl_->app.callback([&action = impl_->action, work = std::move(work)] { action = work; });
}

void Verb::RunsOnLake(std::function<Status(lake::Lake&)> work) {
  Runs([&cli = impl_->cli, work = std::move(work)]() -> Status {
    VARVE_TRY(const auto lake, cli.OpenLake(cli.LakeLocation()));
    return work(*lake);
  });
}

Cli::Cli() : impl_(std::make_unique<Impl>()) {
  CLI::App& app = impl_->app;
  app.require_subcommand(1);
  app.set_version_flag("--version", VARVE_VERSION);
  app.add_option("--lake", impl_->lake, "as after the verb");
  app.add_flag("--json", impl_->json, "as after the verb");
}

Cli::~Cli() = default;

Verb Cli::AddVerb(const char* name, const char* help, const char* example) {
  CLI::App* app = impl_->app.add_subcommand(name, help);
  app->add_option("--lake", impl_->lake,
                  "s3://bucket/prefix or a folder; default: $VARVE_LAKE, then the config file");
  app->add_flag("--json", impl_->json, "print one JSON object");
  app->add_flag("--single-writer", impl_->single_writer,
                "you answer for it that nobody else writes: for stores that varve doctor refuses");
  app->footer(std::string("Example: ") + example);
  return Verb(std::make_shared<Verb::Impl>(Verb::Impl{*this, *app, impl_->action, impl_->lake}));
}

namespace {

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

// "--grace=": the parser would take the next word for its value, also when that is an option.
Status CheckValues(int argc, char** argv) {
  for (int i = 1; i < argc; ++i) {
    const std::string_view word = argv[i];
    if (word == "--") break;
    if (!word.starts_with("--") || word.find('=') + 1 != word.size()) continue;
    const std::string verb = argv[1][0] == '-' ? "" : std::string(argv[1]) + " ";
    return Error(ErrorCode::kInvalidArgument, "nothing follows the = of '" + std::string(word) +
                                                  "'; see: varve " + verb + "--help");
  }
  return OkStatus();
}

}  // namespace

int Cli::Run(int argc, char** argv) {
  std::signal(SIGPIPE, SIG_IGN);
  const Status whole = CheckValues(argc, argv);
  if (!whole.ok()) {
    for (int i = 1; i < argc; ++i) impl_->json |= std::string_view(argv[i]) == "--json";
    return Finish(whole);
  }
  try {
    impl_->app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() == 0) return impl_->app.exit(error);  // --help and --version.
    // The flag may stand behind the word that was not understood.
    for (int i = 1; i < argc; ++i) impl_->json |= std::string_view(argv[i]) == "--json";
    return Finish(UsageError(impl_->app, error, argc, argv));
  }
  impl_->interrupt.emplace();
  return Finish(impl_->action());
}

int Cli::Finish(const Status& status) {
  // The lake is done with; what a signal interrupts from here on is only the printing.
  impl_->interrupt.reset();
  if (status.ok()) return impl_->exit_status;
  const Error& error = status.error();
  if (impl_->json && !impl_->answered) {
    PrintJson({{"error",
                {{"code", ErrorName(error.code())},
                 {"message", error.message()},
                 {"key", error.key()},
                 {"request_id", error.request_id()}}}});
  }
  std::fprintf(stderr, "varve: %s\n", Printable(error.message()).c_str());
  // A message that says what to do ("what happened; what to do") needs no general advice.
  const bool advised = error.message().find("; ") != std::string::npos;
  std::string second(advised ? "" : Advice(error.code()));
  if (!error.key().empty()) {
    second += (second.empty() ? "(" : " (") + error.operation() + " " + error.key() + ")";
  }
  if (!second.empty()) std::fprintf(stderr, "  %s\n", Printable(second).c_str());
  return impl_->exit_status != 0 ? impl_->exit_status : ExitCode(error.code());
}

const OpContext& Cli::context() const { return impl_->interrupt->context(); }

bool Cli::json() const { return impl_->json; }

bool Cli::single_writer() const { return impl_->single_writer; }

std::string Cli::LakeLocation() const {
  if (!impl_->lake.empty()) return impl_->lake;
  if (const char* lake = std::getenv("VARVE_LAKE"); lake != nullptr) return lake;
  const char* home = std::getenv("HOME");
  std::ifstream file(std::string(home == nullptr ? "" : home) + "/.config/varve/config.json");
  const Json config = Json::parse(file, nullptr, false);
  return config.is_object() && config.contains("lake") && config["lake"].is_string()
             ? config["lake"].get<std::string>()
             : "";
}

Result<std::shared_ptr<store::ObjectStore>> Cli::OpenStore() const {
  return cli::OpenStore(LakeLocation());
}

Result<std::unique_ptr<lake::Lake>> Cli::OpenLake(const std::string& location) const {
  VARVE_TRY(auto store, cli::OpenStore(location));
  lake::LakeOptions options;
  options.single_writer = impl_->single_writer;
  return lake::Lake::Open(context(), std::move(store), options);
}

Status Cli::Answer(const nlohmann::json& json, const std::string& text) {
  if (impl_->json) {
    AnswerJson(json);
  } else {
    std::printf("%s\n", Printable(text).c_str());
  }
  return OkStatus();
}

void Cli::ExitWith(int status) { impl_->exit_status = status; }

void Cli::AnswerJson(const nlohmann::json& json) {
  PrintJson(json);
  impl_->answered = true;
}

}  // namespace varve::cli
