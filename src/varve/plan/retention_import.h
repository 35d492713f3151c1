// Policies from the knobs of other systems (docs/retention.md, Coming from another system). Pure.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "varve/plan/retention_policy.h"

namespace varve::plan {

struct Imported {
  PolicySet set;
  std::vector<std::string> warnings;  // What is not the same here.
};

// `system` is orbax, lightning, huggingface, restic, tensorflow, automodel, wandb, mlflow, lakefs
// or iceberg; `knobs` are that system's own names and values as text, such as {"save_top_k", "3"}.
// Errors: kInvalidArgument naming the knob, with the nearest one it knows; kUnsupported for a
// system it does not know.
Result<Imported> ImportPolicy(std::string_view system,
                              const std::map<std::string, std::string>& knobs);

}  // namespace varve::plan
