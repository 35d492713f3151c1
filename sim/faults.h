// What may go wrong, as bits of a mask, and how a seed chooses.
#pragma once

#include <cstdint>
#include <string>

#include "varve/base/random.h"

namespace varve::sim {

// X(name, what happens)
#define VARVE_SIM_FAULTS(X)                                                         \
  X(LostAnswer, "applied; the client hears nothing")                                \
  X(LostRequest, "never applied; the client hears nothing")                         \
  X(Zombie, "the client hears nothing; applied up to hours later")                  \
  X(Doubled, "applied twice; either answer is heard")                               \
  X(Refused, "not applied; the store says unavailable or asks for less")            \
  X(Slow, "a request takes up to minutes")                                          \
  X(ListFails, "a page of a listing is refused")                                    \
  X(StaleList, "a listing of data objects lacks young ones and shows deleted ones") \
  X(ClockJumps, "wall clocks are off by days and jump")                             \
  X(Kill, "a process dies at any point; another takes its place")                   \
  X(DenyDelete, "deleting some objects is denied")                                  \
  X(Deadline, "operations have deadlines")                                          \
  X(Damage, "what a read returns of a data object has a bit flipped")               \
  X(LongSleep, "a process sleeps for hours between two requests")                   \
  X(Outage, "the store refuses everything for up to a minute")

enum Fault : uint32_t {
#define VARVE_SIM_ENUM(name, what) k##name,
  VARVE_SIM_FAULTS(VARVE_SIM_ENUM)
#undef VARVE_SIM_ENUM
      kFaults
};

#define VARVE_SIM_ACTORS(X)                                          \
  X(SaverA, "saves m0, step by step")                                \
  X(SaverB, "saves m0 too")                                          \
  X(SaverC, "saves m1, with m0 as a parent")                         \
  X(SaverD, "saves m2, sleeping long before each commit")            \
  X(Loader, "loads by name, version and label")                      \
  X(LoaderB, "the same")                                             \
  X(Tagger, "sets tags, moves and removes aliases")                  \
  X(Forgetter, "forgets versions")                                   \
  X(Lister, "lists artifacts, reads history, compares versions")     \
  X(Copier, "copies m0 to a second lake")                            \
  X(CollectorA, "collects garbage without a grace")                  \
  X(CollectorB, "the same, with a grace of its own")                 \
  X(Retainer, "thins and lets go by policies")                       \
  X(Keeper, "pins and holds, and loads what it keeps")               \
  X(Restorer, "brings back what was let go")                         \
  X(Repacker, "copies what lives out of packs that are partly dead") \
  X(Repairer, "checks the lake and mends what it finds")             \
  X(SaverRanks, "saves m0 and m1 by two or three ranks, one of which may die")

enum Actor : uint32_t {
#define VARVE_SIM_ENUM(name, what) k##name,
  VARVE_SIM_ACTORS(VARVE_SIM_ENUM)
#undef VARVE_SIM_ENUM
      kActors
};

const char* FaultName(uint32_t fault);
const char* ActorName(uint32_t actor);

// All that decides a run. A shrinker makes it smaller.
struct Config {
  uint64_t seed = 0;
  uint32_t actors = 0, faults = 0;      // Masks.
  uint32_t operations_max = 6;          // Of each actor.
  uint32_t strike_permille = 0;         // Chance of a fault per request.
  uint64_t strikes_from = 0;            // Faults strike from this one on,
  uint64_t strikes_until = UINT64_MAX;  // and before this one.
  uint32_t pause_max_ms = 2'000;        // Between the operations of an actor.
  uint32_t tries_max = 8;               // Of the store's retries.
  bool heals = false;                   // Faults end; then everything must succeed.
  bool deep_history = false;            // The head is about to fold.
  uint32_t page_max = 12;               // Of listings of everything and of data.

  bool Has(Fault fault) const { return (faults >> fault & 1) != 0; }
  bool Has(Actor actor) const { return (actors >> actor & 1) != 0; }
  static Config FromSeed(uint64_t seed);
  std::string Text() const;  // The flags that repeat it.
};

// What a collector gives what is young; the same for all its processes.
int64_t GraceMsOf(const Config& config, Actor actor);

}  // namespace varve::sim
