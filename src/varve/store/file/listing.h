// Keys in byte order out of a folder tree, a page at a time. Private to store/file.
#pragma once

#include <string>
#include <string_view>

#include "varve/store/object_store.h"

namespace varve::store {

// The first `page_max` keys below `root` that start with `prefix` and come after `token`, skipping
// the folders `is_private` names. Reads only folders that can hold such keys. Symbolic links are
// an error (kUnsupported): what they hide would be missing silently.
Result<ListPage> ListFolder(const OpContext& ctx, const std::string& root, std::string_view prefix,
                            const std::string& token, size_t page_max,
                            bool (*is_private)(std::string_view key));

}  // namespace varve::store
