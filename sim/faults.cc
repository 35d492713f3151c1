#include "sim/faults.h"

#include <cstdio>
#include <iterator>

namespace varve::sim {

const char* FaultName(uint32_t fault) {
  static constexpr const char* kNames[] = {
#define VARVE_SIM_NAME(name, what) #name,
      VARVE_SIM_FAULTS(VARVE_SIM_NAME)
#undef VARVE_SIM_NAME
  };
  return fault < kFaults ? kNames[fault] : "?";
}

const char* ActorName(uint32_t actor) {
  static constexpr const char* kNames[] = {
#define VARVE_SIM_NAME(name, what) #name,
      VARVE_SIM_ACTORS(VARVE_SIM_NAME)
#undef VARVE_SIM_NAME
  };
  return actor < kActors ? kNames[actor] : "?";
}

Config Config::FromSeed(uint64_t seed) {
  SeededRandom random(seed * 0x9e3779b97f4a7c15 + 1);
  Config config;
  config.seed = seed;
  config.actors = static_cast<uint32_t>(random.Next64()) & ((1U << kActors) - 1);
  // Without a saver nothing happens.
  if ((config.actors & 0b1111) == 0) config.actors |= 1U << random.Between(0, 3);
  // A check reads everything, and finds little to do.
  if (config.Has(kRepairer) && random.Fork("repairs")->Between(0, 3) != 0)
    config.actors &= ~(1U << kRepairer);
  // Each of its saves is by several processes.
  if (config.Has(kSaverRanks) && random.Fork("ranks")->Between(0, 2) != 0)
    config.actors &= ~(1U << kSaverRanks);
  // Nor is anything dead without somebody who lets go.
  if (config.Has(kRepacker)) config.actors |= 1U << kForgetter;
  config.faults = static_cast<uint32_t>(random.Next64()) & ((1U << kFaults) - 1);
  if (random.Between(0, 19) == 0) config.faults = 0;
  static constexpr uint32_t kPermille[] = {10, 30, 80, 200};
  config.strike_permille = kPermille[random.Between(0, 3)];
  config.operations_max = static_cast<uint32_t>(random.Between(2, 5));
  static constexpr uint32_t kPauseMs[] = {50, 500, 2'000};
  config.pause_max_ms = kPauseMs[random.Between(0, 2)];
  static constexpr uint32_t kTries[] = {1, 2, 8, 8};
  config.tries_max = kTries[random.Between(0, 3)];
  config.heals = random.Between(0, 1) == 0;
  config.deep_history = random.Between(0, 399) == 0;
  // Pages so small that a collector lists by shards.
  if (random.Between(0, 199) == 0) config.page_max = 2;
  // The repeated entries of a deep history are one commit, which no copy would hold twice.
  if (config.deep_history) config.actors &= ~(1U << kCopier);
  return config;
}

int64_t GraceMsOf(const Config& config, Actor actor) {
  static constexpr int64_t kGraceMs[] = {0, 1'000, 5'000, 30'000, 600'000};
  return actor == kCollectorB ? kGraceMs[config.seed % std::size(kGraceMs)] : 0;
}

std::string Config::Text() const {
  char text[300];
  std::snprintf(text, sizeof text,
                "--seed %llu --actors 0x%x --faults 0x%x --operations %u --strike %u "
                "--strikes %llu-%llu --pause %u --tries %u --heals %d --deep %d --page %u",
                static_cast<unsigned long long>(seed), actors, faults, operations_max,
                strike_permille, static_cast<unsigned long long>(strikes_from),
                static_cast<unsigned long long>(strikes_until), pause_max_ms, tries_max,
                heals ? 1 : 0, deep_history ? 1 : 0, page_max);
  return text;
}

}  // namespace varve::sim
