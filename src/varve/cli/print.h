// What the command prints: tables for people, one JSON object for programs. No logic.
// Threads: the progress callback may come from any thread; everything else from main.
#pragma once

#include <functional>
#include <nlohmann/json.hpp>
#include <string>

#include "varve/lake/lake.h"

namespace varve::cli {

using Json = nlohmann::json;

std::string Size(uint64_t bytes);   // "1.5 GiB"
std::string Time(int64_t time_ms);  // ISO 8601, UTC
std::string Printable(
    const std::string& text);  // Control characters escaped: they may come from a name.
void PrintJson(const Json& json);

Status PrintArtifacts(const std::vector<lake::ArtifactInfo>& artifacts, bool json);
Status PrintHistory(const std::string& name, const std::vector<lake::VersionInfo>& history,
                    bool json);
Status PrintVersion(const lake::VersionInfo& info, const lake::OpenVersion& version, bool json);
Status PrintDiff(const lake::DiffReport& report, bool json);
Status PrintSave(const std::string& name, const lake::SaveReport& report, bool json);
void PrintVerify(const std::string& address, const lake::VerifyReport& report, bool json);

// A line on standard error that is drawn again as bytes move; nothing when that is no terminal.
std::function<void(lake::Progress)> ProgressBar(const std::string& verb);

}  // namespace varve::cli
