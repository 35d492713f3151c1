// What one rank of a save by several wrote: its share of the tables, until a join makes one commit
// object of all of them (docs/format.md, Part; docs/adr/0032).
//
// An envelope with two sections: what the join must know, and an ordinary commit object, the
// rank's, so that every check of its bytes is DecodeCommit's. A tensor of it is whole, or a slab:
// rows from `first_row` on of one that other ranks hold too. No head ever names a part.
// Invariants checked by DecodePart: those of the commit; it says which artifact it is of, and let
// nothing go; rank < ranks; slabs ascend by tensor and lie inside of their global shape; aliases
// are labels, ascending. Pure.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "varve/format/commit.h"

namespace varve::format {

inline constexpr uint32_t kRanksMax = 65'536;        // Of one save.
inline constexpr uint32_t kPartAliasesMax = 1024;    // As many as a head has.
inline constexpr size_t kSaveIdTextBytesMax = 1024;  // Of what its caller calls a save.

struct Slab {
  uint32_t tensor = 0;                 // Ordinal into the commit's; its shape is the slab's own.
  uint64_t first_row = 0;              // Along dimension 0.
  std::vector<uint64_t> global_shape;  // Equal to the slab's but for dimension 0.
};

struct Part {
  uint32_t rank = 0, ranks = 1;
  uint64_t base_epoch = 0;  // Of the collector, from before the rank learned of any object.
  uint64_t stored_bytes = 0, shared_bytes = 0, objects_written = 0;  // By this rank.
  uint32_t named_parents = 0;  // Bit i: the save named the parent i itself.
  std::vector<std::string> aliases;
  std::vector<Slab> slabs;
  // Its save id is the same in all parts of a save. Its origin says whose version it will be, and
  // the least number that it can get.
  Commit commit;
};

Result<Bytes> EncodePart(const Part& part);
Result<Part> DecodePart(ByteView object);

// What all ranks of a save write for the name that its caller gave it.
std::array<std::byte, 16> SaveIdOf(std::string_view artifact, std::string_view text);

}  // namespace varve::format
