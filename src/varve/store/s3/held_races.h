// Races that catch a server which looks at a condition and stores the body a moment later, however
// short that moment is.
//
// Writers send all of their bodies but the last byte and wait for each other there, so that what
// the server does between the condition and the storing it does for all of them at once
// ("race.held"). A server that looks before it has the body is caught by two: one is held while the
// other is served from end to end ("race.overlap"). What a server does with a body takes the longer
// the more there is of it, and many put a large one into a file: so some bodies are large.
// Threads: one; runs up to 16 of its own. Cancel and deadline end it, after two seconds at the
// latest. Memory: 48 MiB.
#pragma once

#include <string>
#include <vector>

#include "varve/store/object_store.h"
#include "varve/store/s3/client.h"

namespace varve::store {

// kBrief is for who waits for a new lake: fewer rounds, "race.held" alone, at most kBriefRacesMs.
enum class RaceLength : uint8_t { kBrief, kFull };
inline constexpr int64_t kBriefRacesMs = 5000;

// Of names that start with `scratch`; the caller deletes them. Rounds that the store does not
// answer, or for which no time is left, are not judged; empty when none is.
std::vector<Fact> HeldRaces(const OpContext& ctx, Client& client, const std::string& scratch,
                            RaceLength length);

}  // namespace varve::store
