// varve retain: plan, apply, explain, test, import.
#include "varve/cli/retain.h"

#include <charconv>
#include <fstream>
#include <nlohmann/json.hpp>

#include "varve/cli/cli.h"
#include "varve/cli/document.h"
#include "varve/cli/duration.h"
#include "varve/cli/prices.h"
#include "varve/cli/print.h"
#include "varve/cli/verbs.h"
#include "varve/plan/nearest.h"
#include "varve/plan/retention_import.h"

namespace varve::cli {
namespace {

struct Args {
  std::string action, keep, policy, out, ack, diff, format, prices;
  bool no_canary = false;
  std::vector<std::string> words;
};

constexpr int kNeedsAckStatus = 3;

Error Usage(const std::string& message) {
  return {ErrorCode::kInvalidArgument, message + "; see: varve retain --help"};
}

// --keep or --policy; else the one that the lake stores.
Result<plan::PolicySet> PolicyOf(Cli& cli, const Args& args, lake::Lake* lake) {
  if (!args.keep.empty() && !args.policy.empty())
    return Usage("give either --keep or --policy FILE, not both");
  if (args.keep.empty() && args.policy.empty()) {
    if (lake == nullptr)
      return Usage("say what to keep: --keep 'last 3; best 2 by loss min', or --policy FILE");
    VARVE_TRY(const lake::StoredPolicy stored, lake->LoadPolicy(cli.context(), 0));
    auto set = plan::ParsePolicies(stored.text);
    if (!set.ok())
      return std::move(set.error().Prefix("retention/policy@v" + std::to_string(stored.version)));
    return set;
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

Result<format::RetentionPlan> ReadPlan(const std::string& path) {
  VARVE_TRY(const std::string text, ReadLocalFile(path, format::kRetentionPlanBytesMax));
  auto plan = format::DecodeRetentionPlan(text);
  if (!plan.ok()) return std::move(plan.error().Prefix(path));
  return plan;
}

Status Plan(Cli& cli, const Args& args) {
  if (!args.format.empty() && args.format != "text" && args.format != "json" &&
      args.format != "md") {
    return Usage("--format is text, json or md, not '" + args.format + "'");
  }
  // What was typed is checked before anything is asked of the store.
  const bool typed = !args.keep.empty() || !args.policy.empty();
  plan::PolicySet policies;
  if (typed) {
    VARVE_TRY(policies, PolicyOf(cli, args, nullptr));
  }
  VARVE_TRY(const auto lake, cli.OpenLake(cli.LakeLocation()));
  if (!typed) {
    VARVE_TRY(policies, PolicyOf(cli, args, lake.get()));
  }
  lake::RetentionOptions options;
  options.artifacts = args.words;
  VARVE_TRY(options.prices, LoadPrices(args.prices));
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
  // The table of errors has no row for what is no error: a plan that a second person must see.
  if (plan.NeedsAck()) cli.ExitWith(kNeedsAckStatus);
  std::optional<std::vector<format::FateChange>> changes;
  if (!args.diff.empty()) {
    VARVE_TRY(const format::RetentionPlan before, ReadPlan(args.diff));
    changes = format::DiffRetentionPlans(before, plan);
  }
  if (cli.json() || args.format == "json") {
    nlohmann::json json = nlohmann::json::parse(encoded.json);
    if (changes.has_value()) json["diff"] = ChangesJson(*changes);
    cli.AnswerJson(json);
    return OkStatus();
  }
  if (args.format == "md") {
    std::printf("%s", RetentionMarkdown(plan, encoded.id).c_str());
    if (changes.has_value()) std::printf("\n%s", ChangesText(*changes, "- ").c_str());
    return OkStatus();
  }
  std::printf("plan %s\n%s", encoded.id.substr(0, 16).c_str(), RetentionTable(plan).c_str());
  if (changes.has_value()) std::printf("%s", ChangesText(*changes, "  ").c_str());
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
  VARVE_TRY(const format::RetentionPlan plan, ReadPlan(path));
  if (plan.NeedsAck() && args.ack.empty()) cli.ExitWith(kNeedsAckStatus);
  VARVE_TRY(const auto lake, cli.OpenLake(cli.LakeLocation()));
  VARVE_TRY(const lake::RetentionReport report,
            lake->ApplyRetention(
                cli.context(), plan,
                {.by = Who(), .ack = args.ack, .fresh = false, .canary = !args.no_canary}));
  cli.ExitWith(0);
  const std::string canary =
      report.canary ? "the first sweep of a policy is a canary: look whether anything is missing, "
                      "and apply a new plan 24 hours from now for the rest; "
                    : "";
  return cli.Answer({{"forgotten", report.forgotten},
                     {"thinned", report.thinned},
                     {"canary", report.canary},
                     {"written_bytes", report.written_bytes}},
                    canary + std::to_string(report.forgotten) + " versions are forgotten, " +
                        std::to_string(report.thinned) +
                        " thinned; varve gc frees their bytes once their grace has passed, until "
                        "then: varve undelete");
}

// Stores what was typed, or nothing, as the policy of plans that are given none.
Status Store(Cli& cli, const Args& args, bool none) {
  plan::PolicySet policies;
  if (!none) {
    VARVE_TRY(policies, PolicyOf(cli, args, nullptr));
  }
  VARVE_TRY(const auto lake, cli.OpenLake(cli.LakeLocation()));
  VARVE_TRY(const uint64_t version, lake->StorePolicy(cli.context(), policies, Who()));
  return cli.Answer({{"version", version}, {"policy", none ? "" : plan::PolicyText(policies)}},
                    none ? "the lake has no policy from now on; earlier ones: varve log "
                           "retention/policy"
                         : "stored as retention/policy@v" + std::to_string(version) +
                               "; varve retain plan goes by it now");
}

Status ShowPolicy(Cli& cli, const Args& args) {
  uint64_t version = 0;
  if (!args.words.empty()) {
    const std::string& word = args.words[0];
    const auto parsed = std::from_chars(word.data() + (word.starts_with('v') ? 1 : 0),
                                        word.data() + word.size(), version);
    if (parsed.ec != std::errc() || parsed.ptr != word.data() + word.size() || version == 0 ||
        args.words.size() > 1)
      return Usage("varve retain show wants no word, or one version such as v2");
  }
  VARVE_TRY(const auto lake, cli.OpenLake(cli.LakeLocation()));
  VARVE_TRY(const lake::StoredPolicy stored, lake->LoadPolicy(cli.context(), version));
  if (cli.json()) {
    cli.AnswerJson({{"version", stored.version},
                    {"policy", stored.text},
                    {"by", stored.by},
                    {"time", Time(stored.time_ms)}});
    return OkStatus();
  }
  std::printf("# retention/policy@v%llu, stored %s by %s\n%s",
              static_cast<unsigned long long>(stored.version), Time(stored.time_ms).c_str(),
              Printable(stored.by).c_str(), stored.text.c_str());
  return OkStatus();
}

Status Explain(Cli& cli, const Args& args) {
  VARVE_TRY(const std::string address, OneWord(args, "the address of a version"));
  VARVE_TRY(const auto lake, cli.OpenLake(cli.LakeLocation()));
  VARVE_TRY(const plan::PolicySet policies, PolicyOf(cli, args, lake.get()));
  VARVE_TRY(const lake::VersionInfo info, lake->Describe(cli.context(), address));
  lake::RetentionOptions options;
  options.artifacts = {address.substr(0, address.rfind('@'))};
  options.measure = false;
  VARVE_TRY(options.prices, LoadPrices(args.prices));
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
    return Usage(
        "varve retain import wants a system, such as orbax, lightning, huggingface or restic");
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
  cli.AddVerb("retain",
              "let versions go by a policy: plan, apply, explain, test, set, show, unset or import",
              "varve retain plan llama --keep 'last 3; best 2 by loss min' --out plan.json")
      .Word("action", args->action,
            "plan [NAME..], apply FILE, explain ADDRESS, test FILE, set, show [VERSION], unset, "
            "import "
            "SYSTEM [KNOB=VALUE..]")
      .OptionalWords("words", args->words, "what the action is about; see docs/retention.md")
      .Option("--keep", args->keep, "rules, such as 'last 3; every 24h of weights'")
      .Option(
          "--policy", args->policy,
          "a file of policies: text, YAML or JSON; without it and --keep the lake's own, see set")
      .Option("--out", args->out, "where plan writes the plan")
      .Option("--diff", args->diff, "an earlier plan: show what plan would do otherwise")
      .Option("--format", args->format, "of plan: text, json or md")
      .Option("--prices", args->prices, "a file of prices over those shipped with varve")
      .Flag("--no-canary", args->no_canary, "apply all of a policy's first plan at once")
      .Option("--ack", args->ack, "the id of a plan that passes its limit, for apply")
      .Runs([&cli, args]() -> Status {
        if (args->action == "plan") return Plan(cli, *args);
        if (args->action == "apply") return Apply(cli, *args);
        if (args->action == "explain") return Explain(cli, *args);
        if (args->action == "test") return Test(cli, *args);
        if (args->action == "import") return Import(cli, *args);
        if (args->action == "set") return Store(cli, *args, false);
        if (args->action == "unset") return Store(cli, *args, true);
        if (args->action == "show") return ShowPolicy(cli, *args);
        const std::string nearest = plan::Nearest(
            args->action, {"plan", "apply", "explain", "test", "import", "set", "unset", "show"});
        return Usage("no action '" + args->action + "'" +
                     (nearest.empty() ? "" : "; the nearest is '" + nearest + "'"));
      });
}

}  // namespace varve::cli
