#include "varve/lake/probe.h"

namespace varve::lake {
namespace {

std::string Hex64(uint64_t bits) {
  constexpr char kHex[] = "0123456789abcdef";
  std::string text;
  for (int i = 0; i < 16; ++i, bits >>= 4) text += kHex[bits & 15];
  return text;
}

// "refused (conflict)", "accepted", ...
template <typename T>
std::string Said(const Result<T>& result) {
  if (result.ok()) return "accepted";
  const std::string status =
      result.error().http_status() == 0 ? "" : " " + std::to_string(result.error().http_status());
  return "refused (" + std::string(ErrorName(result.error().code())) + status + ")";
}

}  // namespace

bool CannotAsk(const Error& error) {
  switch (error.code()) {
    case ErrorCode::kInvalidArgument:
    case ErrorCode::kPermissionDenied:
    case ErrorCode::kThrottled:
    case ErrorCode::kUnavailable:
    case ErrorCode::kTimeout:
    case ErrorCode::kCancelled:
    case ErrorCode::kResourceExhausted:
    case ErrorCode::kInternal:
    case ErrorCode::kIo:
      return true;
    case ErrorCode::kNotFound:
    case ErrorCode::kAlreadyExists:
    case ErrorCode::kConflict:
    case ErrorCode::kCorrupt:
    case ErrorCode::kUnknownOutcome:
    case ErrorCode::kUnsupported:
    case ErrorCode::kGone:
      return false;
  }
  return true;
}

Probe::Probe(const OpContext& ctx, store::ObjectStore& store)
    : ctx_(ctx),
      store_(store),
      scratch_(std::string(kProbePrefix) + Hex64(ctx.random().Next64()) + "/") {}

store::Key Probe::Name(const std::string& name) {
  written_.emplace_back(scratch_ + name);
  return written_.back();
}

void Probe::Observe(std::string check, bool good, const char* otherwise, std::string evidence) {
  seen_.push_back({std::move(check), good ? "ok" : otherwise, std::move(evidence)});
}

Status Probe::Conditions() {
  const store::Key plain = Name("plain"), head = Name("head"), missing = Name("missing");
  const auto reads = [&](const store::Key& key, std::string_view body) -> Result<bool> {
    const auto now = store_.Get(ctx_, key, {});
    if (now.ok()) store_time_ms_ = now->info.store_time_ms;
    if (!now.ok() && CannotAsk(now.error())) return now.error();
    return now.ok() && AsText(now->body) == body;
  };
  const auto cas = [&](const store::Key& key, std::string_view body,
                       const std::optional<store::Etag>& expected) {
    return store_.Cas(ctx_, key, AsBytes(body), expected);
  };

  const auto put = store_.PutNew(ctx_, plain, AsBytes("varve probe: plain"));
  // A bucket that is not there is not found; the message says so.
  if (!put.ok() && (CannotAsk(put.error()) || put.error().code() == ErrorCode::kNotFound))
    return put.error();
  Observe("write.new", put.ok(), "broken", "a new name was " + Said(put));
  VARVE_TRY(const bool read_back, reads(plain, "varve probe: plain"));
  Observe("read.own_write", read_back, "stale",
          read_back ? "an object reads back at once" : "an object that was written is not there");

  const auto created = cas(head, "one", std::nullopt);
  if (!created.ok() && CannotAsk(created.error())) return created.error();
  VARVE_TRY(const bool is_one, reads(head, "one"));
  Observe("create.absent", is_one, "broken",
          "If-None-Match: * on an absent name: " + Said(created));
  const auto again = cas(head, "never", std::nullopt);
  if (!again.ok() && CannotAsk(again.error())) return again.error();
  VARVE_TRY(const bool still_one, reads(head, "one"));
  Observe("create.present", !again.ok() && still_one, "ignored",
          "If-None-Match: * on a present name: " + Said(again) +
              (still_one ? "" : ", and its bytes are gone"));

  // A store that does not create on condition has no head to swap; each row then says so.
  const auto first = store_.Get(ctx_, head, {});
  const store::Etag stale = first.ok() ? first->info.etag : store::Etag("absent");
  const auto swapped = cas(head, "two", stale);
  if (!swapped.ok() && CannotAsk(swapped.error())) return swapped.error();
  VARVE_TRY(const bool is_two, reads(head, "two"));
  Observe("swap.current", swapped.ok() && is_two, "broken",
          "If-Match with the current etag: " + Said(swapped));
  const auto late = cas(head, "never", stale);
  if (!late.ok() && CannotAsk(late.error())) return late.error();
  VARVE_TRY(const bool not_moved, reads(head, "never"));
  Observe("swap.stale", !late.ok() && !not_moved, "ignored",
          "If-Match with an old etag: " + Said(late) +
              (not_moved ? ", and the newer bytes are gone" : ""));
  const auto nowhere = cas(missing, "never", stale);
  if (!nowhere.ok() && CannotAsk(nowhere.error())) return nowhere.error();
  const auto made = store_.Head(ctx_, missing);
  if (!made.ok() && CannotAsk(made.error())) return made.error();
  Observe("swap.missing", !nowhere.ok() && !made.ok(), "ignored",
          "If-Match on an absent name: " + Said(nowhere) + (made.ok() ? ", and it was made" : ""));

  bool chained = swapped.ok();
  store::Etag etag = chained ? swapped->etag : stale;
  for (const char* body : {"three", "four", "five"}) {
    if (!chained) break;
    const auto moved = cas(head, body, etag);
    if (!moved.ok() && CannotAsk(moved.error())) return moved.error();
    chained = moved.ok();
    if (chained) etag = moved->etag;
  }
  Observe("swap.reply_etag", chained, "broken", "the etag of a write's answer swaps the next time");
  const auto same = chained ? cas(head, "five", etag) : Result<store::ObjectInfo>(swapped);
  if (same.ok())
    Observe("swap.same_body", same->etag != etag, "same etag", "the same bytes written again");
  return OkStatus();
}

}  // namespace varve::lake
