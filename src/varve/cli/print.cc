#include "varve/cli/print.h"

#include <unistd.h>

#include <cstdio>
#include <ctime>
#include <nlohmann/json.hpp>

namespace varve::cli {

std::string Size(uint64_t bytes) {
  constexpr const char* kUnits[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB"};
  double value = static_cast<double>(bytes);
  size_t unit = 0;
  for (; value >= 1024 && unit < 5; ++unit) value /= 1024;
  char text[32];
  std::snprintf(text, sizeof text, unit == 0 ? "%.0f %s" : "%.1f %s", value, kUnits[unit]);
  return text;
}

std::string Time(int64_t time_ms) {
  const std::time_t seconds = static_cast<std::time_t>(time_ms / 1000);
  std::tm utc{};
  gmtime_r(&seconds, &utc);
  char text[32];
  std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &utc);
  return text;
}

std::string Printable(const std::string& text) {
  std::string shown;
  const auto escape = [&shown](unsigned code) {
    char hex[8];
    std::snprintf(hex, sizeof hex, "\\x%02x", code);
    shown += hex;
  };
  for (size_t i = 0; i < text.size(); ++i) {
    const auto code = static_cast<unsigned char>(text[i]);
    const auto next = static_cast<unsigned char>(i + 1 < text.size() ? text[i + 1] : '\0');
    if (code == 0xc2 && next >= 0x80 && next < 0xa0) {  // The second set of control characters.
      escape(next);
      ++i;
    } else if (code < 0x20 || code == 0x7f) {
      escape(code);
    } else {
      shown += text[i];
    }
  }
  return shown;
}

void PrintJson(const Json& json) {
  std::printf("%s\n", json.dump(2, ' ', false, Json::error_handler_t::replace).c_str());
}

Json TombstoneJson(const format::Tombstone& tombstone) {
  Json json = {{"time", Time(tombstone.time_ms)},
               {"by", tombstone.by},
               {"policy", tombstone.policy},
               {"reason", tombstone.reason}};
  json["until"] = tombstone.until_ms == 0 ? Json() : Json(Time(tombstone.until_ms));
  return json;
}

Json EntryJson(const lake::VersionInfo& info) {
  const format::VersionEntry& entry = info.entry;
  Json json = {{"version", entry.version},
               {"commit_id", entry.commit_id.Hex()},
               {"time", Time(entry.time_ms)},
               {"logical_bytes", entry.logical_bytes},
               {"stored_bytes", entry.stored_bytes},
               {"message", entry.message},
               {"metrics", entry.metrics},
               {"aliases", info.aliases},
               {"tags", info.tags}};
  json["step"] = entry.has_step ? Json(entry.step) : Json();
  json["forgotten"] = info.forgotten.has_value() ? Json(info.forgotten->reason) : Json();
  json["let_go"] = info.let_go;
  json["verified"] = info.verified_ms.has_value() ? Json(Time(*info.verified_ms)) : Json();
  if (info.forgotten.has_value()) json["tombstone"] = TombstoneJson(*info.forgotten);
  return json;
}

std::string Labels(const lake::VersionInfo& info) {
  std::string labels;
  for (const auto* names : {&info.aliases, &info.tags}) {
    for (const std::string& name : *names) labels += (labels.empty() ? "" : ",") + name;
  }
  if (info.forgotten.has_value()) labels += labels.empty() ? "(forgotten)" : " (forgotten)";
  if (!info.let_go.empty()) labels += labels.empty() ? "(thinned)" : " (thinned)";
  return labels;
}

std::string AddressOf(const std::string& name, const std::string& target) {
  return target.find('@') == std::string::npos ? name + "@" + target : target;
}

std::function<void(lake::Progress)> ProgressBar(const std::string& verb) {
  if (isatty(STDERR_FILENO) == 0) return {};
  return [verb](lake::Progress progress) {
    std::fprintf(stderr, "\r%s %s of %s\x1b[K", verb.c_str(), Size(progress.bytes_done).c_str(),
                 Size(progress.bytes_total).c_str());
    if (progress.bytes_done >= progress.bytes_total) std::fprintf(stderr, "\r\x1b[K");
  };
}

}  // namespace varve::cli
