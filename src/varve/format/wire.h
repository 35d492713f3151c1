// Little-endian numbers, length-prefixed strings and columns: how binary sections are written and
// how hostile ones are read. A Reader never goes past its view; after the first violation every
// read gives zero and `failed()` stays true, so that a decoder checks once per record, before it
// trusts a count. Pure.
#pragma once

#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

#include "varve/base/bytes.h"

namespace varve::format {

class Writer {
 public:
  void Raw(ByteView bytes) { out_.insert(out_.end(), bytes.begin(), bytes.end()); }
  void U8(uint8_t value) { out_.push_back(static_cast<std::byte>(value)); }
  void U16(uint16_t value) { Number(value, 2); }
  void U32(uint32_t value) { Number(value, 4); }
  void U64(uint64_t value) { Number(value, 8); }
  void F64(double value) {
    uint64_t bits = 0;
    std::memcpy(&bits, &value, sizeof bits);
    U64(bits);
  }
  void Text(std::string_view text) {
    U32(static_cast<uint32_t>(text.size()));
    Raw(AsBytes(text));
  }
  size_t size() const { return out_.size(); }
  Bytes Take() { return std::move(out_); }
  ByteView view() const { return out_; }

 private:
  void Number(uint64_t value, size_t bytes) {
    for (size_t i = 0; i < bytes; ++i) out_.push_back(static_cast<std::byte>(value >> (8 * i)));
  }
  Bytes out_;
};

class Reader {
 public:
  explicit Reader(ByteView view) : view_(view) {}
  ByteView Raw(uint64_t bytes) {
    if (failed_ || view_.size() - at_ < bytes) {
      failed_ = true;
      return {};
    }
    const ByteView piece = view_.subspan(at_, bytes);
    at_ += bytes;
    return piece;
  }
  uint8_t U8() { return static_cast<uint8_t>(Number(1)); }
  uint16_t U16() { return static_cast<uint16_t>(Number(2)); }
  uint32_t U32() { return static_cast<uint32_t>(Number(4)); }
  uint64_t U64() { return Number(8); }
  double F64() {
    const uint64_t bits = U64();
    double value = 0;
    std::memcpy(&value, &bits, sizeof value);
    return value;
  }
  std::string Text(uint64_t bytes_max) {
    const uint32_t bytes = U32();
    if (bytes > bytes_max) failed_ = true;
    return std::string(AsText(Raw(bytes)));
  }
  // A count of records of at least `record_bytes_min` each: never more than could follow.
  uint64_t Count(uint64_t count_max, uint64_t record_bytes_min) {
    const uint64_t count = U64();
    if (count > count_max || count > left() / record_bytes_min) failed_ = true;
    return failed_ ? 0 : count;
  }
  uint64_t left() const { return view_.size() - at_; }
  size_t offset() const { return at_; }
  bool failed() const { return failed_; }
  bool AtEnd() const { return !failed_ && at_ == view_.size(); }
  void Fail() { failed_ = true; }

 private:
  uint64_t Number(uint64_t bytes) {
    const ByteView piece = Raw(bytes);
    uint64_t value = 0;
    for (size_t i = 0; i < piece.size(); ++i) value |= static_cast<uint64_t>(piece[i]) << (8 * i);
    return value;
  }
  ByteView view_;
  size_t at_ = 0;
  bool failed_ = false;
};

}  // namespace varve::format
