#include "varve/cli/prices.h"

#include "varve/cli/document.h"
#include "varve/cli/prices_data.h"

namespace varve::cli {
namespace {

constexpr size_t kPriceFileBytesMax = 4 << 20;

Result<plan::PriceTable> Read(const std::string& text, const std::string& name) {
  auto document = ReadDocument(text);
  if (!document.ok()) return std::move(document.error().Prefix(name));
  auto table = plan::PricesOf(*document);
  if (!table.ok()) return std::move(table.error().Prefix(name));
  return table;
}

}  // namespace

Result<plan::PriceTable> LoadPrices(const std::string& file) {
  VARVE_TRY(plan::PriceTable shipped, Read(kPricesYaml, "prices/prices.yaml"));
  if (file.empty()) return shipped;
  VARVE_TRY(const std::string text, ReadLocalFile(file, kPriceFileBytesMax));
  VARVE_TRY(const plan::PriceTable own, Read(text, file));
  return plan::Merged(std::move(shipped), own);
}

}  // namespace varve::cli
