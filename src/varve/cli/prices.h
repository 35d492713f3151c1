// The prices that estimates use: those shipped with the command, with a file of yours over them.
#pragma once

#include <string>

#include "varve/plan/price.h"
#include "varve/result.h"

namespace varve::cli {

// `file`: empty, or in the form of prices/prices.yaml. Errors name the file, line and column.
Result<plan::PriceTable> LoadPrices(const std::string& file);

}  // namespace varve::cli
