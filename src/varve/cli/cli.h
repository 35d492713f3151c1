// The seam between a verb and the command: a verb says its words, options and work here, once, and
// parsing, opening the lake, Ctrl-C, --json, errors and exit codes come from here.
//
//   void AddLog(Cli& cli) {
//     const auto args = std::make_shared<Args>();
//     cli.AddVerb("log", "versions of an artifact, newest first", "varve log llama -n 5")
//         .Word("name", args->name, "artifact")
//         .RunsOnLake([&cli, args](lake::Lake& lake) -> Status { ... });
//   }
//
// Threads: main only. What `into` refers to lives until Run returns; hold it in the work.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <vector>

#include "varve/exec/op_context.h"
#include "varve/lake/lake.h"
#include "varve/result.h"
#include "varve/store/object_store.h"

namespace varve::cli {

class Cli;

class Verb {
 public:
  // A word that must follow the verb, and one that may.
  Verb& Word(const char* name, std::string& into, const char* help);
  Verb& OptionalWord(const char* name, std::string& into, const char* help);
  Verb& Words(const char* name, std::vector<std::string>& into, const char* help);  // One or more.
  Verb& OptionalWords(const char* name, std::vector<std::string>& into, const char* help);
  // The lake as a word, for verbs about a whole lake; the same as --lake.
  Verb& LakeWord();

  // Options with a value: "--step" or "-n,--limit". The vector may be given again and again.
  Verb& Option(const char* names, std::string& into, const char* help);
  Verb& Option(const char* names, std::vector<std::string>& into, const char* help);
  Verb& Option(const char* names, std::optional<int64_t>& into, const char* help);
  Verb& Option(const char* names, uint64_t& into, const char* help, uint64_t min, uint64_t max);
  Verb& RequiredOption(const char* names, std::string& into, const char* help);
  Verb& Flag(const char* names, bool& into, const char* help);

  // What the verb does, with or without the lake opened first.
  void Runs(std::function<Status()> work);
  void RunsOnLake(std::function<Status(lake::Lake&)> work);

 private:
  friend class Cli;
  struct Impl;
  explicit Verb(std::shared_ptr<Impl> impl) : impl_(std::move(impl)) {}
  std::shared_ptr<Impl> impl_;
};

class Cli {
 public:
  Cli();
  ~Cli();
  Cli(const Cli&) = delete;
  Cli& operator=(const Cli&) = delete;

  // `help` is one line; `example` is a whole command that works.
  Verb AddVerb(const char* name, const char* help, const char* example);

  // Parses, runs the verb, prints its error if any. Returns the exit status.
  int Run(int argc, char** argv);

  // For the work of a verb.
  const OpContext& context() const;  // Cancelled by Ctrl-C.
  bool json() const;
  bool single_writer() const;  // The caller's word that nobody else writes.
  // --lake, else $VARVE_LAKE, else the config file, else "".
  std::string LakeLocation() const;
  Result<std::shared_ptr<store::ObjectStore>> OpenStore() const;
  Result<std::unique_ptr<lake::Lake>> OpenLake(const std::string& location) const;
  // The answer of a verb: the object with --json, else the text and a line end. A verb that answers
  // and then fails gives one JSON object all the same.
  Status Answer(const nlohmann::json& json, const std::string& text);
  void AnswerJson(const nlohmann::json& json);
  // Exits with `status`, whatever the verb returns: for what the error table has no row for.
  void ExitWith(int status);

 private:
  friend class Verb;
  struct Impl;
  int Finish(const Status& status);
  std::unique_ptr<Impl> impl_;
};

}  // namespace varve::cli
