#include "varve/format/gc_state.h"

#include <algorithm>

#include "varve/format/envelope.h"
#include "varve/format/json.h"
#include "varve/format/object_key.h"
#include "varve/format/wire.h"

namespace varve::format {
namespace {

using Kind = JsonNode::Kind;
constexpr uint32_t kTagIds = Tag("GIDS");
constexpr const char* kPhases[] = {"idle", "condemned", "sweeping"};
constexpr const char* kKinds[kIdKinds] = {"pack", "meta", "hist", "sess"};

Json PartJson(const GcListPart& part) {
  return Json{{"kind", kKinds[static_cast<size_t>(part.kind)]},
              {"key", part.key},
              {"first", part.first.Text()},
              {"last", part.last.Text()},
              {"ids", std::to_string(part.ids)}};
}

GcListPart PartFrom(const JsonNode& json, uint64_t epoch, Status& status) {
  Fields fields(json, "a list's part");
  GcListPart part;
  const std::string kind = fields.Text("kind");
  const auto* known = std::find(std::begin(kKinds), std::end(kKinds), kind);
  if (known == std::end(kKinds))
    fields.Fail("its kind is unknown");
  else
    part.kind = static_cast<IdKind>(known - std::begin(kKinds));
  part.key = fields.Text("key");
  const ObjectKey key = ParseKey(part.key);
  if (key.kind != KeyKind::kGcList || key.epoch != epoch) fields.Fail("its key is not a list's");
  part.first = fields.Id("first");
  part.last = fields.Id("last");
  part.ids = fields.Number("ids");
  if (part.last < part.first || part.ids == 0 || part.ids > kGcPartIdsMax)
    fields.Fail("its range is impossible");
  if (status.ok()) status = fields.status();
  return part;
}

// Parts of one kind follow one another without overlap, so that a search may stop early.
bool Ascending(const GcList& list) {
  for (size_t i = 1; i < list.size(); ++i) {
    if (list[i].kind < list[i - 1].kind) return false;
    if (list[i].kind == list[i - 1].kind && list[i].first <= list[i - 1].last) return false;
  }
  return true;
}

}  // namespace

Result<std::string> EncodeGcState(const GcState& state) {
  Json json = WithUnknown(state.unknown_json);
  json["kind"] = "gc state";
  json["epoch"] = std::to_string(state.epoch);
  json["phase"] = kPhases[static_cast<size_t>(state.phase)];
  json["lists"] = Json::object();
  for (const auto& [epoch, list] : state.lists) {
    Json& parts = json["lists"][std::to_string(epoch)] = Json::array();
    for (const GcListPart& part : list) parts.push_back(PartJson(part));
  }
  json["oldest_list_epoch"] = std::to_string(state.oldest_list_epoch);
  json["holder"] = state.holder;
  json["refs"] = std::to_string(state.refs);
  std::string text = Checked(Dump(json));
  VARVE_CHECK_OK(Readable(DecodeGcState(text)));
  return text;
}

Result<GcState> DecodeGcState(std::string_view text) {
  JsonText json;
  VARVE_TRY(const JsonNode* root, ParseChecked(json, text, "epoch", kJsonDepthMax));
  Fields fields(*root, "the collector's state");
  GcState state;
  if (fields.Text("kind") != "gc state") fields.Fail("it is an object of another kind");
  state.epoch = fields.Number("epoch");
  const std::string phase = fields.Text("phase");
  const auto* known = std::find(std::begin(kPhases), std::end(kPhases), phase);
  if (known == std::end(kPhases))
    fields.Fail("its phase is unknown");
  else
    state.phase = static_cast<GcPhase>(known - std::begin(kPhases));
  for (const JsonNode& parts : fields.Take("lists", Kind::kObject).children()) {
    const auto epoch = DecimalFrom<uint64_t>(parts.name());
    Status status;
    GcList list;
    for (const JsonNode& part : parts.children())
      list.push_back(PartFrom(part, epoch.value_or(0), status));
    if (!epoch.has_value() || !status.ok() || !parts.Is(Kind::kArray) || !Ascending(list))
      fields.Fail("a list is impossible");
    else
      state.lists.emplace(*epoch, std::move(list));
  }
  state.oldest_list_epoch = fields.Number("oldest_list_epoch");
  state.holder = fields.Text("holder");
  state.refs = fields.Number("refs", false);
  if (state.oldest_list_epoch > state.epoch ||
      (!state.lists.empty() && (state.lists.rbegin()->first > state.epoch ||
                                state.lists.begin()->first < state.oldest_list_epoch))) {
    fields.Fail("a list is of an epoch that the state does not hold");
  }
  if (state.phase != GcPhase::kIdle && !state.lists.contains(state.epoch))
    fields.Fail("its list is missing");
  VARVE_CHECK_OK(fields.status());
  state.unknown_json = fields.Unknown();
  return state;
}

Result<Bytes> EncodeGcList(const std::vector<ObjectId>& sorted_ids) {
  for (size_t i = 1; i < sorted_ids.size(); ++i) {
    if (!(sorted_ids[i - 1] < sorted_ids[i])) {
      return Error(ErrorCode::kInternal, "a collector's list is not sorted");
    }
  }
  if (sorted_ids.size() > kGcPartIdsMax) {
    return Error(ErrorCode::kInternal, "a part of a collector's list holds at most 1 million ids");
  }
  Writer writer;
  writer.U64(sorted_ids.size());
  for (const ObjectId& id : sorted_ids) writer.Raw(id.bytes);
  Envelope envelope;
  envelope.type = ObjectType::kGcList;
  envelope.sections = {{kTagIds, writer.Take(), false}};
  return EncodeEnvelope(envelope);
}

Result<std::vector<ObjectId>> DecodeGcList(ByteView object) {
  VARVE_TRY(const Envelope envelope, DecodeEnvelope(object));
  const Section* section = envelope.Find(kTagIds);
  if (envelope.type != ObjectType::kGcList || section == nullptr) {
    return Error(ErrorCode::kCorrupt, "a collector's list is an object of another type");
  }
  Reader reader(section->raw);
  std::vector<ObjectId> ids;
  for (uint64_t left = reader.Count(kGcPartIdsMax, 16); left > 0; --left) {
    VARVE_TRY(const ObjectId id, ObjectId::FromBytes(reader.Raw(16)));
    if (!ids.empty() && !(ids.back() < id))
      return Error(ErrorCode::kCorrupt, "a collector's list is not sorted");
    ids.push_back(id);
  }
  if (!reader.AtEnd()) return Error(ErrorCode::kCorrupt, "a collector's list has the wrong length");
  return ids;
}

}  // namespace varve::format
