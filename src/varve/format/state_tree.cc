#include "varve/format/state_tree.h"

#include "varve/format/json.h"

namespace varve::format {
namespace {

constexpr int kTreeDepthMax = 250;  // As the commit object allows.

std::string KindOf(const std::string& form) {
  if (form == "i" || form == "f" || form == "c" || form == "np") return "a number";
  if (form == "s") return "a text";
  if (form == "b") return "bytes";
  if (form == "set") return "a set";
  return "a '" + form.substr(0, 20) + "' value";
}

std::string KeyText(const Json& key) {
  if (key.is_object() && key.size() == 1) {
    const Json& body = *key.begin();
    if (body.is_string()) return body.get<std::string>();
  }
  return Dump(key);
}

class Walk {
 public:
  // False when the search is over: something was found, or the text is no tree.
  bool Into(const Json& node, const std::string& path) {
    if (node.is_null() || node.is_boolean()) return Found(path, node.is_null() ? "None" : "a bool");
    if (!node.is_object() || node.empty()) return Wrong();
    // A tensor may carry "same" beside its name.
    if (node.contains("T") || node.contains("A")) return true;
    const std::string& form = node.begin().key();
    const Json& body = node.begin().value();
    const bool pairs = form == "d" || form == "o";
    if (!pairs && form != "l" && form != "t") return Found(path, KindOf(form));
    if (!body.is_array()) return Wrong();
    if (body.empty()) return Found(path, pairs ? "an empty dict" : "an empty list");
    size_t index = 0;
    for (const Json& child : body) {
      if (pairs && (!child.is_array() || child.size() != 2)) return Wrong();
      const std::string name = pairs ? KeyText(child[0]) : std::to_string(index++);
      if (!Into(pairs ? child[1] : child, path.empty() ? name : path + "/" + name)) return false;
    }
    return true;
  }

  bool wrong = false;
  std::optional<PlainValue> found;

 private:
  bool Found(const std::string& path, const std::string& what) {
    found = PlainValue{path, what};
    return false;
  }
  bool Wrong() {
    wrong = true;
    return false;
  }
};

}  // namespace

std::string TreeOfTensors(const std::vector<std::string>& names) {
  Json pairs = Json::array();
  for (const std::string& name : names) {
    pairs.push_back({Json::object({{"s", name}}), Json::object({{"T", name}})});
  }
  return Dump(Json::object({{"d", std::move(pairs)}}));
}

Result<std::optional<PlainValue>> FirstPlainValue(std::string_view tree_json) {
  VARVE_TRY(const Json tree, ParseObject(tree_json, kTreeDepthMax));
  Walk walk;
  walk.Into(tree, "");
  if (walk.wrong) return Error(ErrorCode::kCorrupt, "the state tree is damaged");
  return walk.found;
}

}  // namespace varve::format
