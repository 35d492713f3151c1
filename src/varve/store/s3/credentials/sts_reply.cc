#include "varve/store/s3/credentials/sts_reply.h"

#include <algorithm>
#include <pugixml.hpp>

#include "varve/store/s3/credentials/credential_json.h"
#include "varve/store/s3/signing/times.h"

namespace varve::store {
namespace {

constexpr size_t kErrorCodeBytesMax = 64;

bool Load(pugi::xml_document& document, std::string_view xml) {
  return xml.size() <= kCredentialReplyBytesMax && document.load_buffer(xml.data(), xml.size());
}

}  // namespace

Result<Credentials> ParseStsReply(std::string_view xml) {
  const Error bad(ErrorCode::kUnavailable, "the answer of STS holds no credentials");
  pugi::xml_document document;
  if (!Load(document, xml)) return bad;
  const pugi::xml_node response = document.document_element();
  const pugi::xml_node found = response.first_child().child("Credentials");
  Credentials credentials;
  credentials.access_key = found.child_value("AccessKeyId");
  credentials.secret_key = found.child_value("SecretAccessKey");
  credentials.session_token = found.child_value("SessionToken");
  credentials.expires_ms = ParseIsoTime(found.child_value("Expiration"));
  if (credentials.access_key.empty() || credentials.secret_key.empty() ||
      credentials.session_token.empty() || credentials.expires_ms == 0) {
    return bad;
  }
  VARVE_CHECK_OK(CheckCredentials(credentials));
  return credentials;
}

std::string StsErrorCode(std::string_view xml) {
  pugi::xml_document document;
  if (!Load(document, xml)) return "";
  std::string code = document.document_element().child("Error").child_value("Code");
  code.resize(std::min(code.size(), kErrorCodeBytesMax));
  std::erase_if(code, [](char letter) { return letter <= 0x20 || letter >= 0x7f; });
  return code;
}

}  // namespace varve::store
