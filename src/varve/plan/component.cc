#include "varve/plan/component.h"

namespace varve::plan {
namespace {

struct Rule {
  std::string_view word;
  bool prefix;  // Else the whole word.
  std::string_view component;
};
// The first that fits decides. Folders of trees and names of files alike, letters folded to small.
constexpr Rule kRules[] = {
    {"model", false, "weights"},
    {"module", false, "weights"},
    {"weights", false, "weights"},
    {"params", false, "weights"},
    {"state_dict", false, "weights"},
    {"model_state_dict", false, "weights"},
    {"optim", true, "optimizer"},
    {"opt_state", true, "optimizer"},
    {"opt", false, "optimizer"},
    {"ema", true, "ema"},
    {"rng", true, "rng"},
    {"random_state", true, "rng"},
    {"scheduler", true, "scheduler"},
    {"lr_scheduler", true, "scheduler"},
    {"dataloader", true, "data"},
    {"data", false, "data"},
    {"sampler", true, "data"},
    {"grad", true, "grads"},
    {"logs", false, "logs"},
};

}  // namespace

std::string ComponentOf(std::string_view path, bool is_tensor) {
  const size_t slash = path.find('/');
  std::string word;
  for (const char c : path.substr(0, slash)) {
    word += c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  }
  const bool folder = slash != std::string_view::npos;
  // A tensor without a folder is one of a bare state dict, whatever it is called.
  if (!folder && is_tensor) return "weights";
  const size_t dot = word.find('.');
  for (const Rule& rule : kRules) {
    const std::string_view stem =
        folder ? std::string_view(word) : std::string_view(word).substr(0, dot);
    if (rule.prefix ? stem.starts_with(rule.word) : stem == rule.word)
      return std::string(rule.component);
  }
  return folder ? std::string(path.substr(0, slash)) : "weights";
}

}  // namespace varve::plan
