#include "varve/transfer/upload.h"

#include <charconv>
#include <cstdio>
#include <fstream>
#include <sstream>

#include "varve/hash/hash.h"

namespace varve::transfer {
namespace {

constexpr uint64_t kRecordBytesMax = 4 * kMiB;
constexpr char kRecordForm[] = "varve-upload 1";
constexpr int64_t kAbandonMs = 5000;

// What a word of the record may be; ids and etags of a store that are not stay unrecorded.
bool Word(const std::string& text) {
  if (text.empty() || text.size() > 2048) return false;
  for (const char letter : text) {
    if (letter <= 0x20 || letter >= 0x7f) return false;
  }
  return true;
}

template <typename Number>
bool Parse(const std::string& text, Number& number, int base = 10) {
  const char* end = text.data() + text.size();
  const auto parsed = std::from_chars(text.data(), end, number, base);
  return parsed.ec == std::errc() && parsed.ptr == end && !text.empty();
}

// A record that cannot be written costs a resumption, never the upload.
void WriteText(const std::string& path, std::ios::openmode mode, const std::string& text) {
  std::ofstream file(path, std::ios::binary | mode);
  file.write(text.data(), static_cast<std::streamsize>(text.size()));  // In one piece.
}

struct Record {
  std::string upload_id;
  struct Part {
    std::string etag;
    uint64_t crc = 0;
  };
  std::map<uint32_t, Part> parts;  // By number.
};

// The record of this very upload, or nothing. A line cut short by a crash ends it.
std::optional<Record> ReadRecord(const std::string& path, const std::string& heading) {
  std::ifstream file(path, std::ios::binary);
  std::string text(kRecordBytesMax, 0);
  file.read(text.data(), static_cast<std::streamsize>(text.size()));
  text.resize(static_cast<size_t>(file.gcount()));
  if (!text.starts_with(heading)) return std::nullopt;
  std::istringstream lines(text.substr(heading.size()));
  Record record;
  for (std::string line; std::getline(lines, line) && !lines.eof();) {
    std::istringstream words(line);
    std::string kind, first, etag, crc;
    words >> kind >> first >> etag >> crc;
    uint32_t number = 0;
    Record::Part part;
    if (kind == "upload" && Word(first)) {
      record.upload_id = first;
    } else if (kind == "part" && Parse(first, number) && Word(etag) && Parse(crc, part.crc, 16)) {
      part.etag = etag;
      record.parts[number] = part;
    } else {
      break;
    }
  }
  if (record.upload_id.empty()) return std::nullopt;
  return record;
}

}  // namespace

PartedUpload::PartedUpload(Engine& engine, std::string path, store::Key key, plan::PartPlan plan,
                           std::string record_path)
    : engine_(engine),
      path_(std::move(path)),
      key_(std::move(key)),
      plan_(plan),
      record_path_(std::move(record_path)),
      parts_(plan.count) {}

// Everything that must be equal for parts to be taken up.
std::string PartedUpload::Heading() const {
  return std::string(kRecordForm) + "\nstore " + engine_.store().Endpoint() + " " +
         engine_.store().Describe() + "\nkey " + key_.str() + "\nfile " +
         std::to_string(file_->bytes()) + " " + std::to_string(file_->modified_ns()) + " " +
         std::to_string(plan_.part_bytes) + "\n";
}

Status PartedUpload::TakeUp(const OpContext& ctx) {
  const std::optional<Record> record = ReadRecord(record_path_, Heading());
  if (!record.has_value()) return OkStatus();
  uint32_t after = 0;
  do {
    auto page = engine_.store().ListParts(ctx, key_, record->upload_id, after);
    if (!page.ok() && page.error().code() == ErrorCode::kNotFound) {
      const auto there = engine_.store().Head(ctx, key_);
      completed_before_ = there.ok() && there->bytes == plan_.object_bytes;
      known_.clear();
      return OkStatus();
    }
    if (!page.ok()) return std::move(page).error();
    for (store::PartReply& listed : page->parts) {
      const auto noted = record->parts.find(listed.number);
      if (listed.number == 0 || listed.number > plan_.count || noted == record->parts.end() ||
          noted->second.etag != listed.etag.str() ||
          listed.bytes != plan_.PartBytes(listed.number - 1)) {
        continue;
      }
      const uint32_t index = listed.number - 1;
      known_[index] = {.reply = std::move(listed), .crc = noted->second.crc};
    }
    if (page->next_after != 0 && page->next_after <= after)
      return Error(ErrorCode::kCorrupt, "the store's list of parts does not advance");
    after = page->next_after;
  } while (after != 0);
  upload_id_ = record->upload_id;
  return OkStatus();
}

void PartedUpload::StartRecord() {
  if (record_path_.empty() || !Word(upload_id_)) return;
  WriteText(record_path_, std::ios::trunc, Heading() + "upload " + upload_id_ + "\n");
}

void PartedUpload::NotePart(const store::PartReply& reply, uint64_t crc) {
  if (record_path_.empty() || !Word(upload_id_) || !Word(reply.etag.str())) return;
  char crc_text[17];
  std::snprintf(crc_text, sizeof crc_text, "%016llx", static_cast<unsigned long long>(crc));
  WriteText(
      record_path_, std::ios::app,
      "part " + std::to_string(reply.number) + " " + reply.etag.str() + " " + crc_text + "\n");
}

Status PartedUpload::Begin(const OpContext& ctx) {
  VARVE_TRY(DiskFile file, DiskFile::OpenForRead(path_));
  file_.emplace(std::move(file));
  if (file_->bytes() != plan_.object_bytes) return FileChanged(path_);
  if (!record_path_.empty()) VARVE_CHECK_OK(TakeUp(ctx));
  if (upload_id_.empty() && !completed_before_) {
    VARVE_TRY(upload_id_, engine_.store().CreateMultipart(ctx, key_));
    StartRecord();
  }
  begun_ = true;
  return OkStatus();
}

Status PartedUpload::SendPart(const OpContext& ctx, uint32_t index) {
  const uint64_t bytes = plan_.PartBytes(index);
  {
    const std::lock_guard lock(begin_mutex_);
    if (!begun_) VARVE_CHECK_OK(Begin(ctx));
  }
  if (completed_before_) {
    const std::lock_guard lock(mutex_);
    reused_bytes_ += bytes;
    if (++acknowledged_ == plan_.count) {
      completed_ = true;
      std::remove(record_path_.c_str());
    }
    return OkStatus();
  }
  VARVE_TRY(store::PartReply reply, Part(ctx, index));
  return Acknowledge(ctx, index, std::move(reply));  // The part's memory is free by now.
}

Result<store::PartReply> PartedUpload::Part(const OpContext& ctx, uint32_t index) {
  const uint64_t bytes = plan_.PartBytes(index);
  VARVE_TRY(const MemoryBudget::Ticket ticket, engine_.Reserve(ctx, bytes));
  const BufferPool::Buffer buffer = engine_.buffers().Take(bytes, BufferPool::Touch::kAll);
  VARVE_CHECK_OK(file_->ReadAt(plan_.Offset(index), buffer.view()));
  const uint64_t crc = record_path_.empty() ? 0 : hash::Crc64Nvme(buffer.view());
  store::PartReply reply;
  const auto known = known_.find(index);
  if (known != known_.end() && known->second.crc == crc) {
    reply = known->second.reply;
    const std::lock_guard lock(mutex_);
    reused_bytes_ += bytes;
  } else {
    VARVE_TRY(reply, engine_.store().PutPart(ctx, key_, upload_id_, index + 1, buffer.view()));
    reply.number = index + 1;
    reply.bytes = bytes;
    const std::lock_guard lock(mutex_);
    NotePart(reply, crc);
  }
  return reply;
}

Status PartedUpload::Acknowledge(const OpContext& ctx, uint32_t index, store::PartReply reply) {
  {
    const std::lock_guard lock(mutex_);
    parts_[index] = std::move(reply);
    if (++acknowledged_ < plan_.count) return OkStatus();
  }
  VARVE_CHECK_OK(file_->CheckUnchanged());
  VARVE_TRY(const store::ObjectInfo info,
            engine_.store().CompleteMultipart(ctx, key_, upload_id_, parts_));
  if (info.bytes != plan_.object_bytes) {
    return std::move(Error(ErrorCode::kCorrupt, "the store put '" + path_ + "' together wrongly")
                         .At("complete upload", key_.str()));
  }
  const std::lock_guard lock(mutex_);
  completed_ = true;
  if (!record_path_.empty()) std::remove(record_path_.c_str());
  return OkStatus();
}

void PartedUpload::Abandon(const OpContext& ctx) {
  const std::lock_guard lock(begin_mutex_);
  if (!begun_ || completed_ || !record_path_.empty()) return;
  // The caller may have been cancelled; what is left behind costs money, so one try is made.
  const OpContext own = OpContext(ctx.clock(), ctx.random()).WithTimeout(kAbandonMs);
  const Status aborted = engine_.store().AbortMultipart(own, key_, upload_id_);
  static_cast<void>(aborted);  // A later sweep of old uploads finds it.
}

uint64_t PartedUpload::reused_bytes() const {
  const std::lock_guard lock(mutex_);
  return reused_bytes_;
}

}  // namespace varve::transfer
