// varve_sim: runs seeds, repeats one, makes a failing one small. `make sim SEED=n COUNT=m`.
#include <malloc.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <fstream>
#include <iterator>
#include <sstream>

#include "sim/shrink.h"
#include "sim/world.h"

namespace varve::sim {
namespace {

struct Arguments {
  uint64_t seed = 1, count = 1;
  uint32_t jobs = 1, twice_percent = 1;
  bool shrink = true, trace = false;
  std::string corpus;
  std::vector<std::pair<std::string, std::string>> overrides;
};

void Apply(const Arguments& arguments, Config& config) {
  for (const auto& [flag, value] : arguments.overrides) {
    const uint64_t number = std::strtoull(value.c_str(), nullptr, 0);
    if (flag == "--actors") config.actors = static_cast<uint32_t>(number);
    if (flag == "--faults") config.faults = static_cast<uint32_t>(number);
    if (flag == "--operations") config.operations_max = static_cast<uint32_t>(number);
    if (flag == "--strike") config.strike_permille = static_cast<uint32_t>(number);
    if (flag == "--pause") config.pause_max_ms = static_cast<uint32_t>(number);
    if (flag == "--tries") config.tries_max = static_cast<uint32_t>(number);
    if (flag == "--heals") config.heals = number != 0;
    if (flag == "--deep") config.deep_history = number != 0;
    if (flag == "--page") config.page_max = static_cast<uint32_t>(number);
    if (flag == "--strikes") {
      config.strikes_from = number;
      const size_t dash = value.find('-');
      if (dash != std::string::npos) {
        config.strikes_until = std::strtoull(value.c_str() + dash + 1, nullptr, 0);
      }
    }
  }
}

void PrintTrace(const Config& config) {
  const Outcome outcome = World(config, true).Run();
  for (const std::string& line : outcome.trace) std::printf("%s\n", line.c_str());
  std::printf("trace %016llx, %llu events, %llu switches: %s\n",
              static_cast<unsigned long long>(outcome.trace_hash),
              static_cast<unsigned long long>(outcome.events),
              static_cast<unsigned long long>(outcome.switches),
              outcome.failed ? outcome.what.c_str() : "clean");
}

int RunSeeds(const Arguments& arguments, uint64_t first, uint64_t count) {
  const auto began = clock();
  uint64_t events = 0, operations = 0, acknowledged = 0, strikes = 0, switches = 0;
  for (uint64_t seed = first; seed < first + count; ++seed) {
    Config config = Config::FromSeed(seed);
    Apply(arguments, config);
    Outcome outcome = World(config, false).Run();
    if (!outcome.failed && seed % 100 < arguments.twice_percent &&
        World(config, false).Run().trace_hash != outcome.trace_hash) {
      outcome.failed = true;
      outcome.what = "I13 two runs of one seed differ";
    }
    if (outcome.failed) {
      std::printf("seed %llu: %s\n", static_cast<unsigned long long>(seed), outcome.what.c_str());
      const Config small = arguments.shrink ? Shrink(config, outcome.what) : config;
      PrintTrace(small);
      std::printf("repeat: varve_sim %s --trace\n", small.Text().c_str());
      return 1;
    }
    events += outcome.events;
    operations += outcome.operations;
    acknowledged += outcome.acknowledged;
    strikes += outcome.strikes;
    switches += outcome.switches;
  }
  // Of the processor, so that a busy machine changes nothing.
  const double took_s = static_cast<double>(clock() - began) / CLOCKS_PER_SEC;
  const auto per = [&](uint64_t total) {
    return static_cast<double>(total) / static_cast<double>(count);
  };
  std::printf(
      "%llu seeds from %llu clean in %.1f s of one core (%.0f per second): per seed %.0f events, "
      "%.0f switches, "
      "%.1f operations, %.1f of them acknowledged, %.1f faults\n",
      static_cast<unsigned long long>(count), static_cast<unsigned long long>(first), took_s,
      static_cast<double>(count) / took_s, per(events), per(switches), per(operations),
      per(acknowledged), per(strikes));
  return 0;
}

// A share of the seeds per process.
int RunJobs(const Arguments& arguments) {
  std::fflush(stdout);
  for (uint32_t job = 0; job < arguments.jobs; ++job) {
    if (fork() != 0) continue;
    const uint64_t share = arguments.count / arguments.jobs;
    const uint64_t first = arguments.seed + job * share;
    const uint64_t count = job + 1 == arguments.jobs ? arguments.count - share * job : share;
    const int status = RunSeeds(arguments, first, count);
    std::fflush(stdout);
    _exit(status);
  }
  int failed = 0;
  for (uint32_t job = 0; job < arguments.jobs; ++job) {
    int status = 0;
    wait(&status);
    if (status != 0) failed = 1;
  }
  return failed;
}

bool Parse(const std::vector<std::string>& words, Arguments& arguments) {
  for (size_t i = 0; i < words.size(); ++i) {
    const std::string& flag = words[i];
    if (flag == "--trace") {
      arguments.trace = true;
    } else if (flag == "--no-shrink") {
      arguments.shrink = false;
    } else if (i + 1 == words.size()) {
      std::fprintf(stderr, "%s needs a value\n", flag.c_str());
      return false;
    } else {
      const std::string& value = words[++i];
      const uint64_t number = std::strtoull(value.c_str(), nullptr, 0);
      if (flag == "--seed") {
        arguments.seed = number;
      } else if (flag == "--count") {
        arguments.count = number;
      } else if (flag == "--jobs") {
        arguments.jobs = static_cast<uint32_t>(std::max<uint64_t>(1, number));
      } else if (flag == "--twice") {
        arguments.twice_percent = static_cast<uint32_t>(number);
      } else if (flag == "--corpus") {
        arguments.corpus = value;
      } else {
        arguments.overrides.emplace_back(flag, value);
      }
    }
  }
  return true;
}

// Each line of the file is a run that failed once.
int RunCorpus(const std::string& path) {
  std::ifstream file(path);
  if (!file) {
    std::fprintf(stderr, "no corpus at %s\n", path.c_str());
    return 2;
  }
  int failed = 0, runs = 0;
  for (std::string line; std::getline(file, line);) {
    if (line.empty() || line[0] == '#') continue;
    std::istringstream stream(line);
    const std::vector<std::string> words{std::istream_iterator<std::string>(stream), {}};
    Arguments arguments;
    if (!Parse(words, arguments)) return 2;
    Config config = Config::FromSeed(arguments.seed);
    Apply(arguments, config);
    const Outcome outcome = World(config, false).Run();
    ++runs;
    if (!outcome.failed) continue;
    failed = 1;
    std::printf("%s\n  %s\n", line.c_str(), outcome.what.c_str());
  }
  std::printf("%d runs\n", runs);
  return runs == 0 ? 2 : failed;
}

int Main(int count, char** words) {
  // Large buffers come and go with each run: keep their pages.
  mallopt(M_MMAP_THRESHOLD, 512 << 20);
  mallopt(M_TRIM_THRESHOLD, 1 << 30);
  Arguments arguments;
  if (!Parse({words + 1, words + count}, arguments)) return 2;
  if (!arguments.corpus.empty()) return RunCorpus(arguments.corpus);
  if (arguments.trace) {
    Config config = Config::FromSeed(arguments.seed);
    Apply(arguments, config);
    std::printf("%s\n", config.Text().c_str());
    PrintTrace(config);
    return 0;
  }
  return arguments.jobs > 1 ? RunJobs(arguments)
                            : RunSeeds(arguments, arguments.seed, arguments.count);
}

}  // namespace
}  // namespace varve::sim

int main(int count, char** words) { return varve::sim::Main(count, words); }
