#include "varve/testing/fake_s3/check_request.h"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <ctime>

#include "varve/hash/hash.h"
#include "varve/store/s3/checksum.h"
#include "varve/store/s3/md5.h"

namespace varve::fake {
namespace {

constexpr int64_t kSkewMaxMs = 15 * 60 * 1000;

std::vector<std::string> Split(const std::string& text, char separator) {
  std::vector<std::string> parts;
  size_t start = 0;
  for (size_t at; (at = text.find(separator, start)) != std::string::npos; start = at + 1) {
    parts.push_back(text.substr(start, at - start));
  }
  parts.push_back(text.substr(start));
  return parts;
}

std::string Between(const std::string& text, const std::string& start) {
  const size_t at = text.find(start);
  if (at == std::string::npos) return "";
  const size_t from = at + start.size();
  return text.substr(from, text.find_first_of(", ", from) - from);
}

// The parameters as they came, sorted; "a" stands for "a=".
std::string CanonicalQuery(const std::string& target) {
  const size_t mark = target.find('?');
  if (mark == std::string::npos) return "";
  std::vector<std::string> parts = Split(target.substr(mark + 1), '&');
  for (std::string& part : parts) {
    if (part.find('=') == std::string::npos) part += '=';
  }
  std::sort(parts.begin(), parts.end());
  std::string joined;
  for (const std::string& part : parts) joined += (joined.empty() ? "" : "&") + part;
  return joined;
}

bool MustBeSigned(const std::string& name) {
  return name.starts_with("x-amz-") || name == "host" || name == "content-type" ||
         name == "content-md5" || name == "range" || name == "if-match" || name == "if-none-match";
}

// The value of a query parameter as it came, decoded.
std::string Parameter(const std::string& target, const std::string& name) {
  for (const std::string& part :
       Split(target.substr(std::min(target.size(), target.find('?') + 1)), '&')) {
    if (part.starts_with(name + "="))
      return PercentDecode(part.substr(name.size() + 1)).value_or("");
  }
  return "";
}

std::string BodyRefusal(const HttpRequest& request) {
  const std::string payload = Header(request, "x-amz-content-sha256");
  if (payload != "UNSIGNED-PAYLOAD" && payload != hash::ToHex(hash::Sha256(request.body))) {
    return "XAmzContentSHA256Mismatch";
  }
  const std::string md5 = Header(request, "content-md5");
  if (!md5.empty() && md5 != hash::ToBase64(store::Md5(request.body))) return "BadDigest";
  if (request.method == "POST") return "";  // Of a completion the others are the object's.
  const std::string crc32c = Header(request, "x-amz-checksum-crc32c");
  const store::Sum sum = store::SumOf(store::Checksum::kCrc32c, request.body);
  if (!crc32c.empty() && crc32c != sum.value) return "BadDigest";
  const std::string crc = Header(request, "x-amz-checksum-crc64nvme");
  return crc.empty() || crc == Crc64NvmeText(request.body) ? "" : "BadDigest";
}

}  // namespace

std::string Header(const HttpRequest& request, const std::string& name) {
  const auto found = request.headers.find(name);
  return found == request.headers.end() ? "" : found->second;
}

std::string Crc64NvmeText(ByteView body) {
  std::array<std::byte, 8> bytes;
  const uint64_t value = hash::Crc64Nvme(body);
  for (size_t i = 0; i < 8; ++i) bytes[i] = static_cast<std::byte>(value >> (56 - 8 * i));
  return hash::ToBase64(bytes);
}

std::optional<std::string> PercentDecode(std::string_view text) {
  std::string decoded;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      decoded += text[i];
      continue;
    }
    if (text.size() - i < 3) return std::nullopt;
    const std::string digits(text.substr(i + 1, 2));
    char* end = nullptr;
    decoded += static_cast<char>(std::strtol(digits.c_str(), &end, 16));
    if (end != digits.c_str() + 2) return std::nullopt;
    i += 2;
  }
  return decoded;
}

