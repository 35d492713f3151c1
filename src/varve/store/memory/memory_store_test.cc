// Goal: the memory store keeps the promises of the seam. Method: the conformance suite.
#include "varve/store/memory/memory_store.h"

#include <gtest/gtest.h>

#include "varve/store/conformance/conformance.h"

namespace varve::store {
namespace {

TEST(MemoryStore, Conformance) {
  RunConformance([] { return std::make_shared<MemoryStore>(); });
}

}  // namespace
}  // namespace varve::store
