// What the lifecycle rules of a bucket would do to the objects below a prefix. Pure.
#pragma once

#include <string>
#include <string_view>

namespace varve::store {

struct LifecycleEffect {
  std::string expires;  // The id of a rule that deletes current objects of the lake; or empty.
  std::string moves;    // The id of one that moves them to another storage class; or empty.
  bool aborts_uploads = false;
  bool expires_noncurrent = false;
  bool readable = false;  // The answer was a lifecycle configuration.
};

// A rule counts when its prefix and `prefix` have objects in common, whatever else its filter asks:
// tags and sizes may match any object. `xml` is the answer to GET ?lifecycle.
LifecycleEffect EffectOfLifecycle(std::string_view xml, const std::string& prefix);

}  // namespace varve::store
