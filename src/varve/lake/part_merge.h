// Makes one save of the parts of its ranks, or says which ranks do not fit together. Pure; private
// to lake/.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "varve/format/part.h"

namespace varve::lake {

struct MergedSave {
  format::Commit commit;             // Without chunks and packs; its header is rank 0's.
  std::vector<hash::Digest> chunks;  // What the ordinals of its items mean.
  uint64_t base_epoch = 0;           // The oldest of all.
  uint64_t versions_before = 0;      // The version of this save has a greater number.
  uint64_t stored_bytes = 0, shared_bytes = 0, objects_written = 0;
  std::vector<hash::Digest> named_parents;
  std::vector<std::string> aliases;
};

// Every rank must be there once, of one save of `artifact`. A tensor is whole in every part that
// names it, with one digest; or its slabs cover it, and slabs of equal rows have one digest. Files
// as whole tensors. The result depends on what the parts say alone, not on their order.
// Errors: kInvalidArgument, naming what is missing or does not fit; kConflict: two ranks wrote
// different bytes for one name.
Result<MergedSave> MergeParts(std::string_view artifact, std::vector<format::Part> parts);

}  // namespace varve::lake
