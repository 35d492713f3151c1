#include <algorithm>
#include <cstdio>
#include <set>

#include "varve/base/clock.h"
#include "varve/lake/probe.h"

namespace varve::lake {
namespace {

constexpr size_t kLargeBytes = 8 * kMiB;
constexpr int kLatencySamples = 16;
constexpr int kListedKeys = 25;
constexpr uint32_t kListPage = 10;
constexpr int64_t kCleanUpMs = 30'000, kListMs = 5'000;
constexpr int64_t kLeftoverAgeMs = 24 * 3'600'000;

Bytes Pattern(size_t bytes) {
  Bytes pattern(bytes);
  uint32_t state = 1;
  for (std::byte& each : pattern) {
    state = state * 1664525 + 1013904223;
    each = static_cast<std::byte>(state >> 24);
  }
  return pattern;
}

std::string Milliseconds(int64_t nanoseconds) {
  char text[32];
  std::snprintf(text, sizeof text, "%.1f ms", static_cast<double>(nanoseconds) / 1e6);
  return text;
}

std::string MegabytesPerSecond(size_t bytes, int64_t nanoseconds) {
  char text[32];
  const double seconds = static_cast<double>(std::max<int64_t>(nanoseconds, 1)) / 1e9;
  std::snprintf(text, sizeof text, "%.0f MB/s", static_cast<double>(bytes) / 1e6 / seconds);
  return text;
}

}  // namespace

Status Probe::Reads() {
  const store::Key key = Name("digits"), empty = Name("empty");
  VARVE_TRY(const auto put, store_.PutNew(ctx_, key, AsBytes("0123456789")));
  const auto void_put = store_.PutNew(ctx_, empty, {});
  Observe("write.empty", void_put.ok(), "broken", "an object of no bytes");
  Bytes into(4);
  const auto range = store_.GetRange(ctx_, key, 2, into);
  Observe("read.range", range.ok() && AsText(into) == "2345", range.ok() ? "broken" : "refused",
          "bytes 2 to 5 of ten");
  const auto suffix = store_.Get(ctx_, key, {.suffix_bytes = 3, .if_none_match = {}});
  Observe("read.suffix", suffix.ok() && AsText(suffix->body) == "789",
          suffix.ok() ? "broken" : "refused", "the last three bytes of ten");
  const auto past = store_.GetRange(ctx_, key, 8, into);
  Observe("read.past_end", !past.ok(), "broken", "a range that the object does not have");
  const auto missing = store_.Get(ctx_, store::Key(scratch_ + "never-written"), {});
  Observe("read.missing", !missing.ok() && missing.error().code() == ErrorCode::kNotFound, "broken",
          "a name that was never written");
  const auto unchanged = store_.Get(ctx_, key, {.suffix_bytes = 0, .if_none_match = put.etag});
  Observe("read.unchanged", unchanged.ok() && unchanged->not_modified, "broken",
          "a read on condition that the etag changed");

  const store::Key odd = Name("names/AZaz09._%41~=+@,-");
  const bool written = store_.PutNew(ctx_, odd, AsBytes("odd")).ok();
  const auto odd_read = store_.Get(ctx_, odd, {});
  Observe("names.letters", written && odd_read.ok() && AsText(odd_read->body) == "odd", "broken",
          "every letter that a name may have");
  return OkStatus();
}

Status Probe::Listings() {
  const std::string under = scratch_ + "list/";
  std::set<std::string> wanted;
  for (int i = 0; i < kListedKeys; ++i) {
    const store::Key key =
        Name("list/" + std::to_string(i % 3) + "/" + std::to_string(i) + "=+,%41");
    VARVE_TRY(const auto put, store_.PutNew(ctx_, key, AsBytes("x")));
    static_cast<void>(put);
    wanted.insert(key.str());
  }
  std::set<std::string> listed;
  bool right = true;
  std::string why = std::to_string(kListedKeys) + " names in pages of " + std::to_string(kListPage);
  store::ListOptions options{.token = "", .page_max = kListPage};
  for (int page_number = 0; page_number < 2 * kListedKeys; ++page_number) {
    const auto page = store_.List(ctx_, under, options);
    if (!page.ok()) {
      if (CannotAsk(page.error())) return page.error();
      right = false;
      why = page.error().message();
      break;
    }
    for (const store::ListedObject& object : page->objects)
      right = listed.insert(object.key.str()).second && right;
    right = right && page->objects.size() <= kListPage;
    options.token = page->next_token;
    if (options.token.empty()) break;
  }
  Observe("list.own_write", listed == wanted, "broken",
          std::to_string(listed.size()) + " of " + std::to_string(wanted.size()) +
              " names that were just written");
  Observe("list.pages", right && options.token.empty(), "broken", why);
  return OkStatus();
}

Status Probe::Deletes() {
  std::vector<store::Key> doomed{Name("doomed/a"), Name("doomed/b")};
  for (const store::Key& key : doomed) {
    VARVE_TRY(const auto put, store_.PutNew(ctx_, key, AsBytes("x")));
    static_cast<void>(put);
  }
  doomed.emplace_back(scratch_ + "doomed/never-written");
  const auto deleted = store_.Delete(ctx_, doomed);
  if (!deleted.ok() && CannotAsk(deleted.error()) &&
      deleted.error().code() != ErrorCode::kPermissionDenied) {
    return deleted.error();
  }
  const auto gone = [&](size_t i) {
    if (!deleted.ok() || !(*deleted)[i].status.ok()) return false;
    const auto head = store_.Head(ctx_, doomed[i]);
    return !head.ok() && head.error().code() == ErrorCode::kNotFound;
  };
  std::string why = "two objects in one request";
  if (!deleted.ok()) why = deleted.error().message();
  Observe("delete.gone", gone(0) && gone(1), "broken", why);
  Observe("delete.missing", deleted.ok() && (*deleted)[2].status.ok(), "broken",
          "a name that is not there");
  const auto after = store_.List(ctx_, scratch_ + "doomed/", {});
  Observe("list.after_delete", after.ok() && after->objects.empty(), "broken",
          "deleted names are not listed");
  return OkStatus();
}

Status Probe::Speed() {
  Clock& clock = ctx_.clock();
  std::vector<int64_t> writes, reads;
  std::optional<plan::Observation> time;
  for (int i = 0; i < kLatencySamples; ++i) {
    const store::Key key = Name("latency/" + std::to_string(i));
    const int64_t start = clock.SteadyNs();
    VARVE_TRY(const auto put, store_.PutNew(ctx_, key, AsBytes("x")));
    static_cast<void>(put);
    const int64_t written = clock.SteadyNs();
    VARVE_TRY(const auto got, store_.Get(ctx_, key, {}));
    const int64_t read = clock.SteadyNs();
    writes.push_back(written - start);
    reads.push_back(read - written);
    if (got.info.store_time_ms != 0)
      time =
          plan::JudgeClock(got.info.store_time_ms - clock.WallMs(), (read - written) / 1'000'000);
  }
  seen_.push_back(
      time.value_or(plan::Observation{"clock", store_.features().needs_probe ? "absent" : "ok",
                                      "the store's answers carry no time of its own"}));
  for (auto* samples : {&writes, &reads}) {
    std::sort(samples->begin(), samples->end());
    Observe(samples == &writes ? "latency.write" : "latency.read", true, "",
            "median " + Milliseconds((*samples)[kLatencySamples / 2]) + ", worst of " +
                std::to_string(kLatencySamples) + " " + Milliseconds(samples->back()));
  }
  const store::Key large = Name("large");
  const Bytes pattern = Pattern(kLargeBytes);
  const int64_t start = clock.SteadyNs();
  VARVE_TRY(const auto put, store_.PutNew(ctx_, large, pattern));
  static_cast<void>(put);
  const int64_t sent = clock.SteadyNs();
  Bytes back(kLargeBytes);
  const auto got = store_.GetRange(ctx_, large, 0, back);
  if (!got.ok() && CannotAsk(got.error())) return got.error();
  const int64_t received = clock.SteadyNs();
  Observe("write.large", got.ok() && back == pattern, "broken", "8 MiB, byte for byte");
  Observe("speed.up", true, "",
          "8 MiB in one request at " + MegabytesPerSecond(kLargeBytes, sent - start));
  Observe("speed.down", true, "",
          "8 MiB in one request at " + MegabytesPerSecond(kLargeBytes, received - sent));
  return OkStatus();
}

void Probe::Service(store::ObjectStore::InspectScope scope) {
  for (store::Fact& fact : store_.Inspect(ctx_, store::Key(scratch_ + "service"), scope))
    seen_.push_back({std::move(fact.check), std::move(fact.outcome), std::move(fact.evidence)});
}

void Probe::CleanUp() {
  // Also after a cancel: a person who stops the doctor wants nothing left.
  const OpContext ctx = OpContext(ctx_.clock(), ctx_.random()).WithTimeout(kCleanUpMs);
  // What the store wrote of itself below the same name, too, and what a probe left that died.
  auto there = store::ListAll(ctx.WithTimeout(kListMs), store_, kProbePrefix, 100'000);
  if (there.ok()) {
    for (const store::ListedObject& object : *there) {
      const bool dead = store_time_ms_ != 0 && object.modified_ms != 0 &&
                        object.modified_ms < store_time_ms_ - kLeftoverAgeMs;
      if (object.key.str().starts_with(scratch_) || dead) written_.push_back(object.key);
    }
  }
  size_t left = 0;
  for (size_t at = 0; at < written_.size(); at += store::kDeleteKeysMax) {
    const size_t count = std::min<size_t>(store::kDeleteKeysMax, written_.size() - at);
    const auto deleted = store_.Delete(ctx, std::span(written_).subspan(at, count));
    if (!deleted.ok()) {
      left += count;
      continue;
    }
    for (const store::DeleteReply& reply : *deleted) left += reply.status.ok() ? 0U : 1U;
  }
  Observe("cleanup", left == 0, "left",
          left == 0 ? "the doctor's objects are deleted"
                    : std::to_string(left) + " objects below " + scratch_);
}

}  // namespace varve::lake
