#include "varve/store/s3/client.h"

#include <algorithm>
#include <utility>

#include "varve/hash/hash.h"
#include "varve/store/s3/encoding.h"
#include "varve/store/s3/endpoint.h"
#include "varve/store/s3/md5.h"
#include "varve/store/s3/replies.h"
#include "varve/store/s3/s3_error.h"
#include "varve/store/s3/signing/times.h"

namespace varve::store {
namespace {

constexpr char kUnsigned[] = "UNSIGNED-PAYLOAD";

bool HasBody(const Call& call) { return call.method == "PUT" || call.method == "POST"; }

bool CarriesSum(Role role) { return role == Role::kWrite || role == Role::kPart; }

void AddCustomerKey(const Secret& key, Pairs& headers) {
  const ByteView bytes = AsBytes(key.Reveal());
  headers.emplace_back("x-amz-server-side-encryption-customer-algorithm", "AES256");
  headers.emplace_back("x-amz-server-side-encryption-customer-key", hash::ToBase64(bytes));
  headers.emplace_back("x-amz-server-side-encryption-customer-key-md5", hash::ToBase64(Md5(bytes)));
}

void AddWriteHeaders(const S3Config& config, Pairs& headers) {
  const auto add = [&](const char* name, const std::string& value) {
    if (!value.empty()) headers.emplace_back(name, value);
  };
  add("x-amz-storage-class", config.storage_class);
  add("x-amz-server-side-encryption", config.sse);
  add("x-amz-server-side-encryption-aws-kms-key-id", config.kms_key_id);
  add("x-amz-server-side-encryption-context", config.kms_context);
  if (config.bucket_key)
    headers.emplace_back("x-amz-server-side-encryption-bucket-key-enabled", "true");
}

// A refusal may quote the request that it refuses; what was secret in it goes no further.
void Scrub(std::string_view secret, http::Reply& reply) {
  if (secret.size() < 8) return;
  const auto clean = [&](std::string& text) {
    for (size_t at = 0; (at = text.find(secret, at)) != std::string::npos;)
      text.replace(at, secret.size(), "[secret]");
  };
  std::string body(AsText(reply.body));
  clean(body);
  const ByteView cleaned = AsBytes(body);
  reply.body.assign(cleaned.begin(), cleaned.end());
  for (auto& [name, value] : reply.headers) clean(value);
}

}  // namespace

struct Client::Trial {
  Learned now;
  std::shared_ptr<const Credentials> credentials;
  int region_hops = 0;
  bool clock = false, renewed = false, asked = false;
};

Client::Client(S3Config config)
    : config_(std::move(config)),
      credentials_(!config_.credentials.access_key.empty() || config_.credential_source == nullptr
                       ? CredentialCache::Fixed(config_.credentials)
                       : config_.credential_source),
      transport_({.ca_bundle = config_.ca_bundle,
                  .first_answer_ms = config_.first_answer_ms,
                  .resolve = {}}) {
  learned_.region = config_.region;
  learned_.checksum = config_.checksum;
  learned_.quoted_if_match = learned_.if_match_known = config_.quoted_if_match;
}

Client::Learned Client::learned() const {
  const std::lock_guard lock(mutex_);
  return learned_;
}
bool Client::quoted_if_match() const { return learned().quoted_if_match; }
bool Client::if_match_known() const { return learned().if_match_known; }
void Client::LearnIfMatchWorks() {
  const std::lock_guard lock(mutex_);
  learned_.if_match_known = true;
}
void Client::LearnQuotedIfMatch() {
  const std::lock_guard lock(mutex_);
  learned_.quoted_if_match = learned_.if_match_known = true;
}

Error Client::ErrorOf(const http::Reply& reply, const Call& call) const {
  Error error = S3Error(reply, call.method, call.key, config_.bucket);
  const std::string failure = credentials_->last_failure();
  if (error.code() == ErrorCode::kPermissionDenied && !failure.empty())
    error.Prefix("the credentials could not be renewed (" + failure + ")");
  return error;
}

Error Client::Malformed(const http::Reply& reply, const Call& call, const std::string& what) const {
  return std::move(Error(ErrorCode::kCorrupt, what)
                       .At(call.method, call.key)
                       .FromHttp(reply.status, OneLine(reply.Header("x-amz-request-id"))));
}

Pairs Client::HeadersOf(const Call& call, const Learned& now, const Sum& sum) const {
  Pairs headers = call.headers;
  if (HasBody(call)) headers.emplace_back("content-type", "application/octet-stream");
  if (!config_.expected_bucket_owner.empty())
    headers.emplace_back("x-amz-expected-bucket-owner", config_.expected_bucket_owner);
  if (config_.request_payer) headers.emplace_back("x-amz-request-payer", "requester");
  if (call.role == Role::kWrite || call.role == Role::kCreate) AddWriteHeaders(config_, headers);
  if (call.role != Role::kPlain && !config_.customer_key.empty())
    AddCustomerKey(config_.customer_key, headers);
  if (sum.kind != Checksum::kNone) headers.emplace_back(SumHeader(sum.kind), sum.value);
  if (call.role == Role::kCreate && *SumName(now.checksum) != '\0') {
    headers.emplace_back("x-amz-checksum-algorithm", SumName(now.checksum));
    headers.emplace_back("x-amz-checksum-type",
                         now.checksum == Checksum::kCrc64Nvme ? "FULL_OBJECT" : "COMPOSITE");
  }
  return headers;
}

hash::Sha256Digest Client::KeyFor(const SigningInput& input, const Secret& secret_key) const {
  const std::string scope = input.amz_date.substr(0, 8) + "/" + input.region;
  {
    const std::lock_guard lock(mutex_);
    if (signing_.scope == scope && signing_.secret_key == secret_key) return signing_.key;
  }
  const hash::Sha256Digest key = SigningKey(input, secret_key);
  const std::lock_guard lock(mutex_);
  signing_ = {scope, secret_key, key};
  return key;
}

http::Request Client::Build(const Call& call, const Learned& now, const Credentials& credentials,
                            int64_t wall_ms, const Sum& sum) const {
  const Target target = TargetOf(config_, now.region, call.key);
  SigningInput input;
  input.method = call.method;
  input.path = target.path;
  input.query = call.query;
  input.region = now.region;
  input.amz_date = AmzDate(wall_ms);
  input.payload_hash = config_.unsigned_payload ? kUnsigned : hash::ToHex(hash::Sha256(call.body));
  input.headers = HeadersOf(call, now, sum);
  input.headers.emplace_back("host", target.host);
  input.headers.emplace_back("x-amz-date", input.amz_date);
  input.headers.emplace_back("x-amz-content-sha256", input.payload_hash);
  if (!credentials.session_token.empty())
    input.headers.emplace_back("x-amz-security-token", credentials.session_token.Reveal());

  http::Request request;
  request.method = call.method;
  request.url = target.scheme + target.host + target.path;
  if (!call.query.empty()) request.url += "?" + EncodeQuery(call.query);
  request.headers.reserve(input.headers.size() + 1);
  request.headers.emplace_back(
      "Authorization",
      Authorization(input, credentials.access_key, KeyFor(input, credentials.secret_key)));
  for (auto& header : input.headers) request.headers.push_back(std::move(header));
  request.body = call.body;
  request.into = call.into;
  request.take = call.take.bytes();
  request.take_pipe = call.take.pipe();
  request.take_bytes = call.take_bytes;
  request.before_last_byte = call.before_last_byte;
  request.body_bytes_max = call.reply_bytes_max;
  request.id_header = "x-amz-request-id";
  return request;
}

// Whether the call is worth another sending; `trial` is changed for it.
Result<bool> Client::Apply(const OpContext& ctx, const Remedy& remedy, const Call& call,
                           Trial& trial) {
  switch (remedy.kind) {
    case Remedy::Kind::kNone:
      return false;
    case Remedy::Kind::kRegion:
      trial.now.region = remedy.region;
      return ++trial.region_hops <= kRegionHopsMax;
    case Remedy::Kind::kAskWhy: {
      if (std::exchange(trial.asked, true)) return false;
      Call list{.method = "GET", .key = ""};
      list.query = {{"list-type", "2"}, {"max-keys", "1"}, {"prefix", config_.prefix + "/"}};
      list.reply_bytes_max = kReplyBytesMax;
      VARVE_TRY(const Answer answer, Send(ctx, list));
      if (answer.reply.status != 200) return ErrorOf(answer.reply, call);
      return std::exchange(trial.now.region, learned().region) != learned().region;
    }
    case Remedy::Kind::kClock:
      trial.now.clock_offset_ms += remedy.clock_offset_ms;
      return !std::exchange(trial.clock, true);
    case Remedy::Kind::kCredentials: {
      if (std::exchange(trial.renewed, true)) return false;
      VARVE_TRY(const auto newer, credentials_->Renew(ctx, *trial.credentials));
      return *std::exchange(trial.credentials, newer) != *newer;
    }
    case Remedy::Kind::kChecksum:
      trial.now.checksum = remedy.checksum;
      return true;
  }
  return false;
}

Result<Answer> Client::Send(const OpContext& ctx, const Call& call, bool* maybe_sent) {
  if (maybe_sent != nullptr) *maybe_sent = false;
  Trial trial;
  trial.now = learned();
  auto found = credentials_->Get(ctx);
  if (!found.ok()) return std::move(found.error().At(call.method, call.key));
  trial.credentials = *found;
  Answer answer;
  for (int sends = 1;; ++sends) {
    answer.sum = CarriesSum(call.role) ? SumOf(trial.now.checksum, call.body) : Sum();
    const int64_t wall_ms = ctx.clock().WallMs() + trial.now.clock_offset_ms;
    http::Request request = Build(call, trial.now, *trial.credentials, wall_ms, answer.sum);
    request.once = maybe_sent != nullptr;
    auto reply = transport_.Send(ctx, request, maybe_sent);
    if (!reply.ok()) {
      Error& error = reply.error();
      if (error.http_status() != 0)
        error.FromHttp(error.http_status(), OneLine(error.request_id()));
      return std::move(error.At(call.method, call.key));
    }
    answer.reply = std::move(*reply);
    if (answer.reply.status >= 300) {
      const ByteView key = AsBytes(config_.customer_key.Reveal());
      Scrub(trial.credentials->session_token.Reveal(), answer.reply);
      Scrub(trial.credentials->secret_key.Reveal(), answer.reply);
      Scrub(hash::ToBase64(key), answer.reply);
    }
    const bool sums = CarriesSum(call.role) || call.role == Role::kCreate;
    const SentRequest sent{.region = trial.now.region,
                           .signed_at_ms = wall_ms,
                           .checksum = sums ? trial.now.checksum : Checksum::kNone,
                           .head = call.method == "HEAD",
                           .renewable = trial.credentials->expires_ms != 0 && !trial.renewed};
    const Remedy remedy = RemedyFor(answer.reply, sent);
    if (sends >= kSendsMax) break;
    VARVE_TRY(const bool again, Apply(ctx, remedy, call, trial));
    if (!again) break;
  }
  // A refusal teaches nothing: the change may not have been the cure.
  const int status = answer.reply.status;
  if (status < 300 || status == 304 || status == 404 || status == 412) {
    const std::lock_guard lock(mutex_);
    learned_.region = trial.now.region;
    learned_.clock_offset_ms = trial.now.clock_offset_ms;
    if (status < 300) learned_.checksum = std::max(learned_.checksum, trial.now.checksum);
  }
  return answer;
}

Result<Secret> Client::Presign(const OpContext& ctx, const PresignRequest& request) {
  if (!ValidKey(request.key.str()))
    return Error(ErrorCode::kInternal, "not a key: '" + request.key.str() + "'");
  if (request.ttl_s == 0 || request.ttl_s > kPresignSecondsMax) {
    return Error(ErrorCode::kInvalidArgument, "a presigned URL may live for 1 to " +
                                                  std::to_string(kPresignSecondsMax) + " seconds");
  }
  if (!config_.customer_key.empty())
    return Error(ErrorCode::kUnsupported,
                 "with SSE-C every reader needs the key; no presigned URL works");
  VARVE_TRY(const auto credentials, credentials_->Get(ctx));
  const Learned now = learned();
  const int64_t wall_ms = ctx.clock().WallMs() + now.clock_offset_ms;
  int64_t ttl_s = request.ttl_s;
  if (credentials->expires_ms != 0)
    ttl_s = std::min(ttl_s, (credentials->expires_ms - wall_ms) / 1000);
  if (ttl_s <= 0)
    return Error(ErrorCode::kPermissionDenied, "the credentials have expired; get new ones");
  const Target target = TargetOf(config_, now.region, request.key.str());
  SigningInput input;
  input.method = request.verb == PresignRequest::Verb::kGet ? "GET" : "PUT";
  input.path = target.path;
  if (request.verb == PresignRequest::Verb::kPutPart) {
    if (request.part_number == 0 || request.part_number > kPartsMax || request.upload_id.empty())
      return Error(ErrorCode::kInvalidArgument, "a part has an upload and a number from 1");
    input.query = {{"partNumber", std::to_string(request.part_number)},
                   {"uploadId", request.upload_id}};
  }
  input.headers = {{"host", target.host}};
  input.payload_hash = kUnsigned;
  input.region = now.region;
  input.amz_date = AmzDate(wall_ms);
  const Secret query = PresignedQuery(input, *credentials, static_cast<uint32_t>(ttl_s));
  return Secret(target.scheme + target.host + target.path + "?" + std::string(query.Reveal()));
}

}  // namespace varve::store
