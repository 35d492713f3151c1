// What the headers of an object's reply say, and whether they can be believed. Pure.
#pragma once

#include <cstdint>
#include <optional>

#include "varve/http/transport.h"
#include "varve/store/object_store.h"

namespace varve::store {

inline constexpr char kBadEtag[] = "the store's answer has no usable etag";

ObjectInfo InfoOf(const http::Reply& reply);  // Without `bytes`.

// Else a body that was cut short looks whole.
bool EndIsKnown(const http::Reply& reply);

struct ContentRange {
  uint64_t first = 0, last = 0, total = 0;
};
std::optional<ContentRange> RangeOf(const http::Reply& reply);  // "bytes 0-9/10", and it fits.

}  // namespace varve::store
