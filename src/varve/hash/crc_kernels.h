// The table versions of the checksums, for processors without the instructions; the fast versions
// are tested against them. Private to hash/. Both take and give the register, not the checksum: the
// caller inverts before and after. Pure.
#pragma once

#include <cstdint>

#include "varve/base/bytes.h"

namespace varve::hash {

uint32_t Crc32cByTable(uint32_t state, ByteView bytes);
uint64_t Crc64NvmeByTable(uint64_t state, ByteView bytes);

}  // namespace varve::hash
