// From what a person types ("s3://bucket/prefix" or a folder) to a store ready for a lake: retries
// in front, request counts behind. Shared by the command line and the Python binding.
#pragma once

#include <memory>
#include <string>

#include "varve/result.h"
#include "varve/store/object_store.h"

namespace varve::cli {

// Errors: kInvalidArgument for an empty prefix or an unknown scheme.
Result<std::shared_ptr<store::ObjectStore>> OpenStore(const std::string& location);

}  // namespace varve::cli
