#include "varve/cli/print.h"

#include <unistd.h>

#include <cstdio>
#include <ctime>

namespace varve::cli {
namespace {

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
  return json;
}

std::string Labels(const lake::VersionInfo& info) {
  std::string labels;
  for (const auto* names : {&info.aliases, &info.tags}) {
    for (const std::string& name : *names) labels += (labels.empty() ? "" : ",") + name;
  }
  if (info.forgotten.has_value()) labels += labels.empty() ? "(forgotten)" : " (forgotten)";
  return labels;
}

Json ItemsJson(const std::vector<lake::DiffReport::Item>& items) {
  Json list = Json::array();
  for (const auto& item : items)
    list.push_back(
        {{"path", item.path}, {"bytes", item.raw_bytes}, {"shared_bytes", item.shared_bytes}});
  return list;
}

}  // namespace

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

Status PrintArtifacts(const std::vector<lake::ArtifactInfo>& artifacts, bool json) {
  if (json) {
    Json list = Json::array();
    for (const auto& each : artifacts) {
      list.push_back({{"name", each.name},
                      {"type", each.artifact_type},
                      {"versions", each.versions},
                      {"last_version", each.last_version},
                      {"time", Time(each.time_ms)},
                      {"logical_bytes", each.logical_bytes},
                      {"aliases", each.aliases},
                      {"tags", each.tags}});
    }
    PrintJson({{"artifacts", list}});
    return OkStatus();
  }
  if (artifacts.empty())
    std::printf("no artifacts yet; make one with: varve put NAME PATH\n");
  else
    std::printf("%-32s %-12s %8s %10s  %s\n", "NAME", "TYPE", "VERSIONS", "SIZE", "NEWEST");
  for (const auto& each : artifacts) {
    std::printf("%-32s %-12s %8llu %10s  %s\n", Printable(each.name).c_str(),
                Printable(each.artifact_type).c_str(),
                static_cast<unsigned long long>(each.versions), Size(each.logical_bytes).c_str(),
                each.time_ms == 0 ? "-" : Time(each.time_ms).c_str());
  }
  return OkStatus();
}

Status PrintHistory(const std::string& name, const std::vector<lake::VersionInfo>& history,
                    bool json) {
  if (json) {
    Json list = Json::array();
    for (const auto& info : history) list.push_back(EntryJson(info));
    PrintJson({{"name", name}, {"versions", list}});
    return OkStatus();
  }
  std::printf("%-8s %-21s %10s %10s %10s  %-16s %s\n", "VERSION", "TIME", "STEP", "SIZE", "ADDED",
              "LABELS", "MESSAGE");
  for (const auto& info : history) {
    const format::VersionEntry& entry = info.entry;
    std::string tail = entry.message;
    for (const auto& [metric, value] : entry.metrics) {
      char text[64];
      std::snprintf(text, sizeof text, "=%.6g", value);
      tail += (tail.empty() ? "" : "  ") + metric + text;
    }
    std::printf("v%-7llu %-21s %10s %10s %10s  %-16s %s\n",
                static_cast<unsigned long long>(entry.version), Time(entry.time_ms).c_str(),
                entry.has_step ? std::to_string(entry.step).c_str() : "-",
                Size(entry.logical_bytes).c_str(), Size(entry.stored_bytes).c_str(),
                Printable(Labels(info)).c_str(), Printable(tail).c_str());
  }
  return OkStatus();
}

