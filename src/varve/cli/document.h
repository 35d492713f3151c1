// YAML and JSON files that people write, as documents with a place for every node. JSON is read as
// the YAML it is. Anchors, aliases, tags and several documents in one file are refused: nothing
// here needs them, and an alias can make a small file endless.
#pragma once

#include <string>

#include "varve/plan/retention_document.h"
#include "varve/result.h"

namespace varve::cli {

// kInvalidArgument, beginning with "line:column: ".
Result<plan::Document> ReadDocument(const std::string& text);

// The whole of a local file of at most `bytes_max`. kNotFound, kInvalidArgument.
Result<std::string> ReadLocalFile(const std::string& path, size_t bytes_max);

// A policy file in any of its forms: text, or a document when it begins as one.
Result<plan::PolicySet> ReadPolicyFile(const std::string& path);

}  // namespace varve::cli
