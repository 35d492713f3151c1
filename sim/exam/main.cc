// varve_exam: plants one bug after the other and runs seeds until the simulator sees it.
// Exit status 0 when each was found within --seeds, and none was found where none is.
#include <malloc.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <string>
#include <vector>

#include "sim/exam/bugs.h"
#include "sim/shrink.h"
#include "sim/world.h"
#include "varve/base/planted.h"

namespace varve {
int planted_bug = 0;
}  // namespace varve

namespace varve::sim {
namespace {

constexpr uint64_t kCleanSeeds = 300;  // With nothing planted.

int Examine(const Bug& bug, uint64_t seeds_max) {
  planted_bug = bug.number;
  const auto began = clock();
  for (uint64_t seed = 1; seed <= seeds_max; ++seed) {
    const Outcome outcome = World(Config::FromSeed(seed), false).Run();
    if (!outcome.failed) continue;
    std::printf("%2d %-58s seed %5llu, %4.1f s: %s\n", bug.number, bug.what,
                static_cast<unsigned long long>(seed),
                static_cast<double>(clock() - began) / CLOCKS_PER_SEC, outcome.what.c_str());
    std::fflush(stdout);
    return bug.number == 0 ? 1 : 0;
  }
  if (bug.number == 0) return 0;
  std::printf("%2d %-58s NOT FOUND in %llu seeds\n", bug.number, bug.what,
              static_cast<unsigned long long>(seeds_max));
  std::fflush(stdout);
  return 1;
}

int Main(int count, char** words) {
  mallopt(M_MMAP_THRESHOLD, 512 << 20);
  mallopt(M_TRIM_THRESHOLD, 1 << 30);
  uint64_t seeds_max = 20'000, jobs = 2;
  int only = -1;
  for (int i = 1; i + 1 < count; i += 2) {
    const std::string flag = words[i];
    const uint64_t number = std::strtoull(words[i + 1], nullptr, 0);
    if (flag == "--seeds") seeds_max = number;
    if (flag == "--jobs") jobs = std::max<uint64_t>(1, number);
    if (flag == "--bug") only = static_cast<int>(number);
  }
  std::vector<Bug> bugs{{0, "nothing planted"}};
  bugs.insert(bugs.end(), std::begin(kBugs), std::end(kBugs));
  int failed = 0;
  uint64_t running = 0;
  const auto reap = [&] {
    int status = 0;
    if (wait(&status) < 0) return;
    --running;
    // A process that died found nothing: the simulator must say what is wrong.
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) failed = 1;
  };
  for (const Bug& bug : bugs) {
    if (only >= 0 && bug.number != only) continue;
    if (running == jobs) reap();
    std::fflush(stdout);
    const pid_t child = fork();
    if (child < 0) return 2;
    if (child == 0) _exit(Examine(bug, bug.number == 0 ? kCleanSeeds : seeds_max));
    ++running;
  }
  while (running > 0) reap();
  std::printf("%zu planted bugs: %s\n", bugs.size() - 1, failed == 0 ? "all found" : "FAILED");
  return failed;
}

}  // namespace
}  // namespace varve::sim

int main(int count, char** words) { return varve::sim::Main(count, words); }
