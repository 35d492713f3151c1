// The header of a safetensors file: a foreign format, read as hostile and written as its reference
// implementation writes it. https://github.com/huggingface/safetensors, "Format".
//
// A file is the length of the header (u64), the header (a JSON object of tensors, and at most one
// "__metadata__" of texts), and the data that the tensors cover without hole or overlap.
// Element types smaller than a byte are packed: 2 of F4 in a byte, 4 of F6 in 3 bytes; here the
// last dimension counts those groups (kF4E2M1X2, kF6E2M3X4), in the file it counts elements.
// Pure. Errors: kInvalidArgument naming the tensor; kUnsupported for what one side cannot express.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "varve/base/bytes.h"
#include "varve/codec/dtype.h"
#include "varve/result.h"

namespace varve::format {

inline constexpr uint64_t kSafetensorsHeaderBytesMax = 100'000'000;  // The format's own limit.

struct SafetensorsRow {
  std::string name;
  codec::DType dtype = codec::DType::kU8;
  std::vector<uint64_t> shape;
  uint64_t offset = 0, bytes = 0;  // In the file.
};
struct Safetensors {
  std::map<std::string, std::string> metadata;
  std::vector<SafetensorsRow> tensors;  // Ascending by offset when decoded.
};

// `front`: the file's first bytes, at least up to the end of the header; `file_bytes`: all of it.
Result<Safetensors> DecodeSafetensors(ByteView front, uint64_t file_bytes);
inline Result<Safetensors> DecodeSafetensors(ByteView file) {
  return DecodeSafetensors(file, file.size());
}

struct SafetensorsLayout {
  Bytes header;  // The file's first bytes, a multiple of 8.
  uint64_t file_bytes = 0;
};
// Decides where each tensor lies, largest elements first, so that all are aligned; sets offset and
// bytes of `content.tensors`, whose order stays.
Result<SafetensorsLayout> LayOutSafetensors(Safetensors& content);

}  // namespace varve::format
