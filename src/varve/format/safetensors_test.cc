// Goal: a safetensors header is read exactly or refused by name; what is laid out reads back equal.
// Method: files spelled by hand, one fault each; random layouts decoded again. Whether the
// reference implementation agrees is tests/cli/test_tensors.py.
#include "varve/format/safetensors.h"

#include <gtest/gtest.h>

#include <string>

#include "varve/base/random.h"

namespace varve::format {
namespace {

using codec::DType;

Bytes File(const std::string& header, size_t data_bytes) {
  Bytes file;
  for (size_t i = 0; i < 8; ++i) file.push_back(static_cast<std::byte>(header.size() >> (8 * i)));
  const ByteView text = AsBytes(header);
  file.insert(file.end(), text.begin(), text.end());
  file.resize(file.size() + data_bytes, std::byte{7});
  return file;
}

TEST(Safetensors, ReadsNamesTypesShapesAndMetadata) {
  const std::string header = R"({"__metadata__":{"format":"pt"},)"
                             R"("b":{"dtype":"F4","shape":[2,4],"data_offsets":[8,12]},)"
                             R"("a":{"data_offsets":[0,8],"shape":[2,2],"dtype":"BF16"},)"
                             R"("six":{"dtype":"F6_E3M2","shape":[4],"data_offsets":[12,15]},)"
                             R"("none":{"dtype":"F32","shape":[0,3],"data_offsets":[12,12]},)"
                             R"("one":{"dtype":"U8","shape":[],"data_offsets":[15,16]}}  )";
  const auto content = DecodeSafetensors(File(header, 16));
  ASSERT_TRUE(content.ok()) << content.error().ToString();
  EXPECT_EQ(content->metadata, (std::map<std::string, std::string>{{"format", "pt"}}));
  ASSERT_EQ(content->tensors.size(), 5U);
  const SafetensorsRow& a = content->tensors[0];
  EXPECT_EQ(a.name, "a");
  EXPECT_EQ(a.dtype, DType::kBf16);
  EXPECT_EQ(a.shape, (std::vector<uint64_t>{2, 2}));
  EXPECT_EQ(a.offset, 8 + header.size());
  EXPECT_EQ(a.bytes, 8U);
  EXPECT_EQ(content->tensors[1].shape, (std::vector<uint64_t>{2, 2}));  // Pairs of F4.
  EXPECT_EQ(content->tensors[2].name, "none");
  EXPECT_EQ(content->tensors[3].dtype, DType::kF6E3M2X4);
  EXPECT_EQ(content->tensors[3].shape, (std::vector<uint64_t>{1}));
  EXPECT_TRUE(content->tensors[4].shape.empty());
}

TEST(Safetensors, RefusesEveryFaultByName) {
  struct Case {
    std::string header, why;
    size_t data_bytes = 4;
  };
  const std::string row = R"({"dtype":"U8","shape":[4],"data_offsets":[0,4]})";
  const std::vector<Case> cases = {
      {"[]", "a list"},
      {"7", "a number"},
      {"", "not JSON"},
      {"{", "not JSON"},
      {"{}x", "not JSON", 0},
      {R"({"a":)" + row + R"(,"a":)" + row + "}", "twice"},
      {R"({"a":{"dtype":"U8","dtype":"U8","shape":[4],"data_offsets":[0,4]}})", "twice"},
      {R"({"a":{"dtype":"U8","shape":[4]}})", "no dtype, shape or data_offsets"},
      {R"({"a":{"dtype":"U9","shape":[4],"data_offsets":[0,4]}})", "unknown dtype 'U9'"},
      {R"({"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4],"x":1}})", "unknown field"},
      {R"({"a":{"dtype":"U8","shape":[4.0],"data_offsets":[0,4]}})", "not whole"},
      {R"({"a":{"dtype":"U8","shape":[-4],"data_offsets":[0,4]}})", "negative"},
      {R"({"a":{"dtype":"U8","shape":[[4]],"data_offsets":[0,4]}})", "a list"},
      {R"({"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4,4]}})", "more than two"},
      {R"({"a":{"dtype":"U8","shape":[4],"data_offsets":[0]}})", "fewer than two"},
      {R"({"a":{"dtype":"U8","shape":[4],"data_offsets":[4,0]}})", "do not agree"},
      {R"({"a":{"dtype":"U16","shape":[4],"data_offsets":[0,4]}})", "do not agree"},
      {R"({"a":{"dtype":"U8","shape":[4],"data_offsets":[1,5]}})", "belong to no tensor", 5},
      {R"({"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]}})", "last 1 bytes", 5},
      {R"({"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]}})", "behind the end", 3},
      {R"({"a":)" + row + R"(,"b":{"dtype":"U8","shape":[3],"data_offsets":[2,5]}})", "overlaps",
       5},
      {R"({"a":{"dtype":"U64","shape":[4294967296,4294967296],"data_offsets":[0,0]}})",
       "too large"},
      {R"({"a":{"dtype":"U8","shape":[18446744073709551616],"data_offsets":[0,4]}})", "not whole"},
      {R"({"a":{"dtype":"F4","shape":[3],"data_offsets":[0,4]}})", "multiple of 2"},
      {R"({"a":{"dtype":"F6_E2M3","shape":[],"data_offsets":[0,3]}})", "multiple of 4"},
      {R"({"a":null})", "null"},
      {R"({"a":[1]})", "a list"},
      {R"({"__metadata__":{"k":1}})", "a number"},
      {R"({"__metadata__":{"k":{"l":"m"}}})", "an object"},
      {R"({"__metadata__":{"k":"1","k":"2"}})", "more than once"},
      {R"({"__metadata__":"x"})", "a text"},
      {R"({"__metadata__":{},"__metadata__":{}})", "twice"},
      {std::string("{\"a\xff\":") + row + "}", "not JSON"},
  };
  for (const Case& each : cases) {
    const auto content = DecodeSafetensors(File(each.header, each.data_bytes));
    ASSERT_FALSE(content.ok()) << each.header;
    EXPECT_EQ(content.error().code(), ErrorCode::kInvalidArgument);
    EXPECT_NE(content.error().message().find(each.why), std::string::npos)
        << each.header << ": " << content.error().message();
  }
}

