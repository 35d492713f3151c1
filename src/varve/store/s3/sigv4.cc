#include "varve/store/s3/sigv4.h"

#include "varve/hash/hash.h"

namespace varve::store {

std::string UriEncode(std::string_view text, bool keep_slash) {
  constexpr char kHex[] = "0123456789ABCDEF";
  std::string encoded;
  for (const char letter : text) {
    const auto code = static_cast<unsigned char>(letter);
    const bool plain = (letter >= 'A' && letter <= 'Z') || (letter >= 'a' && letter <= 'z') ||
                       (letter >= '0' && letter <= '9') || letter == '-' || letter == '.' ||
                       letter == '_' || letter == '~' || (keep_slash && letter == '/');
    if (plain) {
      encoded += letter;
    } else {
      encoded += '%';
      encoded += kHex[code >> 4];
      encoded += kHex[code & 15];
    }
  }
  return encoded;
}

std::string EncodeQuery(const std::map<std::string, std::string>& query) {
  std::map<std::string, std::string> encoded;  // Sorted by encoded name.
  for (const auto& [name, value] : query) encoded[UriEncode(name, false)] = UriEncode(value, false);
  std::string text;
  for (const auto& [name, value] : encoded) {
    text += (text.empty() ? "" : "&") + name + "=" + value;
  }
  return text;
}

std::string Authorization(const SigningInput& input, const Credentials& credentials,
                          const std::string& amz_date) {
  std::string canonical_headers, signed_names;
  for (const auto& [name, value] : input.headers) {
    canonical_headers += name + ":" + value + "\n";
    signed_names += (signed_names.empty() ? "" : ";") + name;
  }
  const std::string canonical = input.method + "\n" + input.path + "\n" + EncodeQuery(input.query) +
                                "\n" + canonical_headers + "\n" + signed_names + "\n" +
                                input.payload_hash;
  const std::string date = amz_date.substr(0, 8);
  const std::string scope = date + "/" + input.region + "/" + input.service + "/aws4_request";
  const std::string to_sign = "AWS4-HMAC-SHA256\n" + amz_date + "\n" + scope + "\n" +
                              hash::ToHex(hash::Sha256(AsBytes(canonical)));
  hash::Sha256Digest key =
      hash::HmacSha256(AsBytes("AWS4" + credentials.secret_key), AsBytes(date));
  for (const std::string& step : {input.region, input.service, std::string("aws4_request")}) {
    key = hash::HmacSha256(key, AsBytes(step));
  }
  return "AWS4-HMAC-SHA256 Credential=" + credentials.access_key + "/" + scope +
         ",SignedHeaders=" + signed_names +
         ",Signature=" + hash::ToHex(hash::HmacSha256(key, AsBytes(to_sign)));
}

}  // namespace varve::store
