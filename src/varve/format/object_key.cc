#include "varve/format/object_key.h"

#include <charconv>
#include <optional>

namespace varve::format {
namespace {

constexpr std::string_view kGcListPrefix = "gc/list/";
constexpr std::string_view kGcMarkPrefix = "gc/mark/";
constexpr size_t kIdLetters = 26;
constexpr size_t kSessionLetters = 16;

std::optional<uint64_t> Number(std::string_view text, int base, uint64_t most) {
  uint64_t value = 0;
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), value, base);
  if (parsed.ec != std::errc() || parsed.ptr != text.data() + text.size()) return std::nullopt;
  if (value > most) return std::nullopt;
  return value;
}

std::optional<ObjectId> LastId(std::string_view key) {
  if (key.size() < kIdLetters) return std::nullopt;
  auto id = ObjectId::FromText(key.substr(key.size() - kIdLetters));
  if (!id.ok()) return std::nullopt;
  return *id;
}

ObjectKey Listed(std::string_view key) {
  const std::string_view rest = key.substr(kGcListPrefix.size());
  const size_t dash = rest.find('-');
  const size_t tail = 3 + kIdLetters + 1;  // "-c-", the id, and the dash before the part.
  if (dash == std::string_view::npos || rest.size() <= dash + tail) return {};
  const auto epoch = Number(rest.substr(0, dash), 10, UINT64_MAX);
  const auto id = ObjectId::FromText(rest.substr(dash + 3, kIdLetters));
  const auto part = Number(rest.substr(dash + tail), 10, UINT32_MAX);
  if (!epoch.has_value() || !id.ok() || !part.has_value()) return {};
  const bool dead = rest[dash + 1] == 'd';
  if (GcListKey(*epoch, dead, *id, static_cast<uint32_t>(*part)) != key) return {};
  return {.kind = KeyKind::kGcList, .id = *id, .name = {}, .epoch = *epoch};
}

ObjectKey Mark(std::string_view key, const ObjectId& id) {
  const std::string_view rest = key.substr(kGcMarkPrefix.size());
  if (rest.size() <= kIdLetters) return {};
  const auto epoch = Number(rest.substr(0, rest.size() - kIdLetters - 1), 10, UINT64_MAX);
  if (!epoch.has_value() || GcMarkKey(*epoch, id) != key) return {};
  return {.kind = KeyKind::kGcMark, .id = id, .name = {}, .epoch = *epoch};
}

ObjectKey Session(std::string_view key) {
  const std::string_view rest = key.substr(kSessionPrefix.size());
  if (rest.size() <= kSessionLetters + 1) return {};
  const auto session = Number(rest.substr(0, kSessionLetters), 16, UINT64_MAX);
  const auto block = Number(rest.substr(kSessionLetters + 1), 10, UINT32_MAX);
  if (!session.has_value() || !block.has_value()) return {};
  const ObjectId id = ObjectId::Make(*session, static_cast<uint32_t>(*block));
  if (KeyOf(IdKind::kSession, id) != key) return {};
  return {.kind = KeyKind::kSession, .id = id, .name = {}, .epoch = 0};
}

}  // namespace

std::string KeyOf(IdKind kind, const ObjectId& id) {
  switch (kind) {
    case IdKind::kPack:
      return PackKey(id);
    case IdKind::kMeta:
      return MetaKey(id);
    case IdKind::kHistory:
      return HistoryKey(id);
    case IdKind::kSession:
      return SessionKey(id.session(), id.counter());
  }
  return {};
}

std::string GcMarkKey(uint64_t epoch, const ObjectId& id) {
  return std::string(kGcMarkPrefix) + std::to_string(epoch) + "-" + id.Text();
}

std::string GcListKey(uint64_t epoch, bool dead, const ObjectId& id, uint32_t part) {
  return std::string(kGcListPrefix) + std::to_string(epoch) + (dead ? "-d-" : "-c-") + id.Text() +
         "-" + std::to_string(part);
}

ObjectKey ParseKey(std::string_view key) {
  if (key == kDescriptorKey)
    return {.kind = KeyKind::kDescriptor, .id = {}, .name = {}, .epoch = 0};
  if (key == kGcStateKey) return {.kind = KeyKind::kGcState, .id = {}, .name = {}, .epoch = 0};
  if (key.starts_with(kHeadPrefix)) {
    auto name = NameFromHeadKey(key);
    if (!name.ok()) return {};
    return {.kind = KeyKind::kHead, .id = {}, .name = std::move(name).value(), .epoch = 0};
  }
  if (key.starts_with(kGcListPrefix)) return Listed(key);
  if (key.starts_with(kSessionPrefix)) return Session(key);
  const std::optional<ObjectId> id = LastId(key);
  if (!id.has_value()) return {};
  const auto is = [&](KeyKind kind, const std::string& spelled) {
    return ObjectKey{
        .kind = spelled == key ? kind : KeyKind::kForeign, .id = *id, .name = {}, .epoch = 0};
  };
  if (key.starts_with(kPackPrefix)) return is(KeyKind::kPack, PackKey(*id));
  if (key.starts_with(kMetaPrefix)) return is(KeyKind::kMeta, MetaKey(*id));
  if (key.starts_with(kHistoryPrefix)) return is(KeyKind::kHistory, HistoryKey(*id));
  if (key.starts_with(kGcMarkPrefix)) return Mark(key, *id);
  return {};
}

}  // namespace varve::format
