// Goal: every digest and checksum equals its published vectors, on every code path.
// Method: vectors from the specifications, then properties over random lengths and alignments.
#include "varve/hash/hash.h"

#include <gtest/gtest.h>

#include "varve/base/random.h"
#include "varve/hash/crc_kernels.h"

namespace varve::hash {
namespace {

Bytes Pattern(size_t bytes) {  // The input of BLAKE3's official vectors: 0, 1, ..., 250, 0, ...
  Bytes pattern(bytes);
  for (size_t i = 0; i < bytes; ++i) pattern[i] = static_cast<std::byte>(i % 251);
  return pattern;
}

// test_vectors.json of the BLAKE3 repository, the first 32 bytes of each output.
TEST(Blake3, OfficialVectors) {
  const struct {
    size_t bytes;
    const char* hash;
  } vectors[] = {
      {0, "af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262"},
      {1, "2d3adedff11b61f14c886e35afa036736dcd87a74d27b5c1510225d0f592e213"},
      {2, "7b7015bb92cf0b318037702a6cdd81dee41224f734684c2c122cd6359cb1ee63"},
      {1024, "42214739f095a406f3fc83deb889744ac00df831c10daa55189b5d121c855af7"},
      {1025, "d00278ae47eb27b34faecf67b4fe263f82d5412916c1ffd97c8cb7fb814b8444"},
      {2048, "e776b6028c7cd22a4d0ba182a8bf62205d2ef576467e838ed6f2529b85fba24a"},
      {102'400, "bc3e3d41a1146b069abffad3c0d44860cf664390afce4d9661f7902e7943e085"},
  };
  for (const auto& vector : vectors) {
    EXPECT_EQ(Blake3Of(Pattern(vector.bytes)).Hex(), vector.hash) << vector.bytes;
  }
}

TEST(Blake3, OfficialDeriveKeyVectors) {
  constexpr char kContext[] = "BLAKE3 2019-12-27 16:29:52 test vectors context";
  EXPECT_EQ(Blake3(kContext).Finish().Hex(),
            "2cc39783c223154fea8dfb7c1b1660f2ac2dcbd1c1de8277b0b0dd39b7e50d7d");
  EXPECT_EQ(Blake3(kContext).Update(Pattern(1)).Finish().Hex(),
            "b3e2e340a117a499c6cf2398a19ee0d29cca2bb7404c73063382693bf66cb06c");
  // A number is eight bytes, lowest first.
  const Bytes one{std::byte{1}, {}, {}, {}, {}, {}, {}, {}};
  EXPECT_EQ(Blake3().UpdateU64(1).Finish(), Blake3Of(one));
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

TEST(Sha256, PublishedVectors) {  // FIPS 180-4 examples.
  EXPECT_EQ(ToHex(Sha256(AsBytes("abc"))),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(ToHex(Sha256({})), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(ToHex(Sha256(AsBytes("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq"))),
            "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
  EXPECT_EQ(ToHex(Sha256(AsBytes(std::string(1'000'000, 'a')))),
            "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

TEST(HmacSha256, PublishedVectors) {  // RFC 4231, cases 1, 2, 3 and 6.
  EXPECT_EQ(ToHex(HmacSha256(Bytes(20, std::byte{0x0b}), AsBytes("Hi There"))),
            "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7");
  EXPECT_EQ(ToHex(HmacSha256(AsBytes("Jefe"), AsBytes("what do ya want for nothing?"))),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
  EXPECT_EQ(ToHex(HmacSha256(Bytes(20, std::byte{0xaa}), Bytes(50, std::byte{0xdd}))),
            "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe");
  EXPECT_EQ(ToHex(HmacSha256(Bytes(131, std::byte{0xaa}),
                             AsBytes("Test Using Larger Than Block-Size Key - Hash Key First"))),
            "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
}

TEST(Crc, PublishedCheckValues) {
  EXPECT_EQ(Crc32c(AsBytes("123456789")), 0xe3069283u);
  EXPECT_EQ(Crc64Nvme(AsBytes("123456789")), 0xae8b14860a799888u);
}

// A checksum's register for a seed is its inverse, and so is the result.
uint32_t Slow32(ByteView bytes, uint32_t seed) { return ~Crc32cByTable(~seed, bytes); }
uint64_t Slow64(ByteView bytes, uint64_t seed) { return ~Crc64NvmeByTable(~seed, bytes); }

TEST(Crc, TablesGiveThePublishedCheckValues) {
  EXPECT_EQ(Slow32(AsBytes("123456789"), 0), 0xe3069283u);
  EXPECT_EQ(Slow64(AsBytes("123456789"), 0), 0xae8b14860a799888u);
  Bytes zeros(32), ones(32, std::byte{0xFF});  // RFC 3720, B.4.
  EXPECT_EQ(Crc32c(zeros), 0x8a9136aau);
  EXPECT_EQ(Crc32c(ones), 0x62a8ab43u);
}

TEST(Crc, EveryPathAgreesAtEveryLengthAndAlignment) {
  SeededRandom random(7);
  Bytes input(20'000);
  for (std::byte& byte : input) byte = static_cast<std::byte>(random.Next64());
  for (int round = 0; round < 3000; ++round) {
    const size_t offset = random.Between(0, 64);
    const size_t length = random.Between(0, round % 4 == 0 ? 19'000 : 400);
    const ByteView whole = ByteView(input).subspan(offset, length);
    const uint64_t seed = random.Next64();
    const auto seed32 = static_cast<uint32_t>(seed);
    ASSERT_EQ(Crc32c(whole, seed32), Slow32(whole, seed32)) << length;
    ASSERT_EQ(Crc64Nvme(whole, seed), Slow64(whole, seed)) << length;
  }
}

TEST(Crc, PiecesContinueAndCombine) {
  SeededRandom random(8);
  Bytes input(10'000);
  for (std::byte& byte : input) byte = static_cast<std::byte>(random.Next64());
  for (int round = 0; round < 500; ++round) {
    const ByteView whole = ByteView(input).first(random.Between(0, input.size()));
    const size_t cut = random.Between(0, whole.size());
    const ByteView a = whole.first(cut), b = whole.subspan(cut);
    ASSERT_EQ(Crc32c(b, Crc32c(a)), Crc32c(whole));
    ASSERT_EQ(Crc64Nvme(b, Crc64Nvme(a)), Crc64Nvme(whole));
    ASSERT_EQ(Crc64NvmeCombine(Crc64Nvme(a), Crc64Nvme(b), b.size()), Crc64Nvme(whole));
  }
  EXPECT_EQ(Crc64NvmeCombine(Crc64Nvme(input), Crc64Nvme({}), 0), Crc64Nvme(input));
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
