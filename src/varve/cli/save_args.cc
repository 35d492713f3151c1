#include "varve/cli/save_args.h"

#include <cstdlib>
#include <nlohmann/json.hpp>

#include "varve/cli/print.h"
#include "varve/format/names.h"

namespace varve::cli {

void AddSaveOptions(Verb& verb, SaveArgs& args) {
  verb.Option("--type", args.type, "model, dataset, log or any word")
      .Option("-m,--message", args.message, "shown in the history")
      .Option("--step", args.step, "training step")
      .Option("--metric", args.metrics, "name=number; may repeat")
      .Option("--metadata", args.metadata, "a JSON object")
      .Option("--alias", args.aliases, "moved to the new version; may repeat")
      .Option("--parent", args.parents, "address this derives from; may repeat");
}

Result<std::map<std::string, double>> MetricsFrom(const std::vector<std::string>& given) {
  std::map<std::string, double> metrics;
  for (const std::string& metric : given) {
    const size_t equals = metric.find('=');
    char* end = nullptr;
    const double value =
        equals == std::string::npos ? 0 : std::strtod(metric.c_str() + equals + 1, &end);
    if (end == nullptr || end == metric.c_str() + equals + 1 || *end != '\0' || equals == 0) {
      return Error(ErrorCode::kInvalidArgument, "--metric wants name=number, not '" + metric + "'");
    }
    metrics[metric.substr(0, equals)] = value;
  }
  return metrics;
}

Result<lake::SaveOptions> OptionsFrom(const SaveArgs& args) {
  lake::SaveOptions options;
  options.artifact_type = args.type;
  options.message = args.message;
  options.metadata_json = args.metadata;
  options.aliases = args.aliases;
  options.parents = args.parents;
  options.step = args.step;
  VARVE_TRY(options.metrics, MetricsFrom(args.metrics));
  return options;
}

Status AnswerSave(Cli& cli, const std::string& name, const lake::SaveReport& report) {
  return cli.Answer({{"name", name},
                     {"version", report.version},
                     {"commit_id", report.commit_id.Hex()},
                     {"logical_bytes", report.logical_bytes},
                     {"stored_bytes", report.stored_bytes},
                     {"shared_bytes", report.shared_bytes},
                     {"objects_written", report.objects_written},
                     {"seconds", report.committed_s}},
                    format::VersionAddress(name, report.version) + ": " +
                        Size(report.logical_bytes) + ", " + Size(report.stored_bytes) + " sent, " +
                        Size(report.shared_bytes) + " shared");
}

}  // namespace varve::cli
