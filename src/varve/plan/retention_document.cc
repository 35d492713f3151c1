#include "varve/plan/retention_document.h"

#include <algorithm>
#include <functional>

#include "varve/plan/nearest.h"

namespace varve::plan {
namespace {

using Kind = Document::Kind;

Result<std::string> TextOf(const Document& node, const std::string& what) {
  if (node.kind != Kind::kText || node.text.empty()) return At(node.at, what + " must be text");
  return node.text;
}

// Every field of a map once, each through `take`.
Status EachField(const Document& node, const std::string& what,
                 const std::vector<std::string>& known,
                 const std::function<Status(const std::string&, const Document&)>& take) {
  if (node.kind != Kind::kMap) return At(node.at, what + " must be a map of " + known[0] + ", ...");
  std::vector<std::string> seen;
  for (const auto& [key, value] : node.fields) {
    if (std::find(known.begin(), known.end(), key.text) == known.end()) {
      const std::string nearest = Nearest(key.text, known);
      return At(key.at, "no field '" + key.text + "' in " + what +
                            (nearest.empty() ? "" : "; did you mean '" + nearest + "'?"));
    }
    if (std::find(seen.begin(), seen.end(), key.text) != seen.end()) {
      return At(key.at, "field '" + key.text + "' is there twice");
    }
    seen.push_back(key.text);
    VARVE_CHECK_OK(take(key.text, value));
  }
  return OkStatus();
}

// A list, or one item that stands for a list of it.
Status EachItem(const Document& node, const std::function<Status(const Document&)>& take) {
  if (node.kind != Kind::kList) return take(node);
  for (const Document& item : node.items) VARVE_CHECK_OK(take(item));
  return OkStatus();
}

Result<Policy> PolicyOf(const Document& node) {
  Policy policy;
  policy.at = node.at;
  const auto take = [&](const std::string& key, const Document& value) -> Status {
    if (key == "keep") {
      return EachItem(value, [&](const Document& item) -> Status {
        VARVE_TRY(const std::string text, TextOf(item, "a keep"));
        VARVE_TRY(Keep keep, ParseKeep(text, item.at));
        policy.keeps.push_back(std::move(keep));
        if (policy.keeps.size() > kRulesMax) return At(item.at, "a policy has at most 256 rules");
        return OkStatus();
      });
    }
    if (key == "tier" || key == "cap") {
      return EachItem(value, [&](const Document& item) -> Status {
        VARVE_TRY(const std::string text, TextOf(item, "a " + key));
        return ParseClause(key, text, item.at, policy);
      });
    }
    if (key == "group by" || key == "limit") {
      std::string joined;
      VARVE_CHECK_OK(EachItem(value, [&](const Document& item) -> Status {
        VARVE_TRY(const std::string text, TextOf(item, "'" + key + "'"));
        if (key == "limit") return ParseClause(key, text, item.at, policy);
        joined += (joined.empty() ? "" : ",") + text;
        return OkStatus();
      }));
      return joined.empty() ? OkStatus() : ParseClause(key, joined, value.at, policy);
    }
    VARVE_TRY(const std::string text, TextOf(value, "'" + key + "'"));
    if (key == "name") {
      policy.name = text;
    } else if (key == "match") {
      VARVE_TRY(policy.match, ParsePredicate(text, value.at));
    } else {
      return ParseClause(key, text, value.at, policy);
    }
    return OkStatus();
  };
  VARVE_CHECK_OK(EachField(
      node, "a policy",
      {"name", "match", "group by", "order by", "keep", "tier", "cap", "floor", "grace", "limit"},
      take));
  if (policy.name.empty() || policy.name.size() > 200) return At(node.at, "a policy needs a name");
  return policy;
}

Result<Protect> ProtectOf(const Document& node) {
  Protect protect;
  protect.at = node.at;
  bool matched = false;
  const auto take = [&](const std::string& key, const Document& value) -> Status {
    VARVE_TRY(const std::string text, TextOf(value, "'" + key + "'"));
    if (key == "name") protect.name = text;
    if (key == "reason") protect.reason = text;
    if (key == "until") {
      VARVE_TRY(protect.until_ms, ParseDate(text, value.at));
    }
    if (key == "match") {
      VARVE_TRY(protect.match, ParsePredicate(text, value.at));
      matched = true;
    }
    return OkStatus();
  };
  VARVE_CHECK_OK(EachField(node, "a protection", {"name", "match", "until", "reason"}, take));
  if (protect.name.empty() || protect.name.size() > 200)
    return At(node.at, "a protection needs a name");
  if (!matched) return At(node.at, "protection '" + protect.name + "' has no match");
  return protect;
}

}  // namespace

Result<PolicySet> PoliciesOf(const Document& document) {
  PolicySet set;
  const auto take = [&](const std::string& key, const Document& value) {
    return EachItem(value, [&](const Document& item) -> Status {
      if (key == "policies") {
        VARVE_TRY(Policy policy, PolicyOf(item));
        set.policies.push_back(std::move(policy));
      } else {
        VARVE_TRY(Protect protect, ProtectOf(item));
        set.protects.push_back(std::move(protect));
      }
      return OkStatus();
    });
  };
  VARVE_CHECK_OK(EachField(document, "the document", {"policies", "protect"}, take));
  VARVE_CHECK_OK(CheckPolicies(set));
  return set;
}

}  // namespace varve::plan
