// model_explore: explores the sizes that are too large for a test, one line each; exit status 1
// when one has a violation. About 90 bytes of memory per state, 2 GB in all at the largest.
#include <cstdio>

#include "explore.h"

int main() {
  using varve::model::Config;
  using varve::model::Role;
  struct Run {
    const char* name;
    Config config;
  };
  const Run runs[] = {
      {"1 saver, 2 collectors, 2 epochs, 2 forgets",
       {.writers = {Role::kSaver}, .collectors = 2, .epochs = 2, .forgets = 2}},
      {"2 savers, 1 collector, 2 epochs, 1 forget",
       {.writers = {Role::kSaver, Role::kSaver}, .collectors = 1, .epochs = 2, .forgets = 1}},
      {"saver and tagger, table, 1 collector, 2 epochs, 1 forget",
       {.writers = {Role::kSaver, Role::kTagger}, .epochs = 2, .forgets = 1, .table = true}},
      {"saver and repack, 1 collector, 2 epochs, 1 forget",
       {.writers = {Role::kSaver, Role::kRepacker}, .epochs = 2, .forgets = 1}},
      {"saver and undelete, 1 collector, 2 epochs, 2 forgets",
       {.writers = {Role::kSaver, Role::kUndeleter}, .epochs = 2, .forgets = 2}},
      {"sealed heads skipped, 2 collectors, 2 epochs, 1 forget",
       {.writers = {Role::kSaver},
        .collectors = 2,
        .epochs = 2,
        .forgets = 1,
        .seals = 2,
        .skip_sealed = true}},
  };
  bool sound = true;
  for (const Run& run : runs) {
    const auto outcome = varve::model::Explore(run.config, 40'000'000);
    std::printf("%-60s %10llu states, %s%s\n", run.name,
                static_cast<unsigned long long>(outcome.states),
                outcome.complete ? "all" : "not all", outcome.violation.empty() ? ", clean" : "");
    for (const std::string& step : outcome.trace) std::printf("    %s\n", step.c_str());
    if (!outcome.violation.empty()) std::printf("    %s\n", outcome.violation.c_str());
    std::fflush(stdout);
    sound = sound && outcome.violation.empty();
  }
  return sound ? 0 : 1;
}
