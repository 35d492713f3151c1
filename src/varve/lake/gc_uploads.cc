#include "varve/lake/gc_uploads.h"

#include <atomic>
#include <mutex>

#include "varve/exec/sync.h"
#include "varve/format/object_key.h"
#include "varve/lake/core.h"

namespace varve::lake {
namespace {

constexpr size_t kUploadPagesMax = 10'000;
constexpr size_t kPartPagesMax = store::kPartsMax / store::kPartPageMax + 1;

void Skip(GcReport& report, const std::string& key, const Error& error) {
  ++report.skipped_total;
  if (report.skipped.size() < kGcSkippedMax) report.skipped.push_back({key, error.message()});
}

bool Ours(const format::ObjectKey& key) {
  return key.kind == format::KeyKind::kPack || key.kind == format::KeyKind::kMeta ||
         key.kind == format::KeyKind::kHistory;
}

}  // namespace

Result<std::vector<store::PendingUpload>> FindDeadUploads(const OpContext& ctx, Core& core,
                                                          const std::set<uint64_t>& busy,
                                                          int64_t now_ms, int64_t grace_ms,
                                                          GcReport& report) {
  std::vector<store::PendingUpload> dead;
  if (!core.store->features().multipart) return dead;
  std::string token;
  for (size_t page_number = 0; page_number < kUploadPagesMax; ++page_number) {
    auto page = core.store->ListUploads(ctx, "", token);
    if (!page.ok()) {
      const ErrorCode code = page.error().code();
      if (code != ErrorCode::kPermissionDenied && code != ErrorCode::kUnsupported) {
        return std::move(page).error();
      }
      Skip(report, "(uploads in parts)", page.error());
      return dead;
    }
    for (store::PendingUpload& upload : page->uploads) {
      const format::ObjectKey key = format::ParseKey(upload.key.str());
      if (!Ours(key) || !plan::UploadOver(now_ms, upload.started_ms, grace_ms)) continue;
      if (busy.contains(key.id.session())) continue;
      dead.push_back(std::move(upload));
      if (dead.size() == kGcUploadsMax) return dead;
    }
    if (page->next_token.empty()) return dead;
    if (page->next_token == token) break;
    token = std::move(page->next_token);
  }
  return Error(ErrorCode::kCorrupt, "the store's listing of uploads does not end");
}

void MeasureUploads(const OpContext& ctx, Core& core,
                    const std::vector<store::PendingUpload>& uploads, GcReport& report) {
  std::atomic<uint64_t> bytes = 0;
  const auto measure_one = [&](size_t index) -> Status {
    uint32_t after = 0;
    for (size_t page_number = 0; page_number < kPartPagesMax; ++page_number) {
      const auto page =
          core.store->ListParts(ctx, uploads[index].key, uploads[index].upload_id, after);
      if (!page.ok()) break;
      for (const store::PartReply& part : page->parts) bytes += part.bytes;
      if (page->next_after <= after) break;
      after = page->next_after;
    }
    return OkStatus();
  };
  const Status ignored = core.transfers.ForEach(ctx, uploads.size(), measure_one);
  static_cast<void>(ignored);  // Only a cancel; whatever follows ends by it too.
  report.uploads = {uploads.size(), bytes};
}

Status AbortUploads(const OpContext& ctx, Core& core,
                    const std::vector<store::PendingUpload>& uploads, GcReport& report) {
  Mutex mutex;
  const auto abort_one = [&](size_t index) -> Status {
    VARVE_CHECK_OK(ctx.Check());
    const Status aborted =
        core.store->AbortMultipart(ctx, uploads[index].key, uploads[index].upload_id);
    const std::lock_guard lock(mutex);
    if (aborted.ok())
      ++report.aborted_uploads;
    else
      Skip(report, uploads[index].key.str(), aborted.error());
    return OkStatus();
  };
  return core.transfers.ForEach(ctx, uploads.size(), abort_one);
}

}  // namespace varve::lake
