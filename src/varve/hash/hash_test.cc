// Goal: every digest and checksum equals its published vectors, on every code path.
// Method: vectors from the specifications, then properties over random lengths and alignments.
#include "varve/hash/hash.h"

#include <gtest/gtest.h>

#include "varve/base/random.h"

namespace varve::hash {
namespace {

Bytes Pattern(size_t bytes) {  // The input of BLAKE3's official vectors: 0, 1, ..., 250, 0, ...
  Bytes pattern(bytes);
  for (size_t i = 0; i < bytes; ++i) pattern[i] = static_cast<std::byte>(i % 251);
  return pattern;
}

TEST(Blake3, OfficialVectors) {
  EXPECT_EQ(Blake3Of({}).Hex(), "af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262");
  EXPECT_EQ(Blake3Of(Pattern(1)).Hex(),
            "2d3adedff11b61f14c886e35afa036736dcd87a74d27b5c1510225d0f592e213");
  EXPECT_EQ(Blake3Of(Pattern(1024)).Hex(),
            "42214739f095a406f3fc83deb889744ac00df831c10daa55189b5d121c855af7");
  Blake3 derived("BLAKE3 2019-12-27 16:29:52 test vectors context");
  EXPECT_EQ(derived.Finish().Hex(),
            "2cc39783c223154fea8dfb7c1b1660f2ac2dcbd1c1de8277b0b0dd39b7e50d7d");
}

TEST(Blake3, PiecesEqualTheWhole) {
  const Bytes input = Pattern(100'000);
  Blake3 hasher;
  hasher.Update(ByteView(input).first(777)).Update(ByteView(input).subspan(777));
  EXPECT_EQ(hasher.Finish(), Blake3Of(input));
  EXPECT_EQ(Digest::FromHex(Blake3Of(input).Hex()), Blake3Of(input));
  EXPECT_FALSE(Digest::FromHex("ab").has_value());
  EXPECT_FALSE(Digest::FromHex(std::string(64, 'g')).has_value());
}

TEST(Sha256, PublishedVectors) {
  EXPECT_EQ(ToHex(Sha256(AsBytes("abc"))),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(ToHex(Sha256({})), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(ToHex(HmacSha256(AsBytes("Jefe"), AsBytes("what do ya want for nothing?"))),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
}

TEST(Crc, PublishedCheckValues) {
  EXPECT_EQ(Crc32c(AsBytes("123456789")), 0xe3069283u);
  EXPECT_EQ(Crc64Nvme(AsBytes("123456789")), 0xae8b14860a799888u);
}

TEST(Crc, EveryPathAgreesAtEveryLengthAndAlignment) {
  SeededRandom random(7);
  Bytes input(4096);
  for (std::byte& byte : input) byte = static_cast<std::byte>(random.Next64());
  for (int round = 0; round < 3000; ++round) {
    const size_t offset = random.Between(0, 64), length = random.Between(0, 3000);
    const ByteView whole = ByteView(input).subspan(offset, length);
    uint64_t bytewise = 0;
    uint32_t bytewise32 = 0;
    for (size_t i = 0; i < length; ++i) {  // One byte at a time takes the table path.
      bytewise = Crc64Nvme(whole.subspan(i, 1), bytewise);
      bytewise32 = Crc32c(whole.subspan(i, 1), bytewise32);
    }
    ASSERT_EQ(Crc64Nvme(whole), bytewise) << length;
    ASSERT_EQ(Crc32c(whole), bytewise32) << length;
    const size_t cut = random.Between(0, length);
    const ByteView a = whole.first(cut), b = whole.subspan(cut);
    ASSERT_EQ(Crc64NvmeCombine(Crc64Nvme(a), Crc64Nvme(b), b.size()), Crc64Nvme(whole));
  }
}

TEST(Text, HexAndBase64) {
  EXPECT_EQ(ToBase64(AsBytes("")), "");
  EXPECT_EQ(ToBase64(AsBytes("f")), "Zg==");
  EXPECT_EQ(ToBase64(AsBytes("fo")), "Zm8=");
  EXPECT_EQ(ToBase64(AsBytes("foobar")), "Zm9vYmFy");
  EXPECT_EQ(ToHex(AsBytes("\x01\xff")), "01ff");
}

}  // namespace
}  // namespace varve::hash
