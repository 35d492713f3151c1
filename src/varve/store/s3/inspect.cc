// What the doctor asks of an S3 service beyond the seam. Every answer is foreign: judged by status
// and shape, and quoted by no more than a word.
#include <pugixml.hpp>

#include "varve/base/clock.h"
#include "varve/hash/hash.h"
#include "varve/store/s3/client.h"
#include "varve/store/s3/endpoint.h"
#include "varve/store/s3/held_races.h"
#include "varve/store/s3/lifecycle.h"
#include "varve/store/s3/md5.h"
#include "varve/store/s3/s3_error.h"
#include "varve/store/s3/s3_store.h"

namespace varve::store {
namespace {

class S3Inspector {
 public:
  // A client of its own: what odd requests are refused for must teach the store's client nothing.
  S3Inspector(const S3Config& config, const OpContext& ctx, const Key& scratch)
      : config_(config), client_(config), ctx_(ctx), scratch_(scratch.str()) {}

  std::vector<Fact> Run() {
    Transport();
    Bucket();
    Settings();
    Checksums();
    EtagForms();
    Conditions();
    for (Fact& fact : HeldRaces(ctx_, client_, scratch_, RaceLength::kFull))
      facts_.push_back(std::move(fact));
    Multipart();
    for (const char* name : {"public", "checksum", "etag", "deleted", "multipart"})
      Send("DELETE", scratch_ + "/" + name, {}, {});
    return std::move(facts_);
  }

 private:
  // The status, 0 when there was no answer.
  int Send(const char* method, const std::string& key, Pairs query, Pairs headers,
           std::string_view body = {}) {
    const Call call{.method = method,
                    .key = key,
                    .query = std::move(query),
                    .headers = std::move(headers),
                    .body = AsBytes(body)};
    auto answer = client_.Send(ctx_, call);
    reply_ = answer.ok() ? std::move(answer->reply) : http::Reply{};
    return reply_.status;
  }
  int Put(const std::string& name, Pairs headers = {}, std::string_view body = "varve probe") {
    return Send("PUT", scratch_ + "/" + name, {}, std::move(headers), body);
  }
  pugi::xml_node Root(const char* name) {
    document_.reset();
    static_cast<void>(document_.load_buffer(reply_.body.data(), reply_.body.size()));
    return document_.child(name);
  }
  void Add(std::string check, std::string outcome, std::string evidence) {
    facts_.push_back({std::move(check), std::move(outcome), std::move(evidence)});
  }
  std::string Answer() const {
    const std::string code = S3Code(reply_);
    if (reply_.status == 0) return "no answer";
    return std::to_string(reply_.status) + (code.empty() ? "" : " " + code);
  }

  void Transport();
  void Bucket();
  void Settings();
  void Lifecycle(bool versioned);
  void Checksums();
  void EtagForms();
  void Conditions();
  void Multipart();
  std::string StartUpload(const std::string& key);

