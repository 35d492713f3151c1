#include "varve/store/s3/checksum.h"

#include <array>

#include "varve/hash/hash.h"
#include "varve/store/s3/encoding.h"
#include "varve/store/s3/md5.h"

namespace varve::store {
namespace {

template <size_t kBytes>
std::string BigEndian(uint64_t value) {
  std::array<std::byte, kBytes> bytes;
  for (size_t i = 0; i < kBytes; ++i)
    bytes[i] = static_cast<std::byte>(value >> (8 * (kBytes - 1 - i)));
  return hash::ToBase64(bytes);
}

size_t SumBytes(Checksum kind) { return kind == Checksum::kCrc64Nvme ? 8 : 4; }

bool IsSum(Checksum kind, const std::string& value) {
  const auto decoded = DecodeBase64(value);
  return decoded.has_value() && decoded->size() == SumBytes(kind);
}

}  // namespace

Sum SumOf(Checksum kind, ByteView body) {
  switch (kind) {
    case Checksum::kCrc64Nvme:
      return {kind, BigEndian<8>(hash::Crc64Nvme(body))};
    case Checksum::kCrc32c:
      return {kind, BigEndian<4>(hash::Crc32c(body))};
    case Checksum::kMd5:
      return {kind, hash::ToBase64(Md5(body))};
    case Checksum::kNone:
      break;
  }
  return {};
}

const char* SumHeader(Checksum kind) {
  switch (kind) {
    case Checksum::kCrc64Nvme:
      return "x-amz-checksum-crc64nvme";
    case Checksum::kCrc32c:
      return "x-amz-checksum-crc32c";
    case Checksum::kMd5:
      return "content-md5";
    case Checksum::kNone:
      break;
  }
  return "";
}

const char* SumElement(Checksum kind) {
  return kind == Checksum::kCrc64Nvme ? "ChecksumCRC64NVME"
         : kind == Checksum::kCrc32c  ? "ChecksumCRC32C"
                                      : "";
}

const char* SumName(Checksum kind) {
  return kind == Checksum::kCrc64Nvme ? "CRC64NVME" : kind == Checksum::kCrc32c ? "CRC32C" : "";
}

SumVerdict CompareSum(const http::Reply& reply, const Sum& sent) {
  if (*SumName(sent.kind) == '\0') return SumVerdict::kAbsent;  // Not sent, or never told back.
  const std::string told = reply.Header(SumHeader(sent.kind));
  if (!IsSum(sent.kind, told)) return SumVerdict::kAbsent;
  return told == sent.value ? SumVerdict::kEqual : SumVerdict::kDiffers;
}

SumVerdict CompareBody(const http::Reply& reply, ByteView body) {
  if (reply.Header("x-amz-checksum-type") == "COMPOSITE") return SumVerdict::kAbsent;
  for (const Checksum kind : {Checksum::kCrc64Nvme, Checksum::kCrc32c}) {
    if (IsSum(kind, reply.Header(SumHeader(kind)))) return CompareSum(reply, SumOf(kind, body));
  }
  return SumVerdict::kAbsent;
}

std::string PartChecksum(const Sum& sum) {
  return *SumName(sum.kind) == '\0' ? "" : std::string(SumName(sum.kind)) + ":" + sum.value;
}

std::optional<Sum> FromPartChecksum(const std::string& text) {
  for (const Checksum kind : {Checksum::kCrc64Nvme, Checksum::kCrc32c}) {
    const std::string name = std::string(SumName(kind)) + ":";
    if (text.starts_with(name) && IsSum(kind, text.substr(name.size())))
      return Sum{kind, text.substr(name.size())};
  }
  return std::nullopt;
}

std::optional<Sum> WholeSum(std::span<const PartReply> parts) {
  uint64_t whole = 0;
  for (const PartReply& part : parts) {
    const auto sum = FromPartChecksum(part.checksum);
    if (!sum.has_value() || sum->kind != Checksum::kCrc64Nvme) return std::nullopt;
    uint64_t value = 0;
    const auto decoded = DecodeBase64(sum->value);
    for (const char letter : *decoded) value = (value << 8) | static_cast<unsigned char>(letter);
    whole = hash::Crc64NvmeCombine(whole, value, part.bytes);
  }
  return Sum{Checksum::kCrc64Nvme, BigEndian<8>(whole)};
}

}  // namespace varve::store
