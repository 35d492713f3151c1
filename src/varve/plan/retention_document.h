// Policies written as a document, which is how YAML and JSON say them (docs/retention.md). The
// leaves are sentences of the language, so that there is one grammar and one tree. Pure.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "varve/plan/retention_policy.h"

namespace varve::plan {

inline constexpr size_t kDocumentDepthMax = 8;
inline constexpr size_t kDocumentNodesMax = 20'000;

struct DocumentField;

// One node of a document, with the place where it begins. Readers of YAML and JSON make it.
struct Document {
  enum class Kind : uint8_t { kText, kList, kMap };
  Kind kind = Kind::kText;
  Position at;
  std::string text;                   // Of kText.
  std::vector<Document> items;        // Of kList.
  std::vector<DocumentField> fields;  // Of kMap, in order.
};
struct DocumentField {
  DocumentField(Document of_key, Document of_value)
      : key(std::move(of_key)), value(std::move(of_value)) {}
  Document key, value;
};

// {"policies": [{"name", "match", "group by", "order by", "keep": [..], "tier": [..],
// "cap": [..], "floor", "grace", "limit"}],
//  "protect": [{"name", "match", "until", "reason"}]}. Errors as ParsePolicies gives them.
Result<PolicySet> PoliciesOf(const Document& document);

}  // namespace varve::plan