  const S3Config config_;
  Client client_;
  const OpContext& ctx_;
  const std::string scratch_;
  http::Reply reply_;
  pugi::xml_document document_;
  std::vector<Fact> facts_;
};

void S3Inspector::Transport() {
  const bool tls = EndpointOf(config_, config_.region).starts_with("https://");
  const bool near = !tls && IsLoopback(HostOf(EndpointOf(config_, config_.region)));
  Add("transport", tls || near ? "ok" : "plain",
      tls    ? "https, certificate checked"
      : near ? "plain http on this machine"
             : "plain http");
}

void S3Inspector::Bucket() {
  Send("HEAD", "", {}, {});
  const std::string region = reply_.Header("x-amz-bucket-region");
  Add("region", region.empty() || region == config_.region ? "ok" : "differs",
      region.empty() ? "the service does not say"
                     : "the bucket is in the region that is asked for");
  // Asked without a signature: an answer with the bytes is for anyone.
  if (Put("public") != 200) return;
  http::Request request;
  request.method = "GET";
  const Target target = TargetOf(config_, config_.region, scratch_ + "/public");
  request.url = target.scheme + target.host + target.path;
  http::TransportOptions options;
  options.ca_bundle = config_.ca_bundle;
  const auto open = http::Transport(options).Send(ctx_, request);
  const bool read = open.ok() && open->status == 200;
  Add("public.read", read ? "open" : "ok",
      read ? "an unsigned request reads an object"
           : "an unsigned request is refused" +
                 (open.ok() ? " (" + std::to_string(open->status) + ")" : std::string()));
  if (Send("GET", "", {{"policyStatus", ""}}, {}) == 200) {
    const bool is_public = std::string_view(Root("PolicyStatus").child_value("IsPublic")) == "true";
    Add("public.policy", is_public ? "open" : "ok",
        is_public ? "the bucket's policy lets anyone in" : "the bucket's policy is not public");
  }
  // A server that does not know a sub-resource may answer as if it had not been asked for.
  const int status = Send("GET", scratch_ + "/public", {{"attributes", ""}},
                          {{"x-amz-object-attributes", "ObjectSize"}});
  const bool shaped =
      status != 200 || Root("GetObjectAttributesResponse") || Root("GetObjectAttributesOutput");
  Add("subresource", shaped ? "ok" : "ignored",
      shaped ? "?attributes is answered or refused: " + Answer()
             : "?attributes is answered with the object itself");
}

void S3Inspector::Settings() {
  bool versioned = false;
  if (Send("GET", "", {{"versioning", ""}}, {}) != 200) {
    Add("versioning", reply_.status == 403 ? "denied" : "unsupported", Answer());
  } else {
    const pugi::xml_node root = Root("VersioningConfiguration");
    const std::string_view state = root.child_value("Status");
    versioned = state == "Enabled";
    Add("versioning",
        !root                  ? "unsupported"
        : versioned            ? "ok"
        : state == "Suspended" ? "suspended"
                               : "off",
        !root       ? "the answer is none"
        : versioned ? "on: overwritten and deleted objects can be brought back"
                    : "deleted objects are gone at once");
  }
  if (Send("GET", "", {{"object-lock", ""}}, {}) == 200) {
    const pugi::xml_node root = Root("ObjectLockConfiguration");
    const bool keeps = root.child("Rule").child("DefaultRetention");
    Add("object_lock", keeps ? "default retention" : "ok",
        keeps  ? "new objects are kept by a default retention"
        : root ? "locks are possible, none by default"
               : "none");
  } else {
    Add("object_lock", "ok", "none (" + Answer() + ")");
  }
  Lifecycle(versioned);
}

void S3Inspector::Lifecycle(bool versioned) {
  const int status = Send("GET", "", {{"lifecycle", ""}}, {});
  LifecycleEffect effect;
  if (status == 200) effect = EffectOfLifecycle(AsText(reply_.body), config_.prefix + "/");
  if (status == 403) {
    Add("lifecycle", "denied", Answer());
    return;
  }
  if (status != 200 || !effect.readable) {
    Add("lifecycle", status == 404 || status == 200 ? "ok" : "unsupported",
        "no rules (" + Answer() + ")");
  } else if (!effect.expires.empty()) {
    Add("lifecycle", "expires",
        "rule '" + effect.expires + "' deletes objects below the lake's prefix");
  } else if (!effect.moves.empty()) {
    Add("lifecycle", "moves", "rule '" + effect.moves + "' moves objects to another storage class");
  } else {
    Add("lifecycle", "ok", "no rule deletes or moves objects below the lake's prefix");
  }
  Add("multipart.abort_rule", effect.aborts_uploads ? "ok" : "absent",
      effect.aborts_uploads ? "a rule ends uploads that were left"
                            : "no rule ends uploads that were left");
  if (versioned) {
    Add("versioning.expiry", effect.expires_noncurrent ? "ok" : "absent",
        effect.expires_noncurrent ? "a rule ends old versions" : "no rule ends old versions");
  }
}

void S3Inspector::Checksums() {
  const std::string wrong64 = hash::ToBase64(AsBytes("12345678"));
  const std::string wrong32 = hash::ToBase64(AsBytes("1234"));
  const std::string wrong_md5 = hash::ToBase64(Md5(AsBytes("another body")));
  bool any = false;
  const auto check = [&](const char* name, const char* header, const std::string& value) {
    const int status = Put("checksum", {{header, value}});
    const std::string code = S3Code(reply_);
    const bool refused = code == "BadDigest" || code == "InvalidDigest" ||
                         code == "XAmzContentChecksumMismatch" || (status == 400 && code.empty()) ||
                         code == "InvalidRequest" || code == "InvalidArgument";
    any = any || refused;
    Add(name,
        refused         ? "ok"
        : status == 200 ? "ignored"
                        : "unsupported",
        "a body with a wrong checksum: " + (status == 200 ? "accepted" : Answer()));
  };
  check("checksum.crc64nvme", "x-amz-checksum-crc64nvme", wrong64);
  check("checksum.crc32c", "x-amz-checksum-crc32c", wrong32);
  check("checksum.md5", "content-md5", wrong_md5);
  Add("checksum.any", any ? "ok" : "ignored",
      any ? "damage on the way in is refused" : "damage on the way in is not noticed");
  Put("checksum");
  Send("HEAD", scratch_ + "/checksum", {}, {{"x-amz-checksum-mode", "ENABLED"}});
  bool told = false;
  for (const char* name : {"crc64nvme", "crc32c", "crc32", "sha256"})
    told = told || !reply_.Header(std::string("x-amz-checksum-") + name).empty();
  Add("checksum.asked_back", told ? "ok" : "absent",
      told ? "the service gives an object's checksum when asked"
           : "the service gives no checksum when asked");
}

void S3Inspector::EtagForms() {
  if (Put("etag") != 200) return;
  std::string etag = reply_.Header("etag");
  if (etag.empty()) return;
  if (etag.front() != '"') etag = '"' + etag + '"';
  const int status = Put("etag", {{"if-match", etag}}, "varve probe, swapped");
  Add("etag.quoted", status == 200 ? "ok" : "refused",
      "If-Match with the etag in quotes: " + Answer());
}

void S3Inspector::Conditions() {
  if (Put("deleted") != 200) return;
  const int status = Send("DELETE", scratch_ + "/deleted", {},
                          {{"if-match", "\"00000000000000000000000000000000\""}});
  const bool kept = Send("HEAD", scratch_ + "/deleted", {}, {}) == 200;
  Add("delete.if_match", kept ? "ok" : "ignored",
      "a delete with an old etag: " + std::to_string(status) + (kept ? ", kept" : ", deleted"));
}

std::string S3Inspector::StartUpload(const std::string& key) {
  if (Send("POST", key, {{"uploads", ""}}, {}) != 200) return "";
  return Root("InitiateMultipartUploadResult").child_value("UploadId");
}

void S3Inspector::Multipart() {
  const std::string key = scratch_ + "/multipart";
  const std::string body = "varve probe: a part";
  // Runs an upload of one part to its completion on the given condition.
  const auto upload = [&](const Pairs& condition) -> int {
    const std::string id = StartUpload(key);
    if (id.empty()) return 0;
    Send("PUT", key, {{"partNumber", "1"}, {"uploadId", id}}, {}, body);
    std::string etag = reply_.Header("etag");
    const std::string xml = "<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>" +
                            etag + "</ETag></Part></CompleteMultipartUpload>";
    int status = Send("POST", key, {{"uploadId", id}}, condition, xml);
    if (status == 200 && !Root("CompleteMultipartUploadResult")) status = 500;
    const http::Reply answer = reply_;
    if (status != 200) Send("DELETE", key, {{"uploadId", id}}, {});
    reply_ = answer;
    return status;
  };
  const int plain = upload({});
  if (plain == 0) {
    Add("multipart", "unsupported", "an upload in parts cannot be begun: " + Answer());
    return;
  }
  const bool same = plain == 200 && Send("GET", key, {}, {}) == 200 && AsText(reply_.body) == body;
  Add("multipart", same ? "ok" : "broken",
      "an upload of one part " + std::string(same ? "reads back" : "does not read back"));
  for (const auto& [check, condition] :
       {std::pair<const char*, Pairs>{"complete.if_none_match", {{"if-none-match", "*"}}},
        std::pair<const char*, Pairs>{"complete.if_match",
                                      {{"if-match", "00000000000000000000000000000000"}}}}) {
    const int status = upload(condition);
    Add(check, status == 200 ? "ignored" : "ok",
        "a completion over an object that is there: " + Answer());
  }
  if (Send("GET", "", {{"uploads", ""}, {"max-uploads", "1000"}, {"prefix", config_.prefix + "/"}},
           {}) != 200)
    return;
  size_t left = 0;
  const pugi::xml_node root = Root("ListMultipartUploadsResult");
  for (const pugi::xml_node each : root.children("Upload")) {
    static_cast<void>(each);
    ++left;
  }
  Add("multipart.incomplete", left == 0 ? "ok" : "found",
      std::to_string(left) + " uploads below the lake's prefix were begun and not ended");
}

}  // namespace

std::vector<Fact> S3Store::Inspect(const OpContext& ctx, const Key& scratch, InspectScope scope) {
  if (scope == InspectScope::kRaces) {
    Client client(client_.config());
    return HeldRaces(ctx.WithTimeout(kBriefRacesMs), client, scratch.str(), RaceLength::kBrief);
  }
  return S3Inspector(client_.config(), ctx, scratch).Run();
}

}  // namespace varve::store
