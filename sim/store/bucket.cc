#include "sim/store/bucket.h"

#include <algorithm>
#include <cstdio>

namespace varve::sim {
namespace {

Error At(ErrorCode code, const char* message, const char* operation, const std::string& key) {
  return std::move(Error(code, message).At(operation, key));
}

store::ObjectInfo InfoOf(const StoredObject& object, int64_t now_ms) {
  return {object.etag, object.body.size(), object.modified_ms, now_ms};
}

}  // namespace

uint64_t Fnv(std::string_view text, uint64_t hash) {
  for (const char letter : text) {
    hash = (hash ^ static_cast<unsigned char>(letter)) * 1099511628211ULL;
  }
  return hash;
}

bool IsData(std::string_view key) {
  return key.starts_with("pack/") || key.starts_with("meta/") || key.starts_with("hist/") ||
         key.starts_with("sess/");
}

const StoredObject* Bucket::Find(std::string_view key) const {
  const auto found = objects_.find(key);
  return found == objects_.end() || !found->second.alive() ? nullptr : &found->second;
}

Result<store::ObjectInfo> Bucket::Head(const std::string& key, int64_t now_ms) const {
  const StoredObject* object = Find(key);
  if (object == nullptr) return At(ErrorCode::kNotFound, "no such object", "head", key);
  return InfoOf(*object, now_ms);
}

Result<store::GetReply> Bucket::Get(const std::string& key, const store::GetOptions& options,
                                    int64_t now_ms) const {
  const StoredObject* object = Find(key);
  if (object == nullptr) return At(ErrorCode::kNotFound, "no such object", "get", key);
  store::GetReply reply;
  reply.info = InfoOf(*object, now_ms);
  if (options.if_none_match == object->etag) {
    reply.not_modified = true;
    return reply;
  }
  const size_t bytes = options.suffix_bytes == 0
                           ? object->body.size()
                           : std::min<size_t>(options.suffix_bytes, object->body.size());
  reply.body.assign(object->body.end() - static_cast<std::ptrdiff_t>(bytes), object->body.end());
  return reply;
}

Result<Bytes> Bucket::GetRange(const std::string& key, uint64_t offset, uint64_t bytes) const {
  const StoredObject* object = Find(key);
  if (object == nullptr) return At(ErrorCode::kNotFound, "no such object", "get range", key);
  if (offset > object->body.size() || bytes > object->body.size() - offset) {
    return At(ErrorCode::kCorrupt, "the object ends before the range does", "get range", key);
  }
  const auto begin = object->body.begin() + static_cast<std::ptrdiff_t>(offset);
  return Bytes(begin, begin + static_cast<std::ptrdiff_t>(bytes));
}

store::ObjectInfo Bucket::Write(uint32_t process, const std::string& key, const Bytes& body,
                                int64_t now_ms, bool conditional) {
  StoredObject after;
  after.body = body;
  char etag[24];
  std::snprintf(etag, sizeof etag, "\"%016llx\"",
                static_cast<unsigned long long>(Fnv(AsText(body))));
  after.etag = store::Etag(etag);
  after.modified_ms = now_ms;
  StoredObject& object = objects_[key];
  after.writes = object.writes + 1;
  if (observer_ != nullptr) {
    observer_->OnWrite(process, key, object.writes == 0 ? nullptr : &object, after, conditional);
  }
  object = std::move(after);
  return InfoOf(object, now_ms);
}

Result<store::ObjectInfo> Bucket::PutNew(uint32_t process, const std::string& key,
                                         const Bytes& body, int64_t now_ms) {
  const StoredObject* object = Find(key);
  if (object == nullptr) return Write(process, key, body, now_ms, false);
  if (object->body == body) return InfoOf(*object, now_ms);
  return At(ErrorCode::kAlreadyExists, "the name was used before", "put", key);
}

Result<store::ObjectInfo> Bucket::Cas(uint32_t process, const std::string& key, const Bytes& body,
                                      const std::optional<store::Etag>& expected, int64_t now_ms) {
  const StoredObject* object = Find(key);
  if (expected.has_value() && object == nullptr) {
    return At(ErrorCode::kNotFound, "no such object", "cas", key);
  }
  const bool matches = expected.has_value() ? object->etag == *expected : object == nullptr;
  if (!matches) return At(ErrorCode::kConflict, "another version is there", "cas", key);
  return Write(process, key, body, now_ms, true);
}

store::ListPage Bucket::List(const std::string& prefix, const store::ListOptions& options,
                             uint32_t page_max, int64_t stale_ms, int64_t now_ms) const {
  store::ListPage page;
  auto each =
      options.token.empty() ? objects_.lower_bound(prefix) : objects_.upper_bound(options.token);
  for (; each != objects_.end() && each->first.starts_with(prefix); ++each) {
    const StoredObject& object = each->second;
    const int64_t since_ms = now_ms - stale_ms;
    const bool shown =
        stale_ms == 0 || !IsData(each->first)
            ? object.alive()
            : object.modified_ms <= since_ms && (object.alive() || object.deleted_ms > since_ms);
    if (!shown) continue;
    if (page.objects.size() == std::min(page_max, options.page_max)) {
      page.next_token = page.objects.back().key.str();
      break;
    }
    page.objects.push_back(
        {store::Key(each->first), object.body.size(), object.etag, object.modified_ms});
  }
  return page;
}

void Bucket::Delete(uint32_t process, const std::string& key, int64_t now_ms) {
  const auto found = objects_.find(key);
  if (found == objects_.end() || !found->second.alive()) return;
  if (observer_ != nullptr) observer_->OnDelete(process, key, found->second, now_ms);
  found->second.deleted_ms = now_ms;
}

}  // namespace varve::sim
