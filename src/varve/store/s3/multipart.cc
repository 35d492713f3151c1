// One object in parts, for what is too large for one request or is to be resumed.
#include <algorithm>

#include "varve/store/s3/encoding.h"
#include "varve/store/s3/remedy.h"
#include "varve/store/s3/replies.h"
#include "varve/store/s3/reply_info.h"
#include "varve/store/s3/s3_error.h"
#include "varve/store/s3/s3_store.h"

namespace varve::store {
namespace {

constexpr int64_t kAbortPauseMs = 200;

// Names what is cut from "key\nupload" in a token of ListUploads.
constexpr char kTokenSeparator = '\n';

std::string CompleteBody(std::span<const PartReply> parts, bool sums) {
  std::string body = "<CompleteMultipartUpload>";
  for (const PartReply& part : parts) {
    body += "<Part><PartNumber>" + std::to_string(part.number) + "</PartNumber><ETag>&quot;" +
            XmlEscaped(part.etag.str()) + "&quot;</ETag>";
    if (const auto sum = FromPartChecksum(part.checksum); sums && sum.has_value()) {
      const std::string name = SumElement(sum->kind);
      body += "<" + name + ">" + sum->value + "</" + name + ">";
    }
    body += "</Part>";
  }
  return body + "</CompleteMultipartUpload>";
}

Status CheckParts(std::span<const PartReply> parts) {
  uint32_t last = 0;
  for (const PartReply& part : parts) {
    if (part.number <= last || part.number > kPartsMax || !ValidEtag(part.etag.str()))
      return Error(ErrorCode::kInternal, "the parts of an upload are not in order or lack an etag");
    last = part.number;
  }
  if (parts.empty()) return Error(ErrorCode::kInternal, "an upload without parts");
  return OkStatus();
}

// Whether a refusal says that the server does not know what guarded the request.
bool RefusesSums(const http::Reply& reply) {
  SentRequest sent;
  sent.checksum = Checksum::kCrc64Nvme;
  return RemedyFor(reply, sent).kind == Remedy::Kind::kChecksum;
}

uint64_t TotalBytes(std::span<const PartReply> parts) {
  uint64_t bytes = 0;
  for (const PartReply& part : parts) bytes += part.bytes;
  return bytes;
}

Error NoUpload(const Error& cause) {
  return std::move(Error(ErrorCode::kNotFound, "the upload is gone; upload again")
                       .At(cause.operation(), cause.key())
                       .FromHttp(cause.http_status(), cause.request_id()));
}

}  // namespace

Result<std::string> S3Store::CreateMultipart(const OpContext& ctx, const Key& key) {
  const Call call{.method = "POST",
                  .key = key.str(),
                  .query = {{"uploads", ""}},
                  .role = Role::kCreate,
                  .reply_bytes_max = kReplyBytesMax};
  VARVE_TRY(const Answer answer, client_.Send(ctx, call));
  if (answer.reply.status != 200) return client_.ErrorOf(answer.reply, call);
  auto id = ParseUploadId(AsText(answer.reply.body));
  if (!id.has_value())
    return client_.Malformed(answer.reply, call, "the store began an upload and did not name it");
  return std::move(*id);
}

Result<PartReply> S3Store::PutPart(const OpContext& ctx, const Key& key,
                                   const std::string& upload_id, uint32_t part_number,
                                   ByteView body) {
  if (part_number == 0 || part_number > kPartsMax)
    return Error(ErrorCode::kInternal, "a part's number is 1 to 10000");
  const Call call{.method = "PUT",
                  .key = key.str(),
                  .query = {{"partNumber", std::to_string(part_number)}, {"uploadId", upload_id}},
                  .body = body,
                  .role = Role::kPart};
  VARVE_TRY(const Answer answer, client_.Send(ctx, call));
  if (answer.reply.status != 200) {
    Error error = client_.ErrorOf(answer.reply, call);
    if (S3Code(answer.reply) == "NoSuchUpload") return NoUpload(error);
    return error;
  }
  VARVE_TRY(const ObjectInfo info, WrittenInfo(answer, call));
  if (!ValidEtag(info.etag.str())) return client_.Malformed(answer.reply, call, kBadEtag);
  return PartReply{info.etag, PartChecksum(answer.sum), part_number, body.size()};
}

Result<PartPage> S3Store::ListParts(const OpContext& ctx, const Key& key,
                                    const std::string& upload_id, uint32_t after) {
  Call call{.method = "GET",
            .key = key.str(),
            .query = {{"uploadId", upload_id}, {"max-parts", std::to_string(kPartPageMax)}},
            .role = Role::kRead,
            .reply_bytes_max = kReplyBytesMax};
  if (after != 0) call.query.emplace_back("part-number-marker", std::to_string(after));
  VARVE_TRY(const Answer answer, client_.Send(ctx, call));
  if (answer.reply.status != 200) {
    Error error = client_.ErrorOf(answer.reply, call);
    if (S3Code(answer.reply) == "NoSuchUpload") return NoUpload(error);
    return error;
  }
  const auto listed = ParseParts(AsText(answer.reply.body));
  Error bad =
      client_.Malformed(answer.reply, call, "the store's list of parts is not what S3 answers");
  if (!listed.has_value() || (listed->next_after != 0 && listed->next_after <= after)) return bad;
  PartPage page;
  uint64_t last = after;
  for (const PartEntry& each : listed->parts) {
    if (each.number <= last) return bad;
    last = each.number;
    Sum sum;
    if (!each.crc64nvme.empty()) sum = {Checksum::kCrc64Nvme, each.crc64nvme};
    if (sum.value.empty() && !each.crc32c.empty()) sum = {Checksum::kCrc32c, each.crc32c};
    page.parts.push_back(
        {Etag(each.etag), PartChecksum(sum), static_cast<uint32_t>(each.number), each.bytes});
  }
  page.next_after = static_cast<uint32_t>(listed->next_after);
  return page;
}

// The object as the store has it, if it is the one that the parts make.
Result<ObjectInfo> S3Store::LookAtCompleted(const OpContext& ctx, const Key& key,
                                            std::span<const PartReply> parts) {
  Call call{.method = "HEAD", .key = key.str(), .role = Role::kRead};
  call.headers.emplace_back("x-amz-checksum-mode", "ENABLED");
  VARVE_TRY(const Answer answer, client_.Send(ctx, call));
  if (answer.reply.status != 200) return client_.ErrorOf(answer.reply, call);
  ObjectInfo info = InfoOf(answer.reply);
  if (!ParseNumber(answer.reply.Header("content-length"), info.bytes) ||
      !ValidEtag(info.etag.str())) {
    return client_.Malformed(answer.reply, call,
                             "the store's answer to HEAD has no length or etag");
  }
  const auto whole = WholeSum(parts);
  const bool composite = answer.reply.Header("x-amz-checksum-type") == "COMPOSITE";
  const bool differs =
      whole.has_value() && !composite && CompareSum(answer.reply, *whole) == SumVerdict::kDiffers;
  if (info.bytes != TotalBytes(parts) || differs) {
    return client_.Malformed(answer.reply, call,
                             "the completed object is not the parts that were uploaded");
  }
  return info;
}

Result<ObjectInfo> S3Store::CompleteMultipart(const OpContext& ctx, const Key& key,
                                              const std::string& upload_id,
                                              std::span<const PartReply> parts) {
  VARVE_CHECK_OK(CheckParts(parts));
  const bool sums = std::all_of(parts.begin(), parts.end(), [](const PartReply& part) {
    return FromPartChecksum(part.checksum).has_value();
  });
  bool refused = false;
  auto completed = CompleteOnce(ctx, key, upload_id, parts, sums, refused);
  if (!sums || !refused) return completed;
  // Each part was guarded on its way, and what the parts became is looked at afterwards.
  return CompleteOnce(ctx, key, upload_id, parts, false, refused);
}

// `refused`: the server served nothing, and says that it does not know what the request carried.
Result<ObjectInfo> S3Store::CompleteOnce(const OpContext& ctx, const Key& key,
                                         const std::string& upload_id,
                                         std::span<const PartReply> parts, bool sums,
                                         bool& refused) {
  const auto whole = sums ? WholeSum(parts) : std::nullopt;
  const std::string body = CompleteBody(parts, sums);
  Call call{.method = "POST",
            .key = key.str(),
            .query = {{"uploadId", upload_id}},
            .body = AsBytes(body),
            .role = Role::kRead,
            .reply_bytes_max = kReplyBytesMax};
  call.headers.emplace_back("x-amz-mp-object-size", std::to_string(TotalBytes(parts)));
  if (whole.has_value()) {
    call.headers.emplace_back("x-amz-checksum-type", "FULL_OBJECT");
    call.headers.emplace_back(SumHeader(whole->kind), whole->value);
  }
  bool maybe_sent = false;
  const auto answer = client_.Send(ctx, call, &maybe_sent);
  if (!answer.ok() && (!maybe_sent || !ctx.Check().ok())) return answer.error();
  // Neither a success nor a failure is believed: servers answer 200 and fail, or fail and succeed.
  // The name was never used before, so whether it holds these parts is what happened.
  auto found = LookAtCompleted(ctx, key, parts);
  if (found.ok()) return found;
  const bool absent = found.error().code() == ErrorCode::kNotFound;
  if (!absent) return found;
  refused = answer.ok() && RefusesSums(answer->reply);
  const bool unclear =
      !answer.ok() || answer->reply.status == 200 || (answer->reply.status >= 500 && !refused);
  if (unclear) {
    const auto left = ListParts(ctx, key, upload_id, 0);
    if (!left.ok() && left.error().code() == ErrorCode::kNotFound) return left.error();
  }
  if (!answer.ok()) return answer.error();
  const http::Reply& reply = answer->reply;
  if (reply.status == 200) {
    const std::string code = S3Code(reply);
    Error error =
        client_.Malformed(reply, call, "the store said that the upload is complete, and it is not");
    if (!code.empty()) {
      error = S3ErrorOfCode(code, "", 500, client_.config().bucket);
      error.At("POST", key.str()).FromHttp(200, OneLine(reply.Header("x-amz-request-id")));
    }
    return error;
  }
  Error error = client_.ErrorOf(reply, call);
  if (S3Code(reply) == "NoSuchUpload") return NoUpload(error);
  if (S3Code(reply) == "InvalidPart" || S3Code(reply) == "InvalidPartOrder")
    return client_.Malformed(reply, call, "the store lacks a part that it acknowledged");
  return error;
}

Status S3Store::AbortMultipart(const OpContext& ctx, const Key& key, const std::string& upload_id) {
  const Call call{.method = "DELETE", .key = key.str(), .query = {{"uploadId", upload_id}}};
  for (int tries = 1;; ++tries) {
    VARVE_TRY(const Answer answer, client_.Send(ctx, call));
    const http::Reply& reply = answer.reply;
    if (reply.status == 404 && S3Code(reply) != "NoSuchBucket") return OkStatus();
    if (reply.status != 204 && reply.status != 200) return client_.ErrorOf(reply, call);
    // A part that was on its way when the upload ended may have landed after.
    const auto left = ListParts(ctx, key, upload_id, 0);
    if (!left.ok() && left.error().code() == ErrorCode::kNotFound) return OkStatus();
    if (!left.ok()) return left.error();
    if (left->parts.empty() && left->next_after == 0) return OkStatus();
    if (tries >= kAbortTriesMax) {
      return std::move(Error(ErrorCode::kUnavailable, "parts are left after the upload was aborted")
                           .At("DELETE", key.str()));
    }
    VARVE_CHECK_OK(ctx.SleepMs(kAbortPauseMs << tries));
  }
}

Result<UploadPage> S3Store::ListUploads(const OpContext& ctx, std::string_view prefix,
                                        const std::string& token) {
  const std::string root = client_.config().prefix + "/";
  const std::string wanted = root + std::string(prefix);
  Call call{.method = "GET", .key = "", .reply_bytes_max = kReplyBytesMax};
  // Without encoding-type, which our keys do not need: Ceph RGW encodes them then and does not say
  // so.
  call.query = {{"uploads", ""}, {"max-uploads", std::to_string(kListPageMax)}, {"prefix", wanted}};
  if (!token.empty()) {
    const size_t cut = token.find(kTokenSeparator);
    call.query.emplace_back("key-marker", token.substr(0, cut));
    if (cut != std::string::npos)
      call.query.emplace_back("upload-id-marker", token.substr(cut + 1));
  }
  VARVE_TRY(const Answer answer, client_.Send(ctx, call));
  if (answer.reply.status != 200) return client_.ErrorOf(answer.reply, call);
  Error bad =
      client_.Malformed(answer.reply, call, "the store's list of uploads is not what S3 answers");
  const auto listed = ParseUploads(AsText(answer.reply.body));
  if (!listed.has_value()) return bad;
  UploadPage page;
  for (const UploadEntry& each : listed->uploads) {
    if (!each.key.starts_with(wanted)) return bad;
    const std::string key = each.key.substr(root.size());
    if (ValidKey(key)) page.uploads.push_back({Key(key), each.upload_id, each.started_ms});
  }
  if (listed->truncated)
    page.next_token = listed->next_key + kTokenSeparator + listed->next_upload_id;
  if (!page.next_token.empty() && page.next_token == token) return bad;
  return page;
}

}  // namespace varve::store
