#include "varve/format/safetensors.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <numeric>
#include <optional>
#include <set>
#include <string_view>

#include "varve/format/commit.h"
#include "varve/format/names.h"

namespace varve::format {
namespace {

using Json = nlohmann::json;
using codec::DType;

constexpr size_t kLengthBytes = 8;
constexpr std::string_view kMetadataKey = "__metadata__";

struct TypeRow {
  std::string_view name;
  DType dtype;
  uint64_t group;  // Elements of the file in one of ours.
};
constexpr TypeRow kTypes[] = {
    {"BOOL", DType::kBool, 1},
    {"U8", DType::kU8, 1},
    {"I8", DType::kI8, 1},
    {"U16", DType::kU16, 1},
    {"I16", DType::kI16, 1},
    {"U32", DType::kU32, 1},
    {"I32", DType::kI32, 1},
    {"U64", DType::kU64, 1},
    {"I64", DType::kI64, 1},
    {"F16", DType::kF16, 1},
    {"BF16", DType::kBf16, 1},
    {"F32", DType::kF32, 1},
    {"F64", DType::kF64, 1},
    {"C64", DType::kC64, 1},
    {"F8_E4M3", DType::kF8E4M3FN, 1},
    {"F8_E5M2", DType::kF8E5M2, 1},
    {"F8_E8M0", DType::kF8E8M0FNU, 1},
    {"F8_E4M3FNUZ", DType::kF8E4M3FNUZ, 1},
    {"F8_E5M2FNUZ", DType::kF8E5M2FNUZ, 1},
    {"F4", DType::kF4E2M1X2, 2},
    {"F6_E2M3", DType::kF6E2M3X4, 4},
    {"F6_E3M2", DType::kF6E3M2X4, 4},
};

// A name of the file in a message: it may be long and hold anything that is UTF-8.
std::string Shown(std::string_view name) {
  constexpr size_t kShownBytes = 100;
  if (name.size() <= kShownBytes) return "'" + std::string(name) + "'";
  size_t end = kShownBytes;
  while ((static_cast<unsigned char>(name[end]) & 0xC0) == 0x80) --end;  // No half character.
  return "'" + std::string(name.substr(0, end)) + "...'";
}

Error Bad(const std::string& why) {
  return Error(ErrorCode::kInvalidArgument, "not a safetensors file: " + why);
}
Error BadTensor(std::string_view name, const std::string& why) {
  return Error(ErrorCode::kInvalidArgument, "safetensors tensor " + Shown(name) + ": " + why);
}

// Gathers the header while it is parsed, and stops at the first thing that does not belong. The
// parser keeps its own stack on the heap; nothing deeper than three levels is entered.
class HeaderReader final : public nlohmann::json_sax<Json> {
 public:
  std::map<std::string, std::string> metadata;
  std::vector<SafetensorsRow> rows;  // offset and bytes as written: begin and end.
  std::string why;

  bool null() override {
    // A file without metadata may say so.
    if (depth_ == 1 && in_metadata_) return true;
    return Refuse("null");
  }
  bool boolean(bool) override { return Refuse("a truth value"); }
  bool number_integer(number_integer_t) override { return Refuse("a negative number"); }
  bool number_float(number_float_t, const string_t&) override {
    return Refuse("a number that is not whole");
  }
  bool binary(binary_t&) override { return Refuse("binary data"); }

  bool number_unsigned(number_unsigned_t value) override {
    if (depth_ != 3) return Refuse("a number");
    if (field_ == "shape") {
      if (rows.back().shape.size() >= kDimsMax) return Refuse("more than 64 dimensions");
      rows.back().shape.push_back(value);
      return true;
    }
    if (offsets_ == 2) return Refuse("more than two offsets");
    (offsets_++ == 0 ? rows.back().offset : rows.back().bytes) = value;
    return true;
  }

  bool string(string_t& value) override {
    if (depth_ == 2 && in_metadata_) {
      metadata[field_] = value;
      return true;
    }
    if (depth_ != 2 || field_ != "dtype") return Refuse("a text");
    const auto* found = std::find_if(std::begin(kTypes), std::end(kTypes),
                                     [&](const TypeRow& row) { return row.name == value; });
    if (found == std::end(kTypes)) return Refuse("the unknown dtype " + Shown(value));
    rows.back().dtype = found->dtype;
    group_ = found->group;
    return true;
  }

  bool start_object(std::size_t) override {
    if (depth_ > 1) return Refuse("an object");
    ++depth_;
    fields_.clear();
    offsets_ = 0;
    return true;
  }

