// One large file as one object, sent in parts by several workers and taken up again after an
// interruption.
//
// With a record, what was acknowledged is written down beside the upload's id. A later process
// lists the parts that the store holds and sends only those that are missing, that the record does
// not know by the same etag, or whose bytes on disk have another checksum now: the file, the record
// and the store must all agree. An upload that is gone with the object in place was completed.
// Invariant: completed once, when every part of the plan is acknowledged and the file unchanged.
// Threads: SendPart from any, each index once; the first to come begins the upload, others of the
// same file wait for that one request. Cancel: parts sent so far stay at the store for a record to
// find, or for Abandon.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "varve/exec/sync.h"
#include "varve/plan/part_plan.h"
#include "varve/transfer/disk_file.h"
#include "varve/transfer/engine.h"

namespace varve::transfer {

class PartedUpload {
 public:
  // `record_path`: empty for none. The engine and the path's folder must outlive it.
  PartedUpload(Engine& engine, std::string path, store::Key key, plan::PartPlan plan,
               std::string record_path);

  // In a worker. The last part to be acknowledged completes the upload before it returns.
  Status SendPart(const OpContext& ctx, uint32_t index);
  // After all SendPart have returned: aborts what was begun and not completed, unless a record
  // keeps it. Best effort.
  void Abandon(const OpContext& ctx);

  uint64_t reused_bytes() const;  // Not sent again.

 private:
  struct Known {  // A part that an earlier process sent.
    store::PartReply reply;
    uint64_t crc = 0;
  };
  Status Begin(const OpContext& ctx);  // Requires begin_mutex_.
  // What the record and the store agree on; nothing when there is nothing to take up.
  Status TakeUp(const OpContext& ctx);
  void StartRecord();
  void NotePart(const store::PartReply& reply, uint64_t crc);           // Requires mutex_.
  Result<store::PartReply> Part(const OpContext& ctx, uint32_t index);  // Sent, or sent before.
  Status Acknowledge(const OpContext& ctx, uint32_t index, store::PartReply reply);
  std::string Heading() const;

  Engine& engine_;
  const std::string path_;
  const store::Key key_;
  const plan::PartPlan plan_;
  const std::string record_path_;

  Mutex begin_mutex_;
  std::optional<DiskFile> file_;     // Guarded by begin_mutex_ until begun_.
  std::string upload_id_;            // The same.
  std::map<uint32_t, Known> known_;  // The same; by index.
  bool begun_ = false, completed_before_ = false;

  mutable Mutex mutex_;
  std::vector<store::PartReply> parts_;  // Guarded by mutex_, as all below.
  uint32_t acknowledged_ = 0;
  bool completed_ = false;
  uint64_t reused_bytes_ = 0;
};

}  // namespace varve::transfer
