// MD5, only for the Content-MD5 that S3's multi-object delete demands; it identifies nothing. Pure.
#pragma once

#include <array>

#include "varve/base/bytes.h"

namespace varve::store {

std::array<std::byte, 16> Md5(ByteView bytes);

}  // namespace varve::store