Status PrintVersion(const lake::VersionInfo& info, const lake::OpenVersion& version, bool json) {
  const format::Commit& commit = version.commit();
  if (json) {
    Json out = EntryJson(info);
    out["name"] = version.name();
    out["type"] = commit.header.artifact_type;
    out["message"] = commit.header.message;
    out["metrics"] = commit.header.metrics;
    out["metadata"] = commit.header.metadata_json.empty()
                          ? Json::object()
                          : Json::parse(commit.header.metadata_json, nullptr, false);
    out["parents"] = Json::array();
    for (const auto& parent : commit.header.parents) out["parents"].push_back(parent.Hex());
    out["tensors"] = Json::array();
    for (const auto& row : commit.tensors) {
      out["tensors"].push_back({{"path", row.name},
                                {"dtype", codec::DTypeName(row.dtype)},
                                {"shape", row.shape},
                                {"bytes", row.raw_bytes},
                                {"digest", row.digest.Hex()}});
    }
    out["files"] = Json::array();
    for (const auto& row : commit.files)
      out["files"].push_back(
          {{"path", row.path}, {"bytes", row.raw_bytes}, {"digest", row.digest.Hex()}});
    PrintJson(out);
    return OkStatus();
  }
  std::printf("%s@v%llu  %s\n", Printable(version.name()).c_str(),
              static_cast<unsigned long long>(info.entry.version),
              Printable(commit.header.artifact_type).c_str());
  std::printf("commit   %s\ntime     %s\nsize     %s, added %s in %zu packs\nlabels   %s\n",
              info.entry.commit_id.Hex().c_str(), Time(info.entry.time_ms).c_str(),
              Size(info.entry.logical_bytes).c_str(), Size(info.entry.stored_bytes).c_str(),
              commit.packs.size(), Printable(Labels(info)).c_str());
  if (commit.header.has_step)
    std::printf("step     %lld\n", static_cast<long long>(commit.header.step));
  if (!commit.header.message.empty())
    std::printf("message  %s\n", Printable(commit.header.message).c_str());
  for (const auto& [metric, value] : commit.header.metrics)
    std::printf("metric   %s = %.9g\n", Printable(metric).c_str(), value);
  for (const auto& row : commit.tensors) {
    std::string shape;
    for (const uint64_t dim : row.shape) shape += (shape.empty() ? "" : ", ") + std::to_string(dim);
    std::printf("  %-48s %-6s (%s)  %s\n", Printable(row.name).c_str(),
                std::string(codec::DTypeName(row.dtype)).c_str(), shape.c_str(),
                Size(row.raw_bytes).c_str());
  }
  for (const auto& row : commit.files)
    std::printf("  %-48s %s\n", Printable(row.path).c_str(), Size(row.raw_bytes).c_str());
  return OkStatus();
}

Status PrintDiff(const lake::DiffReport& report, bool json) {
  if (json) {
    PrintJson({{"added", ItemsJson(report.added)},
               {"removed", ItemsJson(report.removed)},
               {"changed", ItemsJson(report.changed)},
               {"equal", ItemsJson(report.equal)},
               {"bytes_shared", report.bytes_shared},
               {"bytes_only_left", report.bytes_only_left},
               {"bytes_only_right", report.bytes_only_right}});
    return OkStatus();
  }
  const auto rows = [](const char* mark, const std::vector<lake::DiffReport::Item>& items) {
    for (const auto& item : items)
      std::printf("%s %-56s %10s, %s shared\n", mark, Printable(item.path).c_str(),
                  Size(item.raw_bytes).c_str(), Size(item.shared_bytes).c_str());
  };
  rows("+", report.added);
  rows("-", report.removed);
  rows("~", report.changed);
  std::printf(
      "%zu added, %zu removed, %zu changed, %zu equal; %s shared, %s only left, %s only right\n",
      report.added.size(), report.removed.size(), report.changed.size(), report.equal.size(),
      Size(report.bytes_shared).c_str(), Size(report.bytes_only_left).c_str(),
      Size(report.bytes_only_right).c_str());
  return OkStatus();
}

Status PrintSave(const std::string& name, const lake::SaveReport& report, bool json) {
  if (json) {
    PrintJson({{"name", name},
               {"version", report.version},
               {"commit_id", report.commit_id.Hex()},
               {"logical_bytes", report.logical_bytes},
               {"stored_bytes", report.stored_bytes},
               {"shared_bytes", report.shared_bytes},
               {"objects_written", report.objects_written},
               {"seconds", report.committed_s}});
    return OkStatus();
  }
  std::printf("%s@v%llu: %s, %s sent, %s shared\n", Printable(name).c_str(),
              static_cast<unsigned long long>(report.version), Size(report.logical_bytes).c_str(),
              Size(report.stored_bytes).c_str(), Size(report.shared_bytes).c_str());
  return OkStatus();
}

void PrintVerify(const std::string& address, const lake::VerifyReport& report, bool json) {
  if (json) {
    Json damage = Json::array();
    for (const auto& row : report.damage)
      damage.push_back(
          {{"item", row.item}, {"chunk", row.chunk}, {"object", row.pack_key}, {"what", row.what}});
    PrintJson({{"address", address},
               {"items", report.items},
               {"chunks", report.chunks},
               {"raw_bytes", report.raw_bytes},
               {"read_bytes", report.read_bytes},
               {"damage", damage}});
    return;
  }
  for (const auto& row : report.damage)
    std::printf("damaged: %s: chunk %s %s (%s)\n", Printable(row.item).c_str(), row.chunk.c_str(),
                Printable(row.what).c_str(), row.pack_key.c_str());
  std::printf("%s: %llu items, %llu chunks, %s read; %s\n", Printable(address).c_str(),
              static_cast<unsigned long long>(report.items),
              static_cast<unsigned long long>(report.chunks), Size(report.read_bytes).c_str(),
              report.damage.empty() ? "all as it was saved" : "damaged");
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
