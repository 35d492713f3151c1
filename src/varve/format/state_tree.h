// The typed tree of a version (docs/format.md, Typed tree) as far as C++ needs it: a state made of
// tensors alone, and what keeps another from being one. Pure.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "varve/result.h"

namespace varve::format {

// The tree of a dict from each of `names` to the tensor stored under that name.
std::string TreeOfTensors(const std::vector<std::string>& names);

// The path of the first value in the tree that is no tensor, and what it is ("a number"); nothing
// when every leaf is one. Empty containers count as values: a list of tensors would lose them.
// Errors: kCorrupt when the text is no tree.
struct PlainValue {
  std::string path, what;
};
Result<std::optional<PlainValue>> FirstPlainValue(std::string_view tree_json);

}  // namespace varve::format
