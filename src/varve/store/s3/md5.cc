#include "varve/store/s3/md5.h"

#include <openssl/evp.h>

namespace varve::store {

std::array<std::byte, 16> Md5(ByteView bytes) {
  // All zeros where the library refuses MD5: the server then refuses the request, as it must.
  std::array<std::byte, 16> digest{};
  unsigned length = 0;
  EVP_Digest(bytes.data(), bytes.size(), reinterpret_cast<unsigned char*>(digest.data()), &length,
             EVP_md5(), nullptr);
  return digest;
}

}  // namespace varve::store
