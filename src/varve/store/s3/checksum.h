// Checksums of bodies as S3's headers carry them. Pure.
#pragma once

#include <optional>
#include <span>
#include <string>

#include "varve/base/bytes.h"
#include "varve/http/transport.h"
#include "varve/store/object_store.h"
#include "varve/store/s3/config.h"

namespace varve::store {

struct Sum {
  Checksum kind = Checksum::kNone;
  std::string value;  // In base64.
};
Sum SumOf(Checksum kind, ByteView body);

const char* SumHeader(Checksum kind);   // "x-amz-checksum-crc64nvme", "content-md5"; "" for none.
const char* SumElement(Checksum kind);  // "ChecksumCRC64NVME"; "" where XML has none.
const char* SumName(Checksum kind);     // "CRC64NVME"; "" where an upload cannot name it.

// What a reply says of the bytes it is about. Absent also when the value has not the size of its
// kind: some servers put another checksum under the name. Composite values say nothing of a body.
enum class SumVerdict { kAbsent, kEqual, kDiffers };
SumVerdict CompareSum(const http::Reply& reply, const Sum& sent);
SumVerdict CompareBody(const http::Reply& reply, ByteView body);  // By whichever kind is there.

// PartReply::checksum: the kind and the value as one text.
std::string PartChecksum(const Sum& sum);
std::optional<Sum> FromPartChecksum(const std::string& text);

// The checksum of the whole object from those of its parts; nothing unless all have CRC64NVME.
std::optional<Sum> WholeSum(std::span<const PartReply> parts);

}  // namespace varve::store
