// varve diff: compare two versions.
#include <cstdio>
#include <nlohmann/json.hpp>

#include "varve/cli/cli.h"
#include "varve/cli/print.h"
#include "varve/cli/verbs.h"

namespace varve::cli {
namespace {

struct Args {
  std::string left, right;
};

using Items = std::vector<lake::DiffReport::Item>;

Json ItemsJson(const Items& items) {
  Json list = Json::array();
  for (const auto& item : items)
    list.push_back(
        {{"path", item.path}, {"bytes", item.raw_bytes}, {"shared_bytes", item.shared_bytes}});
  return list;
}

void PrintItems(const char* mark, const Items& items) {
  for (const auto& item : items)
    std::printf("%s %-56s %10s, %s shared\n", mark, Printable(item.path).c_str(),
                Size(item.raw_bytes).c_str(), Size(item.shared_bytes).c_str());
}

void PrintDiff(const lake::DiffReport& report) {
  PrintItems("+", report.added);
  PrintItems("-", report.removed);
  PrintItems("~", report.changed);
  std::printf(
      "%zu added, %zu removed, %zu changed, %zu equal; %s shared, %s only left, %s only right\n",
      report.added.size(), report.removed.size(), report.changed.size(), report.equal.size(),
      Size(report.bytes_shared).c_str(), Size(report.bytes_only_left).c_str(),
      Size(report.bytes_only_right).c_str());
}

}  // namespace

void AddDiff(Cli& cli) {
  const auto args = std::make_shared<Args>();
  cli.AddVerb("diff", "compare two versions", "varve diff llama@v16 llama@v17")
      .Word("left", args->left, "name@version")
      .Word("right", args->right, "name@version")
      .RunsOnLake([&cli, args](lake::Lake& lake) -> Status {
        VARVE_TRY(const auto report, lake.Diff(cli.context(), args->left, args->right));
        if (cli.json()) {
          cli.AnswerJson({{"added", ItemsJson(report.added)},
                          {"removed", ItemsJson(report.removed)},
                          {"changed", ItemsJson(report.changed)},
                          {"equal", ItemsJson(report.equal)},
                          {"bytes_shared", report.bytes_shared},
                          {"bytes_only_left", report.bytes_only_left},
                          {"bytes_only_right", report.bytes_only_right}});
        } else {
          PrintDiff(report);
        }
        return OkStatus();
      });
}

}  // namespace varve::cli
