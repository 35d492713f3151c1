#include "varve/store/s3/reply_info.h"

#include "varve/store/s3/encoding.h"
#include "varve/store/s3/signing/times.h"

namespace varve::store {

ObjectInfo InfoOf(const http::Reply& reply) {
  ObjectInfo info;
  info.etag = Etag(Unquoted(reply.Header("etag")));
  info.modified_ms = ParseHttpDate(reply.Header("last-modified"));
  info.store_time_ms = ParseHttpDate(reply.Header("date"));
  return info;
}

bool EndIsKnown(const http::Reply& reply) {
  return !reply.Header("content-length").empty() ||
         reply.Header("transfer-encoding").find("chunked") != std::string::npos;
}

std::optional<ContentRange> RangeOf(const http::Reply& reply) {
  const std::string text = reply.Header("content-range");
  if (!text.starts_with("bytes ")) return std::nullopt;
  const size_t dash = text.find('-'), slash = text.find('/');
  if (dash == std::string::npos || slash == std::string::npos || slash < dash) return std::nullopt;
  ContentRange range;
  if (!ParseNumber(text.substr(6, dash - 6), range.first) ||
      !ParseNumber(text.substr(dash + 1, slash - dash - 1), range.last) ||
      !ParseNumber(text.substr(slash + 1), range.total)) {
    return std::nullopt;
  }
  if (range.first > range.last || range.last >= range.total) return std::nullopt;
  return range;
}

}  // namespace varve::store
