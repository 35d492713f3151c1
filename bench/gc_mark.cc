// gc_mark IDS [IDS...]: memory and time of a collector's live set, with ids as they are in a lake:
// every commit names its own packs and those it shares, so each id is added several times, in no
// order. Each run then asks for every id, as the listing of the lake would.
// One line per number of ids: bytes per id as the set counts them, seconds of one core to mark
// and to ask.
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>

#include "varve/format/object_id.h"
#include "varve/plan/live_set.h"

namespace {

using varve::format::ObjectId;

constexpr uint64_t kIdsPerSession = 4096;  // Of one saver.
constexpr uint64_t kTimesNamed = 4;        // By how many commits each id is named.

ObjectId IdAt(uint64_t index) {
  return ObjectId::Make((index / kIdsPerSession + 1) * 0x9E37'79B9'7F4A'7C15,
                        static_cast<uint32_t>(index % kIdsPerSession));
}

double CpuSeconds(std::clock_t from) {
  return static_cast<double>(std::clock() - from) / CLOCKS_PER_SEC;
}

uint64_t PeakKib() {  // Of the process, as the kernel counts it.
  std::FILE* file = std::fopen("/proc/self/status", "r");
  char line[256];
  unsigned long long kib = 0;
  while (file != nullptr && std::fgets(line, sizeof line, file) != nullptr) {
    if (std::strncmp(line, "VmHWM:", 6) == 0) kib = std::strtoull(line + 6, nullptr, 10);
  }
  if (file != nullptr) std::fclose(file);
  return kib;
}

}  // namespace

int main(int argc, char** argv) {
  for (int i = 1; i < argc; ++i) {
    const uint64_t ids = std::strtoull(argv[i], nullptr, 10);
    varve::plan::LiveSet live;
    std::clock_t from = std::clock();
    for (uint64_t time = 0; time < kTimesNamed; ++time) {
      for (uint64_t index = 0; index < ids; ++index) {
        live.Add(varve::plan::Fingerprint(IdAt(index).bytes, 0, 7));
      }
    }
    live.Seal();
    const double mark_s = CpuSeconds(from);
    from = std::clock();
    for (uint64_t index = 0; index < ids; ++index) {
      live.Meet(varve::plan::Fingerprint(IdAt(index).bytes, 0, 7));
    }
    std::printf("ids %llu  held %llu  bytes/id %.2f  peak RSS MiB %llu  mark s %.2f  meet s %.2f\n",
                static_cast<unsigned long long>(ids), static_cast<unsigned long long>(live.size()),
                static_cast<double>(live.memory_bytes()) / static_cast<double>(ids),
                static_cast<unsigned long long>(PeakKib() / 1024), mark_s, CpuSeconds(from));
    if (live.unmet() != 0) return 1;
  }
  return 0;
}
