// Objects as files below a folder of one machine (or of a file system whose rename, link and flock
// hold between the machines that share it).
//
// Durable: an acknowledged write has had its bytes, its folder entry and the entries of its folders
// synced. Whole or absent: a body is written under a private name and linked or renamed into place.
// Cas holds a per-key lock file for its read, compare and rename, so it is atomic between
// processes; a process that dies holds no lock. The etag is the BLAKE3 of the content; it is empty
// where only a part of the object was read. Keys below the private folders are refused.
// A sync that fails with an I/O error ends the writing of this object (kIo); open another one once
// the disk is sound. Threads: any. A crash leaves at most private files, which the next writer
// removes.
#pragma once

#include <atomic>
#include <mutex>
#include <optional>
#include <set>
#include <string>

#include "varve/store/object_store.h"

namespace varve::store {

class PrivateFile;

class FileStore final : public ObjectStore {
 public:
  // Touches nothing: a folder that is missing is made by the first write. kInvalidArgument for "".
  static Result<std::unique_ptr<FileStore>> Open(const std::string& root);

  std::string Describe() const override { return root_; }
  Features features() const override {
    return {.conditional_create = true,
            .conditional_swap = true,
            .multipart = true,
            .server_checksums = false};
  }
  Result<ObjectInfo> Head(const OpContext& ctx, const Key& key) override;
  Result<GetReply> Get(const OpContext& ctx, const Key& key, const GetOptions& options) override;
  Result<ObjectInfo> GetRange(const OpContext& ctx, const Key& key, uint64_t offset,
                              MutableByteView into) override;
  Result<ObjectInfo> PutNew(const OpContext& ctx, const Key& key, ByteView body) override;
  Result<ObjectInfo> Cas(const OpContext& ctx, const Key& key, ByteView body,
                         const std::optional<Etag>& expected) override;
  Result<ListPage> List(const OpContext& ctx, std::string_view prefix,
                        const ListOptions& options) override;
  Result<std::vector<DeleteReply>> Delete(const OpContext& ctx, std::span<const Key> keys) override;
  std::unique_ptr<ObjectStore> Above(uint32_t levels) const override;

  // An upload is a folder below .upload: its key, and a file per part. Files, not memory, so that
  // another process may go on with it. A part is durable when the object is.
  Result<std::string> CreateMultipart(const OpContext& ctx, const Key& key) override;
  Result<PartReply> PutPart(const OpContext& ctx, const Key& key, const std::string& upload_id,
                            uint32_t part_number, ByteView body) override;
  Result<PartPage> ListParts(const OpContext& ctx, const Key& key, const std::string& upload_id,
                             uint32_t after) override;
  Result<ObjectInfo> CompleteMultipart(const OpContext& ctx, const Key& key,
                                       const std::string& upload_id,
                                       std::span<const PartReply> parts) override;
  Status AbortMultipart(const OpContext& ctx, const Key& key,
                        const std::string& upload_id) override;
  Result<UploadPage> ListUploads(const OpContext& ctx, std::string_view prefix,
                                 const std::string& token) override;

 private:
  explicit FileStore(std::string root) : root_(std::move(root)) {}
  std::string PathOf(const Key& key) const { return root_ + "/" + key.str(); }
  Status PrepareFolders(const Key& key);
  Result<std::unique_ptr<PrivateFile>> WritePrivate(const OpContext& ctx, ByteView body);
  Error LostFolders(Error error);
  Status SyncFolderOf(const Key& key);
  Status SettleFolders();
  void RemoveTrialFolders(const Key& key);

  const std::string root_;
  std::mutex mutex_;
  bool swept_ = false;               // Guarded by mutex_, as all below.
  std::set<std::string> durable_;    // Folders whose own entry is known to be synced.
  std::set<std::string> unsettled_;  // Folders whose sync failed after a head in them moved.
  std::optional<Error> disk_error_;  // Of a sync: from then on this object acknowledges nothing.
  std::atomic<bool> any_unsettled_{false};
};

}  // namespace varve::store