  bool key(string_t& name) override {
    if (depth_ == 1) {
      if (!names_.insert(name).second) return Fail("it names " + Shown(name) + " twice");
      name_ = name;
      in_metadata_ = name == kMetadataKey;
      if (in_metadata_) return true;
      if (rows.size() >= kItemsMax) return Fail("it has more than 1,000,000 tensors");
      rows.emplace_back().name = name;
      return true;
    }
    field_ = name;
    if (in_metadata_) {
      return !metadata.contains(name) ||
             Fail("its metadata has " + Shown(name) + " more than once");
    }
    if (name != "dtype" && name != "shape" && name != "data_offsets") {
      return Refuse("the unknown field " + Shown(name));
    }
    return fields_.insert(name).second || Refuse("the field " + Shown(name) + " twice");
  }

  bool end_object() override {
    if (--depth_ == 0 || in_metadata_) return true;
    if (fields_.size() != 3) return Refuse("no dtype, shape or data_offsets");
    return CheckRow();
  }

  bool start_array(std::size_t) override {
    if (depth_ != 2 || in_metadata_ || field_ == "dtype") return Refuse("a list");
    ++depth_;
    return true;
  }
  bool end_array() override {
    --depth_;
    return field_ == "shape" || offsets_ == 2 || Refuse("fewer than two offsets");
  }

  bool parse_error(std::size_t at, const std::string&, const Json::exception&) override {
    return Fail("its header is not JSON at byte " + std::to_string(at));
  }

 private:
  bool Fail(const std::string& reason) {
    why = reason;
    return false;
  }
  bool Refuse(const std::string& found) {
    return Fail(depth_ == 0 ? "its header is " + found + ", not an object"
                            : Shown(name_) + " has " + found + ", which does not belong there");
  }

  // Shape in our groups, and bytes, from what was written.
  bool CheckRow() {
    SafetensorsRow& row = rows.back();
    if (group_ > 1) {
      if (row.shape.empty() || row.shape.back() % group_ != 0) {
        return Fail(Shown(name_) + " has a last dimension that is not a multiple of " +
                    std::to_string(group_) + ", which its packed dtype needs");
      }
      row.shape.back() /= group_;
    }
    uint64_t bytes = codec::ElementBytes(row.dtype);
    for (const uint64_t dim : row.shape) {
      if (__builtin_mul_overflow(bytes, dim, &bytes)) {
        return Fail(Shown(name_) + " has a shape too large for any file");
      }
    }
    if (row.bytes < row.offset || row.bytes - row.offset != bytes) {
      return Fail("dtype, shape and offsets of " + Shown(name_) + " do not agree");
    }
    row.bytes = bytes;
    return true;
  }

