#include "varve/store/memory/memory_store.h"

#include <algorithm>

namespace varve::store {
namespace {

Error At(ErrorCode code, const char* message, const char* operation, const Key& key) {
  return std::move(Error(code, message).At(operation, key.str()));
}
Status CheckKey(const OpContext& ctx, const Key& key) {
  if (!ValidKey(key.str())) return Error(ErrorCode::kInternal, "not a key: '" + key.str() + "'");
  return ctx.Check();
}

// What a reply says of an object: the store's clock is that of the reply.
ObjectInfo Now(const OpContext& ctx, ObjectInfo info) {
  info.store_time_ms = ctx.clock().WallMs();
  return info;
}

}  // namespace

MemoryStore::Object& MemoryStore::Store(const OpContext& ctx, const Key& key, ByteView body) {
  Object& object = objects_[key.str()];
  object.body.assign(body.begin(), body.end());
  object.info.etag = Etag("m" + std::to_string(++writes_));
  object.info.bytes = body.size();
  object.info.modified_ms = object.info.store_time_ms = ctx.clock().WallMs();
  return object;
}

Result<ObjectInfo> MemoryStore::Head(const OpContext& ctx, const Key& key) {
  VARVE_CHECK_OK(CheckKey(ctx, key));
  const std::lock_guard lock(mutex_);
  const auto found = objects_.find(key.str());
  if (found == objects_.end()) return At(ErrorCode::kNotFound, "no such object", "head", key);
  return Now(ctx, found->second.info);
}

Result<GetReply> MemoryStore::Get(const OpContext& ctx, const Key& key, const GetOptions& options) {
  VARVE_CHECK_OK(CheckKey(ctx, key));
  const std::lock_guard lock(mutex_);
  const auto found = objects_.find(key.str());
  if (found == objects_.end()) return At(ErrorCode::kNotFound, "no such object", "get", key);
  GetReply reply;
  reply.info = Now(ctx, found->second.info);
  const ByteView body = found->second.body;
  if (options.if_none_match == reply.info.etag) {
    reply.not_modified = true;
    return reply;
  }
  const uint64_t bytes = options.suffix_bytes == 0
                             ? body.size()
                             : std::min<uint64_t>(options.suffix_bytes, body.size());
  if (bytes > kSmallObjectBytesMax)
    return At(ErrorCode::kResourceExhausted, "the object is too large to get whole", "get", key);
  const ByteView wanted = body.last(bytes);
  reply.body.assign(wanted.begin(), wanted.end());
  return reply;
}

Result<ObjectInfo> MemoryStore::GetRange(const OpContext& ctx, const Key& key, uint64_t offset,
                                         MutableByteView into) {
  VARVE_CHECK_OK(CheckKey(ctx, key));
  const std::lock_guard lock(mutex_);
  const auto found = objects_.find(key.str());
  if (found == objects_.end()) return At(ErrorCode::kNotFound, "no such object", "get range", key);
  const Bytes& body = found->second.body;
  if (offset > body.size() || into.size() > body.size() - offset) {
    return At(ErrorCode::kCorrupt, "the object ends before the range does", "get range", key);
  }
  std::copy_n(body.begin() + static_cast<std::ptrdiff_t>(offset), into.size(), into.begin());
  return Now(ctx, found->second.info);
}

Result<ObjectInfo> MemoryStore::PutNew(const OpContext& ctx, const Key& key, ByteView body) {
  VARVE_CHECK_OK(CheckKey(ctx, key));
  const std::lock_guard lock(mutex_);
  const auto found = objects_.find(key.str());
  if (found == objects_.end()) return Store(ctx, key, body).info;
  if (std::ranges::equal(found->second.body, body)) return found->second.info;
  return At(ErrorCode::kAlreadyExists, "the name was used before", "put", key);
}

Result<ObjectInfo> MemoryStore::Cas(const OpContext& ctx, const Key& key, ByteView body,
                                    const std::optional<Etag>& expected) {
  VARVE_CHECK_OK(CheckKey(ctx, key));
  const std::lock_guard lock(mutex_);
  const auto found = objects_.find(key.str());
  if (expected.has_value() && found == objects_.end())
    return At(ErrorCode::kNotFound, "no such object", "cas", key);
  const bool matches =
      expected.has_value() ? found->second.info.etag == *expected : found == objects_.end();
  if (!matches) return At(ErrorCode::kConflict, "another version is there", "cas", key);
  return Store(ctx, key, body).info;
}

Result<ListPage> MemoryStore::List(const OpContext& ctx, std::string_view prefix,
                                   const ListOptions& options) {
  VARVE_CHECK_OK(ctx.Check());
  if (!ValidPrefix(prefix))
    return Error(ErrorCode::kInternal, "not a prefix: '" + std::string(prefix) + "'");
  const std::lock_guard lock(mutex_);
  ListPage page;
  auto each = options.token.empty() ? objects_.lower_bound(std::string(prefix))
                                    : objects_.upper_bound(options.token);
  for (; each != objects_.end() && each->first.starts_with(prefix); ++each) {
    if (page.objects.size() == options.page_max) {
      page.next_token = page.objects.back().key.str();
      break;
    }
    const ObjectInfo& info = each->second.info;
    page.objects.push_back({Key(each->first), info.bytes, info.etag, info.modified_ms});
  }
  return page;
}

Result<std::vector<DeleteReply>> MemoryStore::Delete(const OpContext& ctx,
                                                     std::span<const Key> keys) {
  VARVE_CHECK_OK(ctx.Check());
  const std::lock_guard lock(mutex_);
  std::vector<DeleteReply> replies;
  for (const Key& key : keys) {
    objects_.erase(key.str());
    replies.push_back({key, OkStatus()});
  }
  return replies;
}

bool MemoryStore::Damage(const std::string& key, uint64_t offset) {
  const std::lock_guard lock(mutex_);
  const auto found = objects_.find(key);
  if (found == objects_.end() || offset >= found->second.body.size()) return false;
  found->second.body[offset] ^= std::byte{1};
  return true;
}

}  // namespace varve::store