TEST(Safetensors, BoundsWhatItIsToldBeforeItBelievesIt) {
  Bytes file(8, std::byte{0xff});
  EXPECT_FALSE(DecodeSafetensors(file).ok());
  file[7] = std::byte{0};
  EXPECT_FALSE(DecodeSafetensors(file).ok());
  EXPECT_FALSE(DecodeSafetensors(Bytes(7)).ok());
  EXPECT_FALSE(DecodeSafetensors(Bytes(8)).ok());  // A header of no bytes.
  // Deep nesting ends at its first wrong bracket.
  EXPECT_FALSE(DecodeSafetensors(File(std::string(1'000'000, '['), 0)).ok());
  std::string deep = R"({"a":{"shape":)" + std::string(1'000'000, '[');
  EXPECT_FALSE(DecodeSafetensors(File(deep, 0)).ok());
  std::string dims = R"({"a":{"shape":[1)";
  for (int i = 0; i < 64; ++i) dims += ",1";
  const auto many = DecodeSafetensors(File(dims + "]}}", 0));
  ASSERT_FALSE(many.ok());
  EXPECT_NE(many.error().message().find("64 dimensions"), std::string::npos);
}

TEST(Safetensors, WhatIsLaidOutReadsBackAndIsAligned) {
  SeededRandom random(11);
  const DType types[] = {DType::kF64,      DType::kBf16,     DType::kU8,      DType::kBool,
                         DType::kF4E2M1X2, DType::kF6E2M3X4, DType::kC64,     DType::kF32,
                         DType::kF8E5M2,   DType::kI64,      DType::kF6E3M2X4};
  for (int round = 0; round < 50; ++round) {
    Safetensors content;
    content.metadata = {{"round \" \n", std::to_string(round)}};
    for (uint64_t i = random.Between(0, 12); i > 0; --i) {
      SafetensorsRow row;
      row.name = "layer." + std::to_string(i) + "/w\xC3\xA9\"";
      row.dtype = types[random.Between(0, std::size(types) - 1)];
      for (uint64_t d = random.Between(1, 3); d > 0; --d) row.shape.push_back(random.Between(0, 5));
      content.tensors.push_back(row);
    }
    const auto layout = LayOutSafetensors(content);
    ASSERT_TRUE(layout.ok()) << layout.error().ToString();
    EXPECT_EQ(layout->header.size() % 8, 0U);
    Bytes file = layout->header;
    file.resize(layout->file_bytes);
    const auto back = DecodeSafetensors(file);
    ASSERT_TRUE(back.ok()) << back.error().ToString();
    EXPECT_EQ(back->metadata, content.metadata);
    ASSERT_EQ(back->tensors.size(), content.tensors.size());
    for (const SafetensorsRow& row : content.tensors) {
      const uint32_t element = codec::ElementBytes(row.dtype);
      EXPECT_EQ(row.offset % (element == 3 ? 1 : element), 0U) << row.name;
      bool found = false;
      for (const SafetensorsRow& other : back->tensors) {
        found |= other.name == row.name && other.dtype == row.dtype && other.shape == row.shape &&
                 other.offset == row.offset && other.bytes == row.bytes;
      }
      EXPECT_TRUE(found) << row.name << " in round " << round;
    }
  }
}

TEST(Safetensors, WhatItCannotSayIsRefusedByName) {
  const auto refused = [](SafetensorsRow row) {
    Safetensors content;
    content.tensors.push_back({"other", DType::kU8, {1}});
    content.tensors.push_back(std::move(row));
    const auto layout = LayOutSafetensors(content);
    EXPECT_FALSE(layout.ok());
    return layout.ok() ? std::string() : layout.error().message();
  };
  EXPECT_NE(refused({"x/c", DType::kC128, {1}}).find("'x/c': no dtype like c128"),
            std::string::npos);
  EXPECT_NE(refused({"half", DType::kC32, {1}}).find("c32"), std::string::npos);
  EXPECT_NE(refused({"p", DType::kF4E2M1X2, {}}).find("last dimension"), std::string::npos);
  EXPECT_NE(refused({"other", DType::kU8, {1}}).find("taken"), std::string::npos);
  EXPECT_NE(refused({"__metadata__", DType::kU8, {1}}).find("taken"), std::string::npos);
  EXPECT_NE(refused({"b", DType::kU64, {1ULL << 40, 1ULL << 40}}).find("larger"),
            std::string::npos);
}

}  // namespace
}  // namespace varve::format
