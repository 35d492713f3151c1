// The promises of object_store.h as one suite that every store runs; a store joins by calling
// RunConformance from its own test with a factory of empty stores. Built on GoogleTest.
#pragma once

#include <functional>
#include <memory>

#include "varve/store/object_store.h"

namespace varve::store {

void RunConformance(const std::function<std::shared_ptr<ObjectStore>()>& make_empty);

}  // namespace varve::store
