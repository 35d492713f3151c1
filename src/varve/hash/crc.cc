// CRC-32C by the processor's instruction where it has one, CRC-64/NVME by carry-less folding, each
// with a table version for other processors.
#include <array>
#include <cstring>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

#include "varve/hash/crc_kernels.h"
#include "varve/hash/hash.h"

namespace varve::hash {
namespace {

constexpr uint32_t kPolynomial32 = 0x82f63b78;          // Castagnoli, reflected.
constexpr uint64_t kPolynomial64 = 0x9a6c9329ac4bc9b5;  // NVME, reflected.

template <typename Word>
constexpr std::array<std::array<Word, 256>, 8> MakeTables(Word polynomial) {
  std::array<std::array<Word, 256>, 8> tables{};
  for (size_t i = 0; i < 256; ++i) {
    Word crc = static_cast<Word>(i);
    for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ ((crc & 1) != 0 ? polynomial : 0);
    tables[0][i] = crc;
  }
  for (size_t i = 0; i < 256; ++i) {
    for (size_t t = 1; t < 8; ++t) {
      tables[t][i] = (tables[t - 1][i] >> 8) ^ tables[0][tables[t - 1][i] & 255];
    }
  }
  return tables;
}
constexpr auto kTables32 = MakeTables<uint32_t>(kPolynomial32);
constexpr auto kTables64 = MakeTables<uint64_t>(kPolynomial64);

uint64_t Load64(const std::byte* at) {
  uint64_t word = 0;
  std::memcpy(&word, at, sizeof word);
  return word;
}

template <typename Word>
Word ByTable(const std::array<std::array<Word, 256>, 8>& tables, Word crc, ByteView bytes) {
  const std::byte* at = bytes.data();
  size_t left = bytes.size();
  for (; left >= 8; at += 8, left -= 8) {
    const uint64_t word = Load64(at) ^ crc;
    crc = 0;
    for (size_t i = 0; i < 8; ++i) crc ^= tables[7 - i][(word >> (8 * i)) & 255];
  }
  for (; left > 0; ++at, --left) {
    crc = (crc >> 8) ^ tables[0][(crc ^ static_cast<Word>(*at)) & 255];
  }
  return crc;
}

// x^n mod P in the reflected representation, for n counted in bits.
uint64_t Multiply64(uint64_t a, uint64_t b) {
  uint64_t product = 0;
  for (uint64_t mask = uint64_t{1} << 63; mask != 0; mask >>= 1) {
    if ((a & mask) != 0) product ^= b;
    b = (b >> 1) ^ ((b & 1) != 0 ? kPolynomial64 : 0);
  }
  return product;
}

uint64_t PowerOfX(uint64_t bits) {
  uint64_t result = uint64_t{1} << 63;  // x^0.
  uint64_t square = uint64_t{1} << 62;  // x^1.
  for (; bits != 0; bits >>= 1) {
    if ((bits & 1) != 0) result = Multiply64(result, square);
    square = Multiply64(square, square);
  }
  return result;
}

#if defined(__x86_64__)
constexpr size_t kStreamBytes = 1024;  // Per stream and round: the shift below is made for it.

// Tables that move a 32-bit register over kStreamBytes zero bytes, a byte of the register at a
// time.
struct Shift32 {
  uint32_t by_byte[4][256];
  uint32_t operator()(uint32_t state) const {
    return by_byte[0][state & 255] ^ by_byte[1][(state >> 8) & 255] ^
           by_byte[2][(state >> 16) & 255] ^ by_byte[3][state >> 24];
  }
};

const Shift32& OverOneStream() {
  static const Shift32 shift = [] {
    static constexpr std::byte kZeros[kStreamBytes] = {};
    uint32_t of_bit[32];  // The register is linear in its bits.
    for (size_t bit = 0; bit < 32; ++bit) {
      of_bit[bit] = ByTable<uint32_t>(kTables32, uint32_t{1} << bit, kZeros);
    }
    Shift32 made{};
    for (size_t byte = 0; byte < 4; ++byte) {
      for (size_t value = 0; value < 256; ++value) {
        for (size_t bit = 0; bit < 8; ++bit) {
          if ((value >> bit & 1) != 0) made.by_byte[byte][value] ^= of_bit[8 * byte + bit];
        }
      }
    }
    return made;
  }();
  return shift;
}

// The instruction takes three cycles but starts every cycle, so three streams run at once.
__attribute__((target("sse4.2"))) uint32_t ByInstruction(uint32_t crc, ByteView bytes) {
  const std::byte* at = bytes.data();
  size_t left = bytes.size();
  if (left >= 3 * kStreamBytes) {
    const Shift32& shift = OverOneStream();
    for (; left >= 3 * kStreamBytes; at += 3 * kStreamBytes, left -= 3 * kStreamBytes) {
      uint64_t a = crc, b = 0, c = 0;
      for (size_t i = 0; i < kStreamBytes; i += 8) {
        a = _mm_crc32_u64(a, Load64(at + i));
        b = _mm_crc32_u64(b, Load64(at + kStreamBytes + i));
        c = _mm_crc32_u64(c, Load64(at + 2 * kStreamBytes + i));
      }
      crc = shift(shift(static_cast<uint32_t>(a)) ^ static_cast<uint32_t>(b)) ^
            static_cast<uint32_t>(c);
    }
  }
  uint64_t wide = crc;
  for (; left >= 8; at += 8, left -= 8) wide = _mm_crc32_u64(wide, Load64(at));
  crc = static_cast<uint32_t>(wide);
  for (; left > 0; ++at, --left) crc = _mm_crc32_u8(crc, static_cast<uint8_t>(*at));
  return crc;
}

struct FoldConstants {
  uint64_t by_128_low, by_128_high;  // Move a 128-bit lane over one lane.
  uint64_t by_512_low, by_512_high;  // Over four lanes.
};

const FoldConstants& Constants() {
  // A reflected carry-less product is short of one factor x, hence the exponents less one.
  static const FoldConstants constants{PowerOfX(128 + 64 - 1), PowerOfX(128 - 1),
                                       PowerOfX(512 + 64 - 1), PowerOfX(512 - 1)};
  return constants;
}

__attribute__((target("pclmul,sse4.1"))) inline __m128i Fold(__m128i lane, __m128i by,
                                                             __m128i next) {
  const __m128i low = _mm_clmulepi64_si128(lane, by, 0x00);
  const __m128i high = _mm_clmulepi64_si128(lane, by, 0x11);
  return _mm_xor_si128(_mm_xor_si128(low, high), next);
}

// Requires at least 128 bytes.
__attribute__((target("pclmul,sse4.1"))) uint64_t ByFolding(uint64_t crc, ByteView bytes) {
  const FoldConstants& constants = Constants();
  const auto load = [](const std::byte* at) {
    return _mm_loadu_si128(reinterpret_cast<const __m128i*>(at));
  };
  const std::byte* at = bytes.data();
  size_t left = bytes.size();
  __m128i lanes[4];
  for (int i = 0; i < 4; ++i) lanes[i] = load(at + 16 * i);
  lanes[0] = _mm_xor_si128(lanes[0], _mm_set_epi64x(0, static_cast<long long>(crc)));
  at += 64;
  left -= 64;
  const __m128i by_512 = _mm_set_epi64x(static_cast<long long>(constants.by_512_high),
                                        static_cast<long long>(constants.by_512_low));
  for (; left >= 64; at += 64, left -= 64) {
    for (int i = 0; i < 4; ++i) lanes[i] = Fold(lanes[i], by_512, load(at + 16 * i));
  }
  const __m128i by_128 = _mm_set_epi64x(static_cast<long long>(constants.by_128_high),
                                        static_cast<long long>(constants.by_128_low));
  __m128i lane = lanes[0];
  for (int i = 1; i < 4; ++i) lane = Fold(lane, by_128, lanes[i]);
  for (; left >= 16; at += 16, left -= 16) lane = Fold(lane, by_128, load(at));
  // The last lane stands for its 16 bytes with a zero checksum before them.
  std::byte tail[16];
  _mm_storeu_si128(reinterpret_cast<__m128i*>(tail), lane);
  return ByTable<uint64_t>(kTables64, ByTable<uint64_t>(kTables64, 0, tail), {at, left});
}

bool HasCrcInstruction() {
  static const bool has = __builtin_cpu_supports("sse4.2") != 0;
  return has;
}
bool HasFolding() {
  static const bool has =
      __builtin_cpu_supports("pclmul") != 0 && __builtin_cpu_supports("sse4.1") != 0;
  return has;
}
#endif

}  // namespace

uint32_t Crc32cByTable(uint32_t state, ByteView bytes) {
  return ByTable<uint32_t>(kTables32, state, bytes);
}
uint64_t Crc64NvmeByTable(uint64_t state, ByteView bytes) {
  return ByTable<uint64_t>(kTables64, state, bytes);
}

uint32_t Crc32c(ByteView bytes, uint32_t seed) {
#if defined(__x86_64__)
  if (HasCrcInstruction()) return ~ByInstruction(~seed, bytes);
#endif
  return ~Crc32cByTable(~seed, bytes);
}

uint64_t Crc64Nvme(ByteView bytes, uint64_t seed) {
#if defined(__x86_64__)
  if (bytes.size() >= 128 && HasFolding()) return ~ByFolding(~seed, bytes);
#endif
  return ~Crc64NvmeByTable(~seed, bytes);
}

uint64_t Crc64NvmeCombine(uint64_t crc_a, uint64_t crc_b, uint64_t bytes_b) {
  return Multiply64(PowerOfX(8 * bytes_b), crc_a) ^ crc_b;
}

}  // namespace varve::hash
