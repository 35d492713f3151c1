#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <cstdlib>

#include "varve/hash/hash.h"

namespace varve::hash {

Sha256Digest Sha256(ByteView bytes) {
  static const EVP_MD* const kAlgorithm = EVP_MD_fetch(nullptr, "SHA256", nullptr);
  Sha256Digest digest;
  unsigned length = 0;
  // Fails only when memory is gone or the library is broken; there is no digest to go on with.
  if (EVP_Digest(bytes.data(), bytes.size(), reinterpret_cast<unsigned char*>(digest.data()),
                 &length, kAlgorithm, nullptr) != 1 ||
      length != digest.size()) {
    std::abort();
  }
  return digest;
}

Sha256Digest HmacSha256(ByteView key, ByteView message) {
  Sha256Digest digest;
  unsigned length = 0;
  static const std::byte kNothing{};
  const std::byte* key_data = key.empty() ? &kNothing : key.data();
  if (HMAC(EVP_sha256(), key_data, static_cast<int>(key.size()),
           reinterpret_cast<const unsigned char*>(message.data()), message.size(),
           reinterpret_cast<unsigned char*>(digest.data()), &length) == nullptr ||
      length != digest.size()) {
    std::abort();
  }
  return digest;
}

}  // namespace varve::hash