  int depth_ = 0;
  bool in_metadata_ = false;
  std::string name_, field_;
  std::set<std::string> fields_;
  std::set<std::string> names_;
  int offsets_ = 0;
  uint64_t group_ = 1;
};

const TypeRow* TypeOf(DType dtype) {
  const auto* found = std::find_if(std::begin(kTypes), std::end(kTypes),
                                   [&](const TypeRow& row) { return row.dtype == dtype; });
  return found == std::end(kTypes) ? nullptr : found;
}

Error Unsayable(std::string_view name, const std::string& why) {
  return Error(ErrorCode::kUnsupported, "safetensors cannot hold " + Shown(name) + ": " + why);
}

std::string Member(std::string_view name, const Json& value) {
  return Json(name).dump() + ":" + value.dump();
}

}  // namespace

Result<Safetensors> DecodeSafetensors(ByteView front, uint64_t file_bytes) {
  if (front.size() < kLengthBytes || file_bytes < front.size())
    return Bad("it is shorter than 8 bytes");
  uint64_t header_bytes = 0;
  for (size_t i = 0; i < kLengthBytes; ++i) {
    header_bytes |= std::to_integer<uint64_t>(front[i]) << (8 * i);
  }
  if (header_bytes > kSafetensorsHeaderBytesMax) {
    return Bad("its header claims " + std::to_string(header_bytes) + " bytes, at most " +
               std::to_string(kSafetensorsHeaderBytesMax) + " are allowed");
  }
  if (header_bytes > front.size() - kLengthBytes) return Bad("it ends within its header");
  const std::string_view text = AsText(front.subspan(kLengthBytes, header_bytes));
  HeaderReader reader;
  if (!Json::sax_parse(text.begin(), text.end(), &reader)) return Bad(reader.why);

  Safetensors content;
  content.metadata = std::move(reader.metadata);
  content.tensors = std::move(reader.rows);
  std::sort(content.tensors.begin(), content.tensors.end(), [](const auto& a, const auto& b) {
    return std::pair(a.offset, a.bytes) < std::pair(b.offset, b.bytes);
  });
  const uint64_t data_bytes = file_bytes - kLengthBytes - header_bytes;
  uint64_t covered_bytes = 0;
  for (SafetensorsRow& row : content.tensors) {
    if (row.offset != covered_bytes) {
      return BadTensor(row.name, row.offset > covered_bytes ? "bytes before it belong to no tensor"
                                                            : "it overlaps another");
    }
    if (row.bytes > data_bytes - covered_bytes) {
      return BadTensor(row.name, "it ends behind the end of the file; is the file cut short?");
    }
    covered_bytes += row.bytes;
    row.offset += kLengthBytes + header_bytes;
  }
  if (covered_bytes != data_bytes) {
    return Bad("its last " + std::to_string(data_bytes - covered_bytes) +
               " bytes belong to no tensor");
  }
  return content;
}

Result<SafetensorsLayout> LayOutSafetensors(Safetensors& content) {
  std::vector<SafetensorsRow>& rows = content.tensors;
  std::vector<size_t> order(rows.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::sort(order.begin(), order.end(), [&](size_t a, size_t b) {
    const uint32_t left = codec::ElementBytes(rows[a].dtype);
    const uint32_t right = codec::ElementBytes(rows[b].dtype);
    // Three bytes align nothing and go last.
    const auto rank = [](uint32_t bytes) { return bytes == 3 ? 0 : bytes; };
    return left != right ? rank(left) > rank(right) : rows[a].name < rows[b].name;
  });
  std::set<std::string_view> names = {kMetadataKey};
  std::string text = "{";
  if (!content.metadata.empty()) {
    for (const auto& [key, value] : content.metadata) {
      if (!ValidUtf8(key) || !ValidUtf8(value)) return Unsayable(key, "metadata is not UTF-8");
    }
    text += Member(kMetadataKey, content.metadata);
  }
  uint64_t data_bytes = 0;
  for (const size_t i : order) {
    SafetensorsRow& row = rows[i];
    const TypeRow* type = TypeOf(row.dtype);
    if (type == nullptr) {
      return Unsayable(row.name, "no dtype like " + std::string(codec::DTypeName(row.dtype)));
    }
    if (!ValidUtf8(row.name)) return Unsayable(row.name, "a name is UTF-8");
    if (!names.insert(row.name).second) return Unsayable(row.name, "this name is taken");
    std::vector<uint64_t> shape = row.shape;
    if (type->group > 1 && shape.empty()) {
      return Unsayable(row.name, "a packed dtype has a last dimension");
    }
    row.bytes = codec::ElementBytes(row.dtype);
    bool fits = true;
    for (const uint64_t dim : shape) fits &= !__builtin_mul_overflow(row.bytes, dim, &row.bytes);
    if (type->group > 1) {
      fits &= !__builtin_mul_overflow(shape.back(), type->group, &shape.back());
    }
    row.offset = data_bytes;
    fits &= !__builtin_add_overflow(data_bytes, row.bytes, &data_bytes);
    if (!fits) return Unsayable(row.name, "it is larger than any file");
    text += text.size() > 1 ? "," : "";
    text += Member(
        row.name,
        {{"dtype", type->name}, {"shape", shape}, {"data_offsets", {row.offset, data_bytes}}});
  }
  text += "}";
  text.resize((text.size() + kLengthBytes - 1) / kLengthBytes * kLengthBytes, ' ');
  if (text.size() > kSafetensorsHeaderBytesMax) {
    return Error(ErrorCode::kUnsupported,
                 "the names of the tensors need a header of " + std::to_string(text.size()) +
                     " bytes, safetensors allows " + std::to_string(kSafetensorsHeaderBytesMax));
  }
  SafetensorsLayout layout;
  for (size_t i = 0; i < kLengthBytes; ++i) {
    layout.header.push_back(static_cast<std::byte>(text.size() >> (8 * i)));
  }
  const ByteView header = AsBytes(text);
  layout.header.insert(layout.header.end(), header.begin(), header.end());
  for (SafetensorsRow& row : rows) row.offset += layout.header.size();
  layout.file_bytes = layout.header.size() + data_bytes;
  return layout;
}

}  // namespace varve::format
