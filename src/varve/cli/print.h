// What verbs share when they print: tables for people, one JSON object for programs. No logic.
// Threads: the progress callback may come from any thread; everything else from main.
#pragma once

#include <functional>
#include <nlohmann/json_fwd.hpp>
#include <string>

#include "varve/lake/lake.h"

namespace varve::cli {

using Json = nlohmann::json;

std::string Size(uint64_t bytes);   // "1.5 GiB"
std::string Time(int64_t time_ms);  // ISO 8601, UTC
std::string Printable(
    const std::string& text);  // Control characters escaped: they may come from a name.
void PrintJson(const Json& json);

// A row of the history, and its aliases and tags in one line.
Json EntryJson(const lake::VersionInfo& info);
// Who let a version go, when, why, by which policy, and until when it may come back.
Json TombstoneJson(const format::Tombstone& tombstone);
std::string Labels(const lake::VersionInfo& info);

// "v17" of `name`, or the address that `target` is.
std::string AddressOf(const std::string& name, const std::string& target);

// A line on standard error that is drawn again as bytes move; nothing when that is no terminal.
std::function<void(lake::Progress)> ProgressBar(const std::string& verb);

}  // namespace varve::cli
