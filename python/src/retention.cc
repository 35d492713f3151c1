// Pins, holds and retention of lake::Lake for Python.
#include "glue.h"
#include "varve/cli/duration.h"

namespace varve::python {
namespace {

plan::PolicySet PoliciesFrom(const std::string& text) {
  auto set = plan::ParsePolicies(text);
  if (!set.ok()) Raise(set.error());
  return std::move(set).value();
}

nb::dict ReportDictOf(const lake::RetentionReport& report) {
  nb::dict dict;
  dict["forgotten"] = report.forgotten;
  dict["thinned"] = report.thinned;
  dict["written_bytes"] = report.written_bytes;
  dict["warnings"] = nb::cast(report.warnings);
  return dict;
}

// For a thread of its own, which no signal reaches.
nb::dict RetainHere(PyLake& self, const std::string& policy,
                    const std::vector<std::string>& artifacts) {
  lake::Lake& lake = self.lake.Use();
  const plan::PolicySet set = PoliciesFrom(policy);
  lake::RetentionOptions options;
  options.artifacts = artifacts;
  options.allow_unknown_metrics = true;
  std::optional<Result<lake::RetentionReport>> report;
  {
    const nb::gil_scoped_release released;
    report.emplace(Guard<lake::RetentionReport>(
        [&](const OpContext& ctx) { return lake.Retain(ctx, set, options, cli::Who()); },
        OpContext()));
  }
  if (!report->ok()) Raise(report->error());
  return ReportDictOf(**report);
}

}  // namespace

void BindRetention(nb::module_& m) {
  m.def("check_policy",
        [](const std::string& text) { return plan::PolicyText(PoliciesFrom(text)); });
  m.def("retain_here", &RetainHere);
  m.def("plan_retention",
        [](PyLake& self, const std::string& policy, const std::vector<std::string>& artifacts) {
          lake::Lake& lake = self.lake.Use();
          const plan::PolicySet set = PoliciesFrom(policy);
          lake::RetentionOptions options;
          options.artifacts = artifacts;
          return format::EncodeRetentionPlan(Get<format::RetentionPlan>([&](const OpContext& ctx) {
                   return lake.PlanRetention(ctx, set, options);
                 }))
              .json;
        });
  m.def("apply_retention", [](PyLake& self, const std::string& json, const std::string& ack) {
    lake::Lake& lake = self.lake.Use();
    auto plan = format::DecodeRetentionPlan(json);
    if (!plan.ok()) Raise(plan.error());
    return ReportDictOf(Get<lake::RetentionReport>([&](const OpContext& ctx) {
      return lake.ApplyRetention(ctx, *plan, {.by = cli::Who(), .ack = ack, .fresh = false});
    }));
  });
  m.def("forget",
        [](PyLake& self, const std::string& address, const std::string& reason, int64_t grace_ms) {
          lake::Lake& lake = self.lake.Use();
          Do([&](const OpContext& ctx) {
            return lake.Forget(ctx, address, reason,
                               {.by = cli::Who(), .policy = "", .grace_ms = grace_ms});
          });
        });
  m.def("undelete", [](PyLake& self, const std::string& address) {
    lake::Lake& lake = self.lake.Use();
    Do([&](const OpContext& ctx) { return lake.Undelete(ctx, address); });
  });
  m.def("pin", [](PyLake& self, const std::string& address, const std::string& owner,
                  int64_t for_ms, const std::string& reason) {
    lake::Lake& lake = self.lake.Use();
    const lake::PinOptions options{owner.empty() ? cli::Who() : owner, for_ms, false, reason};
    Do([&](const OpContext& ctx) { return lake.Pin(ctx, address, options); });
  });
  m.def("unpin", [](PyLake& self, const std::string& address, const std::string& owner) {
    lake::Lake& lake = self.lake.Use();
    const std::string whose = owner.empty() ? cli::Who() : owner;
    Do([&](const OpContext& ctx) { return lake.Unpin(ctx, address, whose); });
  });
  m.def("hold", [](PyLake& self, const std::string& address, const std::string& owner,
                   const std::string& reason) {
    lake::Lake& lake = self.lake.Use();
    const std::string whose = owner.empty() ? cli::Who() : owner;
    Do([&](const OpContext& ctx) { return lake.Hold(ctx, address, whose, reason); });
  });
  m.def("unhold", [](PyLake& self, const std::string& address, const std::string& owner) {
    lake::Lake& lake = self.lake.Use();
    const std::string whose = owner.empty() ? cli::Who() : owner;
    Do([&](const OpContext& ctx) { return lake.Unhold(ctx, address, whose); });
  });
}

}  // namespace varve::python
