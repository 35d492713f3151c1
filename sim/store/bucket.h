// The truth: what the bucket holds, and every change to it in one order.
//
// A linearizable map with etags by content and a clock of its own. Nothing here fails or waits; the
// Link between a process and the bucket does. An Observer sees each change as it is applied.
// Deleted objects leave a ghost, so that a name used twice is noticed. Threads: one.
#pragma once

#include <map>
#include <optional>
#include <string>

#include "varve/store/object_store.h"

namespace varve::sim {

struct StoredObject {
  Bytes body;
  store::Etag etag;
  int64_t modified_ms = 0;
  int64_t deleted_ms = -1;  // >= 0: a ghost.
  uint32_t writes = 0;
  bool alive() const { return deleted_ms < 0; }
};

class Observer {
 public:
  virtual ~Observer() = default;
  // `before` is null when the key did not exist.
  virtual void OnWrite(uint32_t process, const std::string& key, const StoredObject* before,
                       const StoredObject& after, bool conditional) = 0;
  virtual void OnDelete(uint32_t process, const std::string& key, const StoredObject& object,
                        int64_t now_ms) = 0;
};

class Bucket {
 public:
  using Objects = std::map<std::string, StoredObject, std::less<>>;

  void Observe(Observer* observer) { observer_ = observer; }

  Result<store::ObjectInfo> Head(const std::string& key, int64_t now_ms) const;
  Result<store::GetReply> Get(const std::string& key, const store::GetOptions& options,
                              int64_t now_ms) const;
  Result<Bytes> GetRange(const std::string& key, uint64_t offset, uint64_t bytes) const;
  Result<store::ObjectInfo> PutNew(uint32_t process, const std::string& key, const Bytes& body,
                                   int64_t now_ms);
  Result<store::ObjectInfo> Cas(uint32_t process, const std::string& key, const Bytes& body,
                                const std::optional<store::Etag>& expected, int64_t now_ms);
  // `stale`: data objects younger than `stale_ms` are missing, and ghosts as young are shown.
  store::ListPage List(const std::string& prefix, const store::ListOptions& options,
                       uint32_t page_max, int64_t stale_ms, int64_t now_ms) const;
  void Delete(uint32_t process, const std::string& key, int64_t now_ms);

  const StoredObject* Find(std::string_view key) const;  // Null when absent or a ghost.
  const Objects& objects() const { return objects_; }

 private:
  store::ObjectInfo Write(uint32_t process, const std::string& key, const Bytes& body,
                          int64_t now_ms, bool conditional);
  Objects objects_;
  Observer* observer_ = nullptr;
};

bool IsData(std::string_view key);  // A pack, commit object, history node or reservation.
uint64_t Fnv(std::string_view text, uint64_t hash = 14695981039346656037ULL);

}  // namespace varve::sim
