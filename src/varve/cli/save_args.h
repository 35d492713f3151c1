// What the verbs that make a version share: its options on the command line, and its report.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "varve/cli/cli.h"

namespace varve::cli {

struct SaveArgs {
  explicit SaveArgs(std::string default_type) : type(std::move(default_type)) {}
  std::string type, message, metadata;
  std::vector<std::string> metrics, aliases, parents;
  std::optional<int64_t> step;
};

void AddSaveOptions(Verb& verb, SaveArgs& args);

// Of "name=number" each; kInvalidArgument when one is no number.
Result<std::map<std::string, double>> MetricsFrom(const std::vector<std::string>& given);

// kInvalidArgument when a metric is no number.
Result<lake::SaveOptions> OptionsFrom(const SaveArgs& args);

// "name@v3: 5 MiB, 1 MiB sent, 4 MiB shared".
Status AnswerSave(Cli& cli, const std::string& name, const lake::SaveReport& report);

}  // namespace varve::cli
