// What one hostile input does to the readers of the S3 store: answers in XML, credential files and
// replies, and the texts that are signed. Included by targets.h.
#pragma once

#include <algorithm>
#include <string>

#include "varve/base/bytes.h"
#include "varve/store/s3/credentials/credential_json.h"
#include "varve/store/s3/credentials/ini.h"
#include "varve/store/s3/credentials/run_command.h"
#include "varve/store/s3/credentials/sts_reply.h"
#include "varve/store/s3/encoding.h"
#include "varve/store/s3/endpoint.h"
#include "varve/store/s3/replies.h"
#include "varve/store/s3/signing/sigv4.h"
#include "varve/store/s3/signing/times.h"

namespace varve::fuzz {

void Require(bool condition, const char* what);

inline bool OnOneLine(const std::string& text) {
  for (const char letter : text) {
    if (static_cast<unsigned char>(letter) < 0x20 || letter == 0x7f) return false;
  }
  return true;
}

inline void FuzzS3Replies(ByteView input) {
  const std::string_view xml = AsText(input);
  const store::ErrorReply error = store::ParseError(xml);
  Require(OnOneLine(error.code + error.message + error.region + error.endpoint),
          "foreign text stays on its line");
  if (const auto listing = store::ParseListing(xml); listing.has_value()) {
    for (const auto& each : listing->keys) Require(!each.key.empty(), "a key has letters");
  }
  if (const auto told = store::ParseDeleted(xml); told.has_value()) {
    for (const auto& [key, each] : *told) Require(OnOneLine(each.code), "one line");
  }
  if (const auto id = store::ParseUploadId(xml); id.has_value())
    Require(!id->empty() && OnOneLine(*id), "an upload has a name");
  static_cast<void>(store::ParseCompleted(xml));
  if (const auto parts = store::ParseParts(xml); parts.has_value()) {
    for (const auto& each : parts->parts)
      Require(each.number >= 1 && each.number <= 10'000 && store::ValidEtag(each.etag),
              "a part can be completed");
  }
  if (const auto uploads = store::ParseUploads(xml); uploads.has_value())
    Require(!uploads->truncated || !uploads->next_key.empty(), "a cut list says where it goes on");
}

inline void FuzzS3Credentials(ByteView input) {
  const std::string_view text = AsText(input);
  static_cast<void>(store::ParseIni(text));
  static_cast<void>(store::SplitCommand(std::string(text)));
  static_cast<void>(store::StsErrorCode(text));
  for (const auto parse : {store::ParseEndpointCredentials, store::ParseProcessCredentials,
                           store::ParseSsoCredentials, store::ParseStsReply}) {
    const auto found = parse(text);
    if (!found.ok()) continue;
    Require(store::CheckCredentials(*found).ok() && !found->access_key.empty() &&
                !found->secret_key.empty(),
            "accepted credentials can be sent");
  }
  if (const auto token = store::ParseSsoToken(text); token.ok())
    Require(!token->access_token.empty() && token->expires_ms != 0, "a token is whole");
}

// Lines: the path, then "name=value" of the query; the whole also as an endpoint and as times.
inline void FuzzS3Signing(ByteView input) {
  const std::string text(AsText(input));
  const std::string path = text.substr(0, text.find('\n'));
  store::SigningInput signing;
  signing.method = "GET";
  signing.path = store::UriEncode(path, true);
  signing.region = "r";
  signing.amz_date = "20130524T000000Z";
  signing.payload_hash = "UNSIGNED-PAYLOAD";
  for (size_t at = path.size(); at < text.size();) {
    const size_t end = std::min(text.find('\n', at + 1), text.size());
    const std::string line = text.substr(at + 1, end - at - 1);
    const size_t equals = std::min(line.find('='), line.size());
    signing.query.emplace_back(line.substr(0, equals),
                               line.substr(std::min(line.size(), equals + 1)));
    signing.headers.emplace_back("x-amz-meta-" + std::to_string(at), line);
    at = end;
  }
  const auto decoded = store::PercentDecode(signing.path);
  Require(decoded.has_value() && *decoded == path, "an encoded path leads back");
  Require(signing.path.find_first_of(" ?#&\r\n") == std::string::npos, "a path ends nowhere else");
  const std::string query = store::EncodeQuery(signing.query);
  Require(query.find_first_of(" #/\r\n") == std::string::npos, "a query ends nowhere else");
  size_t lines = 0;
  for (const char letter : store::CanonicalRequest(signing)) lines += letter == '\n' ? 1 : 0;
  Require(lines == 5 + signing.headers.size(), "no value adds a line to what is signed");
  if (store::CheckEndpoint(text).ok()) {
    const std::string host = store::HostOf(text);
    Require(!host.empty() && host.find_first_of("/@?# \n") == std::string::npos,
            "an endpoint has a host and no more");
  }
  for (const int64_t time : {store::ParseHttpDate(text), store::ParseIsoTime(text)}) {
    if (time != 0) Require(store::AmzDate(time).size() == 16, "a time has a spelling");
  }
  if (const auto raw = store::DecodeBase64(text); raw.has_value())
    Require(raw->size() <= text.size(), "base64 grows nothing");
}

}  // namespace varve::fuzz
