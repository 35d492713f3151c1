#include "varve/store/s3/signing/sigv4.h"

#include <algorithm>

namespace varve::store {
namespace {

constexpr char kAlgorithm[] = "AWS4-HMAC-SHA256";

// Without spaces at the ends; inside, a run of spaces is one.
std::string Trimmed(std::string_view value) {
  std::string trimmed;
  trimmed.reserve(value.size());
  for (const char letter : value) {
    const bool space = letter == ' ' || letter == '\t' || letter == '\r' || letter == '\n';
    if (!space)
      trimmed += letter;
    else if (!trimmed.empty() && trimmed.back() != ' ')
      trimmed += ' ';
  }
  if (trimmed.ends_with(' ')) trimmed.pop_back();
  return trimmed;
}

std::string Lower(std::string_view text) {
  std::string lower(text);
  for (char& letter : lower) {
    if (letter >= 'A' && letter <= 'Z') letter = static_cast<char>(letter + 32);
  }
  return lower;
}

// What of the headers is signed: lines by lower-case name, the values of one name in their order,
// and the names.
struct SignedHeaders {
  std::string lines, names;
};

SignedHeaders SignedOf(const Pairs& headers) {
  Pairs sorted;
  sorted.reserve(headers.size());
  for (const auto& [name, value] : headers) sorted.emplace_back(Lower(name), Trimmed(value));
  std::stable_sort(sorted.begin(), sorted.end(),
                   [](const auto& a, const auto& b) { return a.first < b.first; });
  SignedHeaders result;
  for (size_t at = 0; at < sorted.size();) {
    const std::string& name = sorted[at].first;
    result.names.append(at == 0 ? "" : ";").append(name);
    result.lines.append(name).append(":").append(sorted[at].second);
    for (++at; at < sorted.size() && sorted[at].first == name; ++at)
      result.lines.append(",").append(sorted[at].second);
    result.lines.append("\n");
  }
  return result;
}

std::string CanonicalText(const SigningInput& input, const SignedHeaders& headers) {
  return input.method + "\n" + input.path + "\n" + EncodeQuery(input.query) + "\n" + headers.lines +
         "\n" + headers.names + "\n" + input.payload_hash;
}

std::string Scope(const SigningInput& input) {
  return input.amz_date.substr(0, 8) + "/" + input.region + "/" + input.service + "/aws4_request";
}

std::string Signature(const SigningInput& input, const SignedHeaders& headers,
                      const hash::Sha256Digest& key) {
  const std::string to_sign = std::string(kAlgorithm) + "\n" + input.amz_date + "\n" +
                              Scope(input) + "\n" +
                              hash::ToHex(hash::Sha256(AsBytes(CanonicalText(input, headers))));
  return hash::ToHex(hash::HmacSha256(key, AsBytes(to_sign)));
}

}  // namespace

std::string UriEncode(std::string_view text, bool keep_slash) {
  constexpr char kHex[] = "0123456789ABCDEF";
  std::string encoded;
  encoded.reserve(text.size());
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

std::string EncodeQuery(const Pairs& query) {
  Pairs encoded;
  for (const auto& [name, value] : query)
    encoded.emplace_back(UriEncode(name, false), UriEncode(value, false));
  std::sort(encoded.begin(), encoded.end());
  std::string text;
  for (const auto& [name, value] : encoded) text += (text.empty() ? "" : "&") + name + "=" + value;
  return text;
}

std::string CanonicalRequest(const SigningInput& input) {
  return CanonicalText(input, SignedOf(input.headers));
}

hash::Sha256Digest SigningKey(const SigningInput& input, const Secret& secret_key) {
  const Secret first("AWS4" + std::string(secret_key.Reveal()));
  hash::Sha256Digest key =
      hash::HmacSha256(AsBytes(first.Reveal()), AsBytes(input.amz_date.substr(0, 8)));
  for (const std::string_view step :
       {std::string_view(input.region), std::string_view(input.service),
        std::string_view("aws4_request")}) {
    key = hash::HmacSha256(key, AsBytes(step));
  }
  return key;
}

std::string Authorization(const SigningInput& input, const std::string& access_key,
                          const hash::Sha256Digest& signing_key) {
  const SignedHeaders headers = SignedOf(input.headers);
  return std::string(kAlgorithm) + " Credential=" + access_key + "/" + Scope(input) +
         ",SignedHeaders=" + headers.names + ",Signature=" + Signature(input, headers, signing_key);
}

std::string Authorization(const SigningInput& input, const Credentials& credentials) {
  return Authorization(input, credentials.access_key, SigningKey(input, credentials.secret_key));
}

Secret PresignedQuery(SigningInput input, const Credentials& credentials, uint32_t ttl_s) {
  const SignedHeaders headers = SignedOf(input.headers);
  input.query.emplace_back("X-Amz-Algorithm", kAlgorithm);
  input.query.emplace_back("X-Amz-Credential", credentials.access_key + "/" + Scope(input));
  input.query.emplace_back("X-Amz-Date", input.amz_date);
  input.query.emplace_back("X-Amz-Expires", std::to_string(ttl_s));
  input.query.emplace_back("X-Amz-SignedHeaders", headers.names);
  if (!credentials.session_token.empty()) {
    input.query.emplace_back("X-Amz-Security-Token", credentials.session_token.Reveal());
  }
  const std::string signature =
      Signature(input, headers, SigningKey(input, credentials.secret_key));
  return EncodeQuery(input.query) + "&X-Amz-Signature=" + signature;
}

}  // namespace varve::store
