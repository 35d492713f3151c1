#include "varve/codec/codec.h"

#include <algorithm>
#include <cassert>
#include <cstring>
#include <string>
#include <vector>

#include "varve/codec/bitpack.h"
#include "varve/codec/entropy.h"
#include "varve/codec/planes.h"

namespace varve::codec {
namespace {

constexpr size_t kSampleBytes = kSampleBytesMax;
constexpr double kWorthBits = 7.8;       // A plane with more entropy than this stays raw.
constexpr size_t kChunkHeaderBytes = 8;  // Element bytes, flags, zero, frame bytes.
constexpr uint8_t kFlagRotated = 1;

// In the format and append-only (docs/format-codec.md). kHuffman and kZstd decode alike.
enum class PlaneMode : uint8_t { kRaw = 0, kConstant = 1, kHuffman = 2, kZstd = 3, kBits = 4 };
constexpr size_t kBitsHeaderBytes = 2;  // Range, constant bits.
constexpr double kBitsSlack = 0.25;     // Packing bits may cost so many more bits than coding them.
constexpr size_t kPlaneHeaderBytes = 4;  // Mode in the top byte of a length, little-endian.

void Store32(std::byte* at, uint64_t value) {
  for (size_t i = 0; i < 4; ++i) at[i] = static_cast<std::byte>(value >> (8 * i));
}
uint32_t Load32(const std::byte* at) {
  uint32_t value = 0;
  for (size_t i = 0; i < 4; ++i) value |= static_cast<uint32_t>(at[i]) << (8 * i);
  return value;
}

struct Shape {
  uint32_t element_bytes = 1;
  bool rotate = false;
};

Shape ShapeOf(DType dtype) {
  switch (dtype) {
    case DType::kF16:
    case DType::kBf16:
      return {2, true};
    case DType::kF32:
      return {4, true};
    case DType::kF64:
      return {8, true};
    case DType::kC32:
      return {2, true};
    case DType::kC64:
      return {4, true};
    case DType::kC128:
      return {8, true};
    case DType::kU16:
    case DType::kI16:
      return {2, false};
    case DType::kU32:
    case DType::kI32:
      return {4, false};
    case DType::kU64:
    case DType::kI64:
      return {8, false};
    case DType::kU8:
    case DType::kI8:
    case DType::kBool:
    case DType::kF8E4M3FN:
    case DType::kF8E5M2:
    case DType::kF8E4M3FNUZ:
    case DType::kF8E5M2FNUZ:
    case DType::kF8E8M0FNU:
    case DType::kF4E2M1X2:
    case DType::kF6E2M3X4:
    case DType::kF6E3M2X4:
      return {1, false};
  }
  return {1, false};
}

// Bytes from all over `plane`, so that one odd region does not decide.
size_t Sample(ByteView plane, std::byte* sample) {
  if (plane.size() <= kSampleBytes) {
    std::copy(plane.begin(), plane.end(), sample);
    return plane.size();
  }
  constexpr size_t kRuns = 8, kRunBytes = kSampleBytes / kRuns;
  for (size_t run = 0; run < kRuns; ++run) {
    const size_t at = (plane.size() - kRunBytes) * run / (kRuns - 1);
    std::memcpy(sample + run * kRunBytes, plane.data() + at, kRunBytes);
  }
  return kSampleBytes;
}

// Appends one plane at `out`; returns its length, or 0 when it does not fit.
size_t PutPlane(ByteView plane, bool try_matches, MutableByteView out) {
  if (out.size() < kPlaneHeaderBytes + 1) return 0;
  const MutableByteView body = out.subspan(kPlaneHeaderBytes);
  const auto finish = [&](PlaneMode mode, size_t length) {
    Store32(out.data(), length | uint64_t{static_cast<uint8_t>(mode)} << 24);
    return kPlaneHeaderBytes + length;
  };
  std::byte room_for_sample[kSampleBytes];
  const ByteView sample(room_for_sample, Sample(plane, room_for_sample));
  // The whole plane is read only where the sample leaves something to find.
  uint8_t varying = VaryingBits(sample);
  if ((varying & 0x81) != 0x81) varying = VaryingBits(plane);
  if (varying == 0) {
    body[0] = plane[0];
    return finish(PlaneMode::kConstant, 1);
  }
  const BitRange range = RangeOf(varying);
  const double bits = EntropyBits(sample);
  if (!try_matches && range.width < 8 && bits > range.width - kBitsSlack) {
    const size_t length = kBitsHeaderBytes + PackedBytes(plane.size(), range.width);
    if (length < plane.size() && length <= body.size()) {
      body[0] = static_cast<std::byte>(range.shift | range.width << 4);
      body[1] = plane[0] & static_cast<std::byte>(~range.Mask());
      PackBits(plane, range, body.subspan(kBitsHeaderBytes, length - kBitsHeaderBytes));
      return finish(PlaneMode::kBits, length);
    }
  }
  if (bits < kWorthBits || try_matches) {
    const PlaneMode mode = try_matches ? PlaneMode::kZstd : PlaneMode::kHuffman;
    const size_t length = try_matches ? ZstdEncode(plane, body) : HuffmanEncode(plane, body);
    if (length != 0) return finish(mode, length);
  }
  if (body.size() < plane.size()) return 0;
  std::memcpy(body.data(), plane.data(), plane.size());
  return finish(PlaneMode::kRaw, plane.size());
}

struct Plan {
  Shape shape;
  size_t frame_bytes = 0;
  bool try_matches = false;  // General compression of each plane rather than Huffman alone.
};

// True when some plane of a sample of `raw` is worth coding.
bool Worthwhile(ByteView raw, const Plan& plan) {
  std::byte sample[kSampleBytes * kPlanesMax], planes[kSampleBytes * kPlanesMax];
  std::byte packed[kSampleBytes];
  const size_t elements = std::min(raw.size() / plan.shape.element_bytes, kSampleBytes);
  if (elements == 0) return false;
  // Whole elements from the front, the middle and the end.
  const size_t third = std::max<size_t>(elements / 3, 1) * plan.shape.element_bytes;
  size_t taken = 0;
  for (const size_t start : {size_t{0}, raw.size() / 2 / 16 * 16, raw.size() - third}) {
    const size_t bytes =
        std::min(third, raw.size() - start) / plan.shape.element_bytes * plan.shape.element_bytes;
    std::memcpy(sample + taken, raw.data() + start, bytes);
    taken += bytes;
  }
  SplitPlanes({sample, taken}, plan.shape.element_bytes, plan.shape.rotate, planes);
  const size_t plane_bytes = taken / plan.shape.element_bytes;
  for (size_t k = 0; k < plan.shape.element_bytes; ++k) {
    const ByteView plane(planes + k * plane_bytes, plane_bytes);
    if (EntropyBits(plane) < kWorthBits - 0.3) return true;
    if (plan.try_matches && ZstdEncode(plane, {packed, plane_bytes * 15 / 16}) != 0) return true;
  }
  return false;
}

size_t PutFrame(ByteView raw, const Plan& plan, MutableByteView out, std::byte* scratch) {
  SplitPlanes(raw, plan.shape.element_bytes, plan.shape.rotate, scratch);
  const size_t plane_bytes = raw.size() / plan.shape.element_bytes;
  size_t used = 0;
  for (size_t k = 0; k < plan.shape.element_bytes; ++k) {
    const size_t length =
        PutPlane({scratch + k * plane_bytes, plane_bytes}, plan.try_matches, out.subspan(used));
    if (length == 0) return 0;
    used += length;
  }
  return used;
}

// Indices, masks, scales and bytes repeat; floats of trained weights do not.
bool IsFloat8(DType dtype) {
  return dtype == DType::kF8E4M3FN || dtype == DType::kF8E5M2 || dtype == DType::kF8E4M3FNUZ ||
         dtype == DType::kF8E5M2FNUZ;
}

Plan PlanFor(ElementKind kind) {
  Plan plan;
  if (!kind.is_tensor) {
    plan.frame_bytes = kOpaqueFrameBytes;
    plan.try_matches = true;
    return plan;
  }
  plan.shape = ShapeOf(kind.dtype);
  plan.frame_bytes = size_t{kFrameElements} * plan.shape.element_bytes;
  plan.try_matches = !plan.shape.rotate && !IsFloat8(kind.dtype);
  return plan;
}

Error Damaged(size_t offset, const char* what) {
  return Error(ErrorCode::kCorrupt,
               std::string("payload ") + what + ". offset=" + std::to_string(offset));
}

bool GetBits(ByteView body, MutableByteView plane) {
  if (body.size() < kBitsHeaderBytes) return false;
  const auto header = static_cast<uint32_t>(body[0]);
  const BitRange range{header & 15, header >> 4};
  if (range.width < 1 || range.width > 7 || range.shift + range.width > 8) return false;
  const auto constant = static_cast<uint8_t>(body[1]);
  if ((constant & range.Mask()) != 0) return false;
  if (body.size() != kBitsHeaderBytes + PackedBytes(plane.size(), range.width)) return false;
  UnpackBits(body.subspan(kBitsHeaderBytes), range, constant, plane);
  return true;
}

// Points planes[k] into the payload, or into `scratch` for those that must be decoded.
Status GetFrame(ByteView frame, size_t offset, uint32_t element_bytes, bool rotate,
                MutableByteView raw, std::byte* scratch) {
  const size_t plane_bytes = raw.size() / element_bytes;
  const std::byte* planes[kPlanesMax] = {};
  size_t at = 0;
  for (size_t k = 0; k < element_bytes; ++k) {
    if (frame.size() - at < kPlaneHeaderBytes) return Damaged(offset + at, "ends inside a frame");
    const uint32_t header = Load32(frame.data() + at);
    const size_t length = header & 0xFFFFFF;
    const auto mode = static_cast<PlaneMode>(header >> 24);
    at += kPlaneHeaderBytes;
    if (frame.size() - at < length) return Damaged(offset + at, "has a plane beyond its frame");
    const ByteView body = frame.subspan(at, length);
    at += length;
    std::byte* const place = scratch + k * plane_bytes;
    switch (mode) {
      case PlaneMode::kRaw:
        if (length != plane_bytes)
          return Damaged(offset + at, "has a raw plane of the wrong length");
        planes[k] = body.data();
        break;
      case PlaneMode::kConstant:
        if (length != 1) return Damaged(offset + at, "has a constant plane of the wrong length");
        std::memset(place, static_cast<int>(body[0]), plane_bytes);
        planes[k] = place;
        break;
      case PlaneMode::kHuffman:
      case PlaneMode::kZstd:
        if (!ZstdDecode(body, {place, plane_bytes})) {
          return Damaged(offset + at, "has a plane that does not decode");
        }
        planes[k] = place;
        break;
      case PlaneMode::kBits:
        if (!GetBits(body, {place, plane_bytes})) {
          return Damaged(offset + at, "has packed bits of the wrong shape");
        }
        planes[k] = place;
        break;
      default:
        return Damaged(offset + at, "has a plane of an unknown mode");
    }
  }
  if (at != frame.size()) return Damaged(offset + at, "has bytes after its planes");
  MergePlanes(planes, element_bytes, rotate, raw);
  return OkStatus();
}

std::byte* Scratch(size_t bytes) {
  thread_local std::vector<std::byte> scratch;
  if (scratch.size() < bytes) scratch.resize(bytes);
  return scratch.data();
}

}  // namespace

uint64_t PayloadBytesMax(uint64_t raw_bytes) { return raw_bytes; }

Encoded EncodeChunk(ByteView raw, ElementKind kind, Effort effort, MutableByteView out) {
  assert(raw.size() <= kChunkRawBytesMax && out.size() >= raw.size());
  const auto stay_raw = [&] {
    std::copy(raw.begin(), raw.end(), out.begin());
    return Encoded{CodecId::kRaw, raw.size()};
  };
  const Plan plan = PlanFor(kind);
  const size_t frames = (raw.size() + plan.frame_bytes - 1) / plan.frame_bytes;
  const size_t table_bytes = kChunkHeaderBytes + 4 * frames;
  if (effort == Effort::kNone || raw.size() <= table_bytes ||
      raw.size() % plan.shape.element_bytes != 0 || !Worthwhile(raw, plan)) {
    return stay_raw();
  }
  out[0] = static_cast<std::byte>(plan.shape.element_bytes);
  out[1] = static_cast<std::byte>(plan.shape.rotate ? kFlagRotated : 0);
  out[2] = out[3] = std::byte{0};
  Store32(out.data() + 4, plan.frame_bytes);
  std::byte* const scratch = Scratch(plan.frame_bytes);
  const MutableByteView room = out.first(raw.size() - 1);  // Anything longer is stored raw.
  size_t used = table_bytes;
  for (size_t i = 0; i < frames; ++i) {
    const ByteView frame = raw.subspan(
        i * plan.frame_bytes, std::min(plan.frame_bytes, raw.size() - i * plan.frame_bytes));
    if (used >= room.size()) return stay_raw();
    const size_t length = PutFrame(frame, plan, room.subspan(used), scratch);
    if (length == 0) return stay_raw();
    Store32(out.data() + kChunkHeaderBytes + 4 * i, length);
    used += length;
  }
  return {kind.is_tensor ? CodecId::kPlanes : CodecId::kZstd, used};
}

namespace {

// What stands before the frames of a coded payload.
struct FrameTable {
  uint32_t element_bytes = 1;
  bool rotate = false;
  size_t frame_bytes = 0, frames = 0, end = 0;
};

Result<FrameTable> ReadFrameTable(CodecId codec, ByteView payload, uint64_t raw_bytes) {
  if (codec != CodecId::kPlanes && codec != CodecId::kZstd) {
    return Error(ErrorCode::kUnsupported, "this release does not know codec " +
                                              std::to_string(static_cast<int>(codec)) +
                                              "; upgrade varve");
  }
  if (payload.size() < kChunkHeaderBytes) return Damaged(0, "ends inside its header");
  FrameTable table;
  table.element_bytes = static_cast<uint32_t>(payload[0]);
  const auto flags = static_cast<uint8_t>(payload[1]);
  table.rotate = (flags & kFlagRotated) != 0;
  table.frame_bytes = Load32(payload.data() + 4);
  const uint32_t element_bytes = table.element_bytes;
  if ((element_bytes != 1 && element_bytes != 2 && element_bytes != 4 && element_bytes != 8) ||
      flags > kFlagRotated || payload[2] != std::byte{0} || payload[3] != std::byte{0} ||
      table.frame_bytes == 0 || table.frame_bytes > kChunkRawBytesMax ||
      table.frame_bytes % element_bytes != 0 || raw_bytes % element_bytes != 0) {
    return Damaged(0, "has an impossible header");
  }
  table.frames = (raw_bytes + table.frame_bytes - 1) / table.frame_bytes;
  table.end = kChunkHeaderBytes + 4 * table.frames;
  if (payload.size() < table.end) return Damaged(kChunkHeaderBytes, "ends inside its frame table");
  return table;
}

// Decodes frame after frame into the places that `place(offset, bytes)` gives, and tells `done` of
// each.
template <typename Place, typename Done>
Status DecodeFrames(const FrameTable& table, ByteView payload, uint64_t raw_bytes,
                    std::byte* scratch, const Place& place, const Done& done) {
  size_t at = table.end;
  for (size_t i = 0; i < table.frames; ++i) {
    const size_t length = Load32(payload.data() + kChunkHeaderBytes + 4 * i);
    if (payload.size() - at < length) return Damaged(at, "has a frame beyond its end");
    const size_t offset = i * table.frame_bytes;
    const MutableByteView frame =
        place(offset, std::min<size_t>(table.frame_bytes, raw_bytes - offset));
    VARVE_CHECK_OK(GetFrame(payload.subspan(at, length), at, table.element_bytes, table.rotate,
                            frame, scratch));
    done(ByteView(frame));
    at += length;
  }
  if (at != payload.size()) return Damaged(at, "has bytes after its frames");
  return OkStatus();
}

}  // namespace

Status DecodeChunk(CodecId codec, ByteView payload, MutableByteView raw) {
  if (raw.size() > kChunkRawBytesMax) return Damaged(0, "states a chunk above the limit");
  if (codec == CodecId::kRaw) {
    if (payload.size() != raw.size()) return Damaged(0, "has the wrong length");
    std::copy(payload.begin(), payload.end(), raw.begin());
    return OkStatus();
  }
  VARVE_TRY(const FrameTable table, ReadFrameTable(codec, payload, raw.size()));
  return DecodeFrames(
      table, payload, raw.size(), Scratch(std::min<size_t>(table.frame_bytes, raw.size())),
      [&](size_t offset, size_t bytes) { return raw.subspan(offset, bytes); }, [](ByteView) {});
}

Result<hash::Digest> DigestOfDecoded(CodecId codec, ByteView payload, uint64_t raw_bytes) {
  if (raw_bytes > kChunkRawBytesMax) return Damaged(0, "states a chunk above the limit");
  if (codec == CodecId::kRaw) {
    if (payload.size() != raw_bytes) return Damaged(0, "has the wrong length");
    return hash::Blake3Of(payload);
  }
  VARVE_TRY(const FrameTable table, ReadFrameTable(codec, payload, raw_bytes));
  const size_t frame_bytes = std::min<size_t>(table.frame_bytes, raw_bytes);
  std::byte* const scratch = Scratch(2 * frame_bytes);  // Planes, then the frame.
  hash::Blake3 hasher;
  VARVE_CHECK_OK(DecodeFrames(
      table, payload, raw_bytes, scratch,
      [&](size_t, size_t bytes) { return MutableByteView(scratch + frame_bytes, bytes); },
      [&](ByteView frame) { hasher.Update(frame); }));
  return hasher.Finish();
}

}  // namespace varve::codec
