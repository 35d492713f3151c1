// varve retain: plan, apply, explain, test, import.
#include "varve/cli/retain.h"

#include <fstream>
#include <nlohmann/json.hpp>

#include "varve/cli/cli.h"
#include "varve/cli/document.h"
#include "varve/cli/duration.h"
#include "varve/cli/print.h"
#include "varve/cli/verbs.h"
#include "varve/plan/nearest.h"
#include "varve/plan/retention_import.h"

namespace varve::cli {
namespace {

struct Args {
  std::string action, keep, policy, out, ack;
  std::vector<std::string> words;
};

Error Usage(const std::string& message) {
  return {ErrorCode::kInvalidArgument, message + "; see: varve retain --help"};
}

Result<plan::PolicySet> PolicyOf(const Args& args) {
  if (args.keep.empty() == args.policy.empty()) {
    return Usage("say what to keep: --keep 'last 3; best 2 by loss min', or --policy FILE");
  }
  if (!args.policy.empty()) return ReadPolicyFile(args.policy);
  auto set = plan::ParsePolicies(args.keep);
  if (!set.ok()) return std::move(set.error().Prefix("--keep"));
  return set;
}

Result<std::string> OneWord(const Args& args, const char* what) {
  if (args.words.size() == 1) return args.words[0];
  return Usage("varve retain " + args.action + " wants " + what);
}

Status Plan(Cli& cli, const Args& args) {
  VARVE_TRY(const plan::PolicySet policies, PolicyOf(args));
  VARVE_TRY(const auto lake, cli.OpenLake(cli.LakeLocation()));
  lake::RetentionOptions options;
  options.artifacts = args.words;
  VARVE_TRY(const format::RetentionPlan plan,
            lake->PlanRetention(cli.context(), policies, options));
  const format::EncodedRetentionPlan encoded = format::EncodeRetentionPlan(plan);
  if (!args.out.empty()) {
    std::ofstream file(args.out, std::ios::binary | std::ios::trunc);
    file.write(encoded.json.data(), static_cast<std::streamsize>(encoded.json.size()));
    file.close();
    if (!file)
      return Error(ErrorCode::kInvalidArgument, "cannot write the plan to '" + args.out + "'");
  }
  if (cli.json()) {
    cli.AnswerJson(nlohmann::json::parse(encoded.json));
    return OkStatus();
  }
  std::printf("%s", RetentionTable(plan).c_str());
  if (plan.LetGo() == 0) return OkStatus();
  const std::string ack = plan.NeedsAck() ? " --ack " + encoded.id : "";
  if (args.out.empty()) {
    std::printf(
        "nothing was changed; to carry it out, plan with --out plan.json and then: varve retain "
        "apply plan.json%s\n",
        plan.NeedsAck() ? " --ack ID" : "");
  } else {
    std::printf("nothing was changed; to carry it out within 24 hours: varve retain apply %s%s\n",
                Printable(args.out).c_str(), ack.c_str());
  }
  return OkStatus();
}

Status Apply(Cli& cli, const Args& args) {
  VARVE_TRY(const std::string path, OneWord(args, "the file of a plan"));
  VARVE_TRY(const std::string text, ReadLocalFile(path, format::kRetentionPlanBytesMax));
  VARVE_TRY(const format::RetentionPlan plan, format::DecodeRetentionPlan(text));
  VARVE_TRY(const auto lake, cli.OpenLake(cli.LakeLocation()));
  VARVE_TRY(
      const lake::RetentionReport report,
      lake->ApplyRetention(cli.context(), plan, {.by = Who(), .ack = args.ack, .fresh = false}));
  return cli.Answer({{"forgotten", report.forgotten},
                     {"thinned", report.thinned},
                     {"written_bytes", report.written_bytes}},
                    std::to_string(report.forgotten) + " versions are forgotten, " +
                        std::to_string(report.thinned) +
                        " thinned; varve gc frees their bytes once their grace has passed, until "
                        "then: varve undelete");
}

Status Explain(Cli& cli, const Args& args) {
  VARVE_TRY(const std::string address, OneWord(args, "the address of a version"));
  VARVE_TRY(const plan::PolicySet policies, PolicyOf(args));
  VARVE_TRY(const auto lake, cli.OpenLake(cli.LakeLocation()));
  VARVE_TRY(const lake::VersionInfo info, lake->Describe(cli.context(), address));
  lake::RetentionOptions options;
  options.artifacts = {address.substr(0, address.rfind('@'))};
  options.measure = false;
  VARVE_TRY(format::RetentionPlan plan, lake->PlanRetention(cli.context(), policies, options));
  std::erase_if(plan.items, [&](const format::RetentionItem& item) {
    return item.version != info.entry.version;
  });
  plan.shares.clear();
  if (cli.json()) {
    cli.AnswerJson(nlohmann::json::parse(format::EncodeRetentionPlan(plan).json)["items"][0]);
    return OkStatus();
  }
  std::printf("%s", RetentionTable(plan).c_str());
  return OkStatus();
}

Status Test(Cli& cli, const Args& args) {
  VARVE_TRY(const std::string path, OneWord(args, "the file of a test"));
  VARVE_TRY(const PolicyTest test, RunPolicyTest(path));
  if (!cli.json()) {
    for (const std::string& failure : test.failures)
      std::printf("%s\n", Printable(failure).c_str());
  }
  VARVE_CHECK_OK(cli.Answer({{"checked", test.checked}, {"failures", test.failures}},
                            std::to_string(test.checked) + " versions checked, " +
                                std::to_string(test.failures.size()) + " not as expected"));
  if (test.failures.empty()) return OkStatus();
  return Error(ErrorCode::kInvalidArgument, "the policy does not keep what its test expects");
}

Status Import(Cli& cli, const Args& args) {
  if (args.words.empty())
    return Usage("varve retain import wants a system: orbax, lightning, huggingface or restic");
  std::map<std::string, std::string> knobs;
  for (size_t i = 1; i < args.words.size(); ++i) {
    const size_t equals = args.words[i].find('=');
    if (equals == std::string::npos || equals == 0)
      return Usage("a knob is name=value, not '" + args.words[i] + "'");
    knobs[args.words[i].substr(0, equals)] = args.words[i].substr(equals + 1);
  }
  VARVE_TRY(const plan::Imported imported, plan::ImportPolicy(args.words[0], knobs));
  const std::string text = plan::PolicyText(imported.set);
  if (cli.json()) {
    cli.AnswerJson({{"policy", text},
                    {"document", PoliciesJson(imported.set)},
                    {"warnings", imported.warnings}});
    return OkStatus();
  }
  for (const std::string& warning : imported.warnings)
    std::printf("# %s\n", Printable(warning).c_str());
  std::printf("%s", text.c_str());
  return OkStatus();
}

}  // namespace

void AddRetain(Cli& cli) {
  const auto args = std::make_shared<Args>();
  cli.AddVerb("retain", "let versions go by a policy: plan, apply, explain, test or import",
              "varve retain plan llama --keep 'last 3; best 2 by loss min' --out plan.json")
      .Word("action", args->action,
            "plan [NAME..], apply FILE, explain ADDRESS, test FILE, import SYSTEM [KNOB=VALUE..]")
      .OptionalWords("words", args->words, "what the action is about; see docs/retention.md")
      .Option("--keep", args->keep, "rules, such as 'last 3; every 24h of weights'")
      .Option("--policy", args->policy, "a file of policies: text, YAML or JSON")
      .Option("--out", args->out, "where plan writes the plan")
      .Option("--ack", args->ack, "the id of a plan that passes its limit, for apply")
      .Runs([&cli, args]() -> Status {
        if (args->action == "plan") return Plan(cli, *args);
        if (args->action == "apply") return Apply(cli, *args);
        if (args->action == "explain") return Explain(cli, *args);
        if (args->action == "test") return Test(cli, *args);
        if (args->action == "import") return Import(cli, *args);
        const std::string nearest =
            plan::Nearest(args->action, {"plan", "apply", "explain", "test", "import"});
        return Usage("no action '" + args->action + "'" +
                     (nearest.empty() ? "" : "; the nearest is '" + nearest + "'"));
      });
}

}  // namespace varve::cli
