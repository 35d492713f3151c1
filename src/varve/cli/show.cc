// varve show: everything about one version.
#include <cstdio>
#include <nlohmann/json.hpp>

#include "varve/cli/cli.h"
#include "varve/cli/print.h"
#include "varve/cli/verbs.h"

namespace varve::cli {
namespace {

Json VersionJson(const lake::VersionInfo& info, const lake::OpenVersion& version) {
  const format::Commit& commit = version.commit();
  Json out = EntryJson(info);
  out["name"] = version.name();
  out["type"] = commit.header.artifact_type;
  out["message"] = commit.header.message;
  out["metrics"] = commit.header.metrics;
  for (const auto& [metric, value] : info.entry.metrics) out["metrics"][metric] = value;
  out["metadata"] = commit.header.metadata_json.empty()
                        ? Json::object()
                        : Json::parse(commit.header.metadata_json, nullptr, false);
  out["owner"] = info.run.owner;
  out["run_state"] = info.run.state.empty() ? "unknown" : info.run.state;
  for (const format::Pin& pin : info.pins) {
    out[pin.lease ? "leases" : "pins"].push_back(
        {{"owner", pin.owner},
         {"until", pin.until_ms == INT64_MAX ? Json() : Json(Time(pin.until_ms))},
         {"reason", pin.reason}});
  }
  for (const format::Hold& hold : info.holds)
    out["holds"].push_back({{"owner", hold.owner}, {"reason", hold.reason}});
  for (const format::LetGo& gone : commit.let_go) {
    out["let_go_by"].push_back({{"component", gone.component},
                                {"time", Time(gone.time_ms)},
                                {"by", gone.by},
                                {"policy", gone.policy}});
  }
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
  return out;
}

void PrintHeader(const lake::VersionInfo& info, const lake::OpenVersion& version) {
  const format::Commit& commit = version.commit();
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
  std::map<std::string, double> metrics = commit.header.metrics;
  for (const auto& [metric, value] : info.entry.metrics) metrics[metric] = value;
  for (const auto& [metric, value] : metrics)
    std::printf("metric   %s = %.9g\n", Printable(metric).c_str(), value);
  if (info.verified_ms.has_value()) std::printf("verified %s\n", Time(*info.verified_ms).c_str());
  for (const format::Pin& pin : info.pins) {
    std::printf("%s %s%s\n", pin.lease ? "leased by" : "pinned by", Printable(pin.owner).c_str(),
                pin.until_ms == INT64_MAX ? "" : (" until " + Time(pin.until_ms)).c_str());
  }
  for (const format::Hold& hold : info.holds) {
    std::printf("held by  %s%s\n", Printable(hold.owner).c_str(),
                hold.reason.empty() ? "" : (": " + Printable(hold.reason)).c_str());
  }
  for (const format::LetGo& gone : commit.let_go) {
    std::printf("let go   %s on %s by %s, policy %s\n", Printable(gone.component).c_str(),
                Time(gone.time_ms).c_str(), Printable(gone.by).c_str(),
                Printable(gone.policy).c_str());
  }
}

void PrintItems(const format::Commit& commit) {
  for (const auto& row : commit.tensors) {
    std::string shape;
    for (const uint64_t dim : row.shape) shape += (shape.empty() ? "" : ", ") + std::to_string(dim);
    std::printf("  %-48s %-6s (%s)  %s\n", Printable(row.name).c_str(),
                std::string(codec::DTypeName(row.dtype)).c_str(), shape.c_str(),
                Size(row.raw_bytes).c_str());
  }
  for (const auto& row : commit.files)
    std::printf("  %-48s %s\n", Printable(row.path).c_str(), Size(row.raw_bytes).c_str());
}

}  // namespace

void AddShow(Cli& cli) {
  const auto address = std::make_shared<std::string>();
  cli.AddVerb("show", "everything about one version", "varve show llama@v17")
      .Word("address", *address, "name@version")
      .RunsOnLake([&cli, address](lake::Lake& lake) -> Status {
        VARVE_TRY(const auto info, lake.Describe(cli.context(), *address));
        VARVE_TRY(const auto version, lake.OpenAt(cli.context(), *address));
        if (cli.json()) {
          cli.AnswerJson(VersionJson(info, *version));
        } else {
          PrintHeader(info, *version);
          PrintItems(version->commit());
        }
        return OkStatus();
      });
}

}  // namespace varve::cli