namespace {

// Of a URL that carries its signature.
std::string PresignedRefusal(const HttpRequest& request, const std::string& access_key,
                             const std::string& secret_key, const std::string& region,
                             int64_t wall_ms) {
  const std::string date = Parameter(request.target, "X-Amz-Date");
  const std::string scope = date.substr(0, 8) + "/" + region + "/s3/aws4_request";
  if (Parameter(request.target, "X-Amz-Credential") != access_key + "/" + scope)
    return "AccessDenied";
  std::tm utc{};
  if (strptime(date.c_str(), "%Y%m%dT%H%M%SZ", &utc) == nullptr) return "AccessDenied";
  const int64_t age_ms = wall_ms - int64_t{timegm(&utc)} * 1000;
  if (age_ms < -kSkewMaxMs ||
      age_ms > 1000 * std::atoll(Parameter(request.target, "X-Amz-Expires").c_str()))
    return "AccessDenied";
  std::string query = CanonicalQuery(request.target);
  const std::string given = Parameter(request.target, "X-Amz-Signature");
  const size_t at = query.find("X-Amz-Signature=");
  const size_t end = std::min(query.size(), query.find('&', at) + 1);
  query.erase(at, query.find('&', at) == std::string::npos ? std::string::npos : end - at);
  if (query.ends_with('&')) query.pop_back();
  if (Parameter(request.target, "X-Amz-SignedHeaders") != "host") return "AccessDenied";
  const std::string canonical = request.method + "\n" +
                                request.target.substr(0, request.target.find('?')) + "\n" + query +
                                "\nhost:" + Header(request, "host") + "\n\nhost\nUNSIGNED-PAYLOAD";
  const std::string to_sign = "AWS4-HMAC-SHA256\n" + date + "\n" + scope + "\n" +
                              hash::ToHex(hash::Sha256(AsBytes(canonical)));
  const std::string first = "AWS4" + secret_key;
  hash::Sha256Digest key = hash::HmacSha256(AsBytes(first), AsBytes(date.substr(0, 8)));
  for (const std::string_view step :
       {std::string_view(region), std::string_view("s3"), std::string_view("aws4_request")}) {
    key = hash::HmacSha256(key, AsBytes(step));
  }
  return hash::ToHex(hash::HmacSha256(key, AsBytes(to_sign))) == given ? ""
                                                                       : "SignatureDoesNotMatch";
}

}  // namespace

std::string Refusal(const HttpRequest& request, const std::string& access_key,
                    const std::string& secret_key, const std::string& region, int64_t wall_ms) {
  if (request.target.find("X-Amz-Signature=") != std::string::npos)
    return PresignedRefusal(request, access_key, secret_key, region, wall_ms);
  const std::string authorization = Header(request, "authorization");
  const std::string amz_date = Header(request, "x-amz-date");
  if (!authorization.starts_with("AWS4-HMAC-SHA256 ") || amz_date.size() != 16)
    return "AccessDenied";
  const std::string credential = Between(authorization, "Credential=");
  const std::string scope =
      credential.substr(std::min(credential.size(), credential.find('/') + 1));
  if (credential.substr(0, credential.find('/')) != access_key) return "InvalidAccessKeyId";
  if (scope != amz_date.substr(0, 8) + "/" + region + "/s3/aws4_request")
    return "AuthorizationHeaderMalformed";
  std::tm utc{};
  if (strptime(amz_date.c_str(), "%Y%m%dT%H%M%SZ", &utc) == nullptr) return "AccessDenied";
  if (std::abs(int64_t{timegm(&utc)} * 1000 - wall_ms) > kSkewMaxMs) return "RequestTimeTooSkewed";

  const std::string signed_names = Between(authorization, "SignedHeaders=");
  const std::vector<std::string> names = Split(signed_names, ';');
  if (!std::is_sorted(names.begin(), names.end())) return "SignatureDoesNotMatch";
  for (const auto& [name, value] : request.headers) {
    if (MustBeSigned(name) && std::find(names.begin(), names.end(), name) == names.end())
      return "AccessDenied";
  }
  std::string canonical = request.method + "\n" +
                          request.target.substr(0, request.target.find('?')) + "\n" +
                          CanonicalQuery(request.target) + "\n";
  for (const std::string& name : names) canonical += name + ":" + Header(request, name) + "\n";
  canonical += "\n" + signed_names + "\n" + Header(request, "x-amz-content-sha256");
  const std::string to_sign = "AWS4-HMAC-SHA256\n" + amz_date + "\n" + scope + "\n" +
                              hash::ToHex(hash::Sha256(AsBytes(canonical)));
  const std::string first = "AWS4" + secret_key;
  hash::Sha256Digest key = hash::HmacSha256(AsBytes(first), AsBytes(amz_date.substr(0, 8)));
  for (const std::string_view step :
       {std::string_view(region), std::string_view("s3"), std::string_view("aws4_request")}) {
    key = hash::HmacSha256(key, AsBytes(step));
  }
  if (hash::ToHex(hash::HmacSha256(key, AsBytes(to_sign))) !=
      Between(authorization, "Signature=")) {
    return "SignatureDoesNotMatch";
  }
  return BodyRefusal(request);
}

}  // namespace varve::fake
