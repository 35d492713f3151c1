// A time that a person typed for an option, in the words of the retention language ("36h").
#pragma once

#include <cstdint>
#include <string>

#include "varve/result.h"

namespace varve::cli {

Result<int64_t> DurationMs(const std::string& option, const std::string& text);
std::string Who();  // "user@host", as written into pins, holds and tombstones; for people.

}  // namespace varve::cli
