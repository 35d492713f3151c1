#include <openssl/crypto.h>
#include <openssl/evp.h>

#include <algorithm>
#include <cstdlib>
#include <memory>

#include "varve/hash/hash.h"

namespace varve::hash {
namespace {

constexpr size_t kBlockBytes = 64;

struct FreeContext {
  void operator()(EVP_MD_CTX* context) const { EVP_MD_CTX_free(context); }
};

// A call fails only when memory is gone or the library is broken; there is no digest to go on with.
void Must(bool done) {
  if (!done) std::abort();
}

// One context per thread: setting one up costs more than hashing a short message.
Sha256Digest HashOfBoth(ByteView first, ByteView second) {
  static const EVP_MD* const algorithm = EVP_MD_fetch(nullptr, "SHA256", nullptr);
  thread_local const std::unique_ptr<EVP_MD_CTX, FreeContext> context(EVP_MD_CTX_new());
  Must(algorithm != nullptr && context != nullptr);
  Must(EVP_DigestInit_ex2(context.get(), algorithm, nullptr) == 1);
  for (const ByteView part : {first, second}) {
    if (!part.empty()) Must(EVP_DigestUpdate(context.get(), part.data(), part.size()) == 1);
  }
  Sha256Digest digest;
  unsigned length = 0;
  Must(EVP_DigestFinal_ex(context.get(), reinterpret_cast<unsigned char*>(digest.data()),
                          &length) == 1);
  Must(length == digest.size());
  return digest;
}

}  // namespace

Sha256Digest Sha256(ByteView bytes) { return HashOfBoth(bytes, {}); }

// RFC 2104: H(key ^ opad, H(key ^ ipad, message)).
Sha256Digest HmacSha256(ByteView key, ByteView message) {
  std::array<std::byte, kBlockBytes> inner{}, outer{};
  if (key.size() > kBlockBytes) {
    const Sha256Digest short_key = Sha256(key);
    std::copy(short_key.begin(), short_key.end(), inner.begin());
  } else {
    std::copy(key.begin(), key.end(), inner.begin());
  }
  for (size_t i = 0; i < kBlockBytes; ++i) {
    outer[i] = inner[i] ^ std::byte{0x5c};
    inner[i] ^= std::byte{0x36};
  }
  const Sha256Digest digest = HashOfBoth(inner, message);
  const Sha256Digest code = HashOfBoth(outer, digest);
  OPENSSL_cleanse(inner.data(), inner.size());  // Both give the key away.
  OPENSSL_cleanse(outer.data(), outer.size());
  return code;
}

}  // namespace varve::hash
