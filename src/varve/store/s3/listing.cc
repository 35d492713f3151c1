// Many objects: listings and deletes.
#include <algorithm>

#include "varve/hash/hash.h"
#include "varve/store/s3/encoding.h"
#include "varve/store/s3/md5.h"
#include "varve/store/s3/replies.h"
#include "varve/store/s3/reply_info.h"
#include "varve/store/s3/s3_error.h"
#include "varve/store/s3/s3_store.h"

namespace varve::store {

Result<ListPage> S3Store::List(const OpContext& ctx, std::string_view prefix,
                               const ListOptions& options) {
  const std::string root = client_.config().prefix + "/";
  const std::string wanted = root + std::string(prefix);
  Call call{.method = "GET", .key = "", .reply_bytes_max = kReplyBytesMax};
  const uint32_t page_max = std::clamp(options.page_max, 1u, kListPageMax);
  call.query = {{"list-type", "2"},
                {"encoding-type", "url"},
                {"max-keys", std::to_string(page_max)},
                {"prefix", wanted}};
  if (!options.token.empty()) call.query.emplace_back("continuation-token", options.token);
  VARVE_TRY(const Answer answer, client_.Send(ctx, call));
  const http::Reply& reply = answer.reply;
  if (reply.status != 200) return client_.ErrorOf(reply, call);
  Error bad = client_.Malformed(reply, call, "the store's listing is not what S3 answers");
  const auto listed = ParseListing(AsText(reply.body));
  if (!listed.has_value() || !EndIsKnown(reply) || listed->keys.size() > page_max) return bad;
  ListPage page;
  for (const KeyReply& each : listed->keys) {
    if (!each.key.starts_with(wanted)) return bad;
    // No lake wrote it: the marker of a console's "create folder", for one.
    const std::string key = each.key.substr(root.size());
    if (!ValidKey(key)) continue;
    page.objects.push_back({Key(key), each.bytes, Etag(each.etag), each.modified_ms});
  }
  if (!listed->next_token.empty() && listed->next_token == options.token) return bad;
  page.next_token = listed->next_token;
  return page;
}

Status S3Store::DeleteOne(const OpContext& ctx, const Key& key) {
  const Call call{.method = "DELETE", .key = key.str()};
  VARVE_TRY(const Answer answer, client_.Send(ctx, call));
  const http::Reply& reply = answer.reply;
  if (reply.status == 204 || reply.status == 200 || S3Code(reply) == "NoSuchKey") return OkStatus();
  return client_.ErrorOf(reply, call);
}

Result<std::vector<DeleteReply>> S3Store::Delete(const OpContext& ctx, std::span<const Key> keys) {
  if (keys.size() > kDeleteKeysMax)
    return Error(ErrorCode::kInternal, "too many keys in one delete");
  std::vector<DeleteReply> replies;
  if (keys.empty()) return replies;
  const std::string root = client_.config().prefix + "/";
  std::string body = "<Delete>";
  for (const Key& key : keys)
    body += "<Object><Key>" + XmlEscaped(root + key.str()) + "</Key></Object>";
  body += "</Delete>";
  Call call{.method = "POST", .key = "", .query = {{"delete", ""}}};
  call.body = AsBytes(body);
  call.headers.emplace_back("content-md5", hash::ToBase64(Md5(call.body)));
  call.reply_bytes_max = kReplyBytesMax;
  VARVE_TRY(const Answer answer, client_.Send(ctx, call));
  const http::Reply& reply = answer.reply;
  if (reply.status == 501 || reply.status == 405) {  // Some servers know only single deletes.
    for (const Key& key : keys) replies.push_back({key, DeleteOne(ctx, key)});
    return replies;
  }
  if (reply.status != 200) return client_.ErrorOf(reply, call);
  const auto told = ParseDeleted(AsText(reply.body));
  if (!told.has_value())
    return client_.Malformed(reply, call, "the store's answer to a delete is not what S3 answers");
  for (const Key& key : keys) {
    const auto found = told->find(root + key.str());
    // Silence is no success: garbage collection would forget a pack that is still there.
    Status status = OkStatus();
    if (found == told->end()) {
      status = Error(ErrorCode::kUnavailable, "the store did not say whether it deleted this");
    } else if (!found->second.code.empty()) {
      status =
          S3ErrorOfCode(found->second.code, found->second.message, 403, client_.config().bucket);
    }
    if (!status.ok()) {
      status.error()
          .At("DELETE", key.str())
          .FromHttp(reply.status, OneLine(reply.Header("x-amz-request-id")));
    }
    replies.push_back({key, std::move(status)});
  }
  return replies;
}

}  // namespace varve::store
