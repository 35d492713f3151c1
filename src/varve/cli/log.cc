// varve log: the versions of an artifact.
#include <cstdio>
#include <nlohmann/json.hpp>

#include "varve/cli/cli.h"
#include "varve/cli/print.h"
#include "varve/cli/verbs.h"

namespace varve::cli {
namespace {

struct Args {
  std::string name;
  uint64_t limit = 20;
  bool deleted = false;
};

Json HistoryJson(const std::string& name, const std::vector<lake::VersionInfo>& history) {
  Json list = Json::array();
  for (const auto& info : history) list.push_back(EntryJson(info));
  return {{"name", name}, {"versions", list}};
}

void PrintHistory(const std::vector<lake::VersionInfo>& history) {
  std::printf("%-8s %-21s %10s %10s %10s  %-16s %s\n", "VERSION", "TIME", "STEP", "SIZE", "ADDED",
              "LABELS", "MESSAGE");
  for (const auto& info : history) {
    const format::VersionEntry& entry = info.entry;
    std::string tail = entry.message;
    for (const auto& [metric, value] : entry.metrics) {
      char text[64];
      std::snprintf(text, sizeof text, "=%.6g", value);
      tail += (tail.empty() ? "" : "  ") + metric + text;
    }
    std::printf("v%-7llu %-21s %10s %10s %10s  %-16s %s\n",
                static_cast<unsigned long long>(entry.version), Time(entry.time_ms).c_str(),
                entry.has_step ? std::to_string(entry.step).c_str() : "-",
                Size(entry.logical_bytes).c_str(), Size(entry.stored_bytes).c_str(),
                Printable(Labels(info)).c_str(), Printable(tail).c_str());
  }
}

void PrintTombstones(const std::vector<lake::VersionInfo>& history) {
  std::printf("%-8s %10s  %-21s %-20s %-16s %-21s %s\n", "VERSION", "STEP", "LET GO", "BY",
              "POLICY", "BACK UNTIL", "REASON");
  for (const auto& info : history) {
    const format::Tombstone& tombstone = *info.forgotten;
    std::printf("v%-7llu %10s  %-21s %-20s %-16s %-21s %s\n",
                static_cast<unsigned long long>(info.entry.version),
                info.entry.has_step ? std::to_string(info.entry.step).c_str() : "-",
                Time(tombstone.time_ms).c_str(), Printable(tombstone.by).c_str(),
                tombstone.policy.empty() ? "-" : Printable(tombstone.policy).c_str(),
                tombstone.until_ms == 0 ? "-" : Time(tombstone.until_ms).c_str(),
                Printable(tombstone.reason).c_str());
  }
}

}  // namespace

void AddLog(Cli& cli) {
  const auto args = std::make_shared<Args>();
  cli.AddVerb("log", "versions of an artifact, newest first", "varve log llama -n 5")
      .Word("name", args->name, "the artifact")
      .Option("-n,--limit", args->limit, "at most so many", 1, 1'000'000)
      .Flag("--deleted", args->deleted,
            "those that were let go: when, by whom, why, until when back")
      .RunsOnLake([&cli, args](lake::Lake& lake) -> Status {
        VARVE_TRY(auto history,
                  lake.History(cli.context(), args->name, args->deleted ? SIZE_MAX : args->limit));
        if (args->deleted) {
          std::erase_if(history, [](const auto& info) { return !info.forgotten.has_value(); });
          if (history.size() > args->limit) history.resize(args->limit);
        }
        if (cli.json())
          cli.AnswerJson(HistoryJson(args->name, history));
        else if (args->deleted)
          PrintTombstones(history);
        else
          PrintHistory(history);
        return OkStatus();
      });
}

}  // namespace varve::cli
