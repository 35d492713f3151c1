// Pins, holds and retention of lake::Lake for Python.
#include "varve/plan/retention.h"

#include "glue.h"
#include "varve/cli/duration.h"
#include "varve/cli/prices.h"

namespace varve::python {
namespace {

plan::PolicySet PoliciesFrom(const std::string& text) {
  auto set = plan::ParsePolicies(text);
  if (!set.ok()) Raise(set.error());
  return std::move(set).value();
}

plan::PriceTable PricesFrom(const std::string& file) {
  auto table = cli::LoadPrices(file);
  if (!table.ok()) Raise(table.error());
  return std::move(table).value();
}

nb::dict ReportDictOf(const lake::RetentionReport& report) {
  nb::dict dict;
  dict["forgotten"] = report.forgotten;
  dict["thinned"] = report.thinned;
  dict["canary"] = report.canary;
  dict["written_bytes"] = report.written_bytes;
  dict["warnings"] = nb::cast(report.warnings);
  return dict;
}

void Here(const std::function<Status(const OpContext&)>& work) {
  std::optional<Result<void>> done;
  {
    const nb::gil_scoped_release released;
    done.emplace(Guard<void>(work, OpContext()));
  }
  if (!done->ok()) Raise(done->error());
}

// For a thread of its own, which no signal reaches.
nb::dict RetainHere(PyLake& self, const std::string& policy,
                    const std::vector<std::string>& artifacts) {
  lake::Lake& lake = self.lake.Use();
  const plan::PolicySet set = PoliciesFrom(policy);
  lake::RetentionOptions options;
  options.artifacts = artifacts;
  options.allow_unknown_metrics = true;
  if (plan::NeedsPrice(set)) options.prices = PricesFrom("");
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
  m.def("plan_retention", [](PyLake& self, const std::string& policy,
                             const std::vector<std::string>& artifacts, const std::string& prices) {
    lake::Lake& lake = self.lake.Use();
    const plan::PolicySet set = PoliciesFrom(policy);
    lake::RetentionOptions options;
    options.artifacts = artifacts;
    options.prices = PricesFrom(prices);
    return format::EncodeRetentionPlan(Get<format::RetentionPlan>([&](const OpContext& ctx) {
             return lake.PlanRetention(ctx, set, options);
           }))
        .json;
  });
  m.def("store_policy", [](PyLake& self, const std::string& policy) {
    lake::Lake& lake = self.lake.Use();
    const plan::PolicySet set = policy.empty() ? plan::PolicySet{} : PoliciesFrom(policy);
    return Get<uint64_t>(
        [&](const OpContext& ctx) { return lake.StorePolicy(ctx, set, cli::Who()); });
  });
  m.def("load_policy", [](PyLake& self) {
    lake::Lake& lake = self.lake.Use();
    return Get<lake::StoredPolicy>([&](const OpContext& ctx) { return lake.LoadPolicy(ctx, 0); })
        .text;
  });
  m.def("apply_retention",
        [](PyLake& self, const std::string& json, const std::string& ack, bool canary) {
          lake::Lake& lake = self.lake.Use();
          auto plan = format::DecodeRetentionPlan(json);
          if (!plan.ok()) Raise(plan.error());
          return ReportDictOf(Get<lake::RetentionReport>([&](const OpContext& ctx) {
            return lake.ApplyRetention(
                ctx, *plan, {.by = cli::Who(), .ack = ack, .fresh = false, .canary = canary});
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
  m.def("annotate",
        [](PyLake& self, const std::string& address, const std::map<std::string, double>& metrics,
           const std::string& run_state, const std::string& owner) {
          lake::Lake& lake = self.lake.Use();
          Do([&](const OpContext& ctx) {
            return lake.Annotate(ctx, address,
                                 {.metrics = metrics, .run_state = run_state, .owner = owner});
          });
        });
  // Both for a thread of their own, which no signal reaches.
  m.def("note_verified_here", [](PyLake& self, const std::string& address) {
    lake::Lake& lake = self.lake.Use();
    Here([&](const OpContext& ctx) { return lake.NoteVerified(ctx, address); });
  });
  m.def("renew_lease_here",
        [](PyLake& self, const std::string& address, const std::string& owner, int64_t for_ms) {
          lake::Lake& lake = self.lake.Use();
          Here([&](const OpContext& ctx) {
            return lake.Pin(ctx, address,
                            {.owner = owner, .for_ms = for_ms, .lease = true, .reason = "reading"});
          });
        });
  m.def("undelete", [](PyLake& self, const std::string& address) {
    lake::Lake& lake = self.lake.Use();
    Do([&](const OpContext& ctx) { return lake.Undelete(ctx, address); });
  });
  m.def("pin", [](PyLake& self, const std::string& address, const std::string& owner,
                  int64_t for_ms, const std::string& reason, bool lease) {
    lake::Lake& lake = self.lake.Use();
    const lake::PinOptions options{owner.empty() ? cli::Who() : owner, for_ms, lease, reason};
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
