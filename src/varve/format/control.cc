#include "varve/format/control.h"

#include <algorithm>

#include "varve/format/envelope.h"
#include "varve/format/json.h"
#include "varve/format/wire.h"

namespace varve::format {
namespace {

constexpr uint32_t kTagIds = Tag("GIDS");
constexpr uint64_t kGcIdsMax = 60'000'000;
constexpr const char* kPhases[] = {"idle", "condemned", "sweeping"};
// Features this release understands, of any class.
const std::set<std::string>& KnownFeatures() {
  static const std::set<std::string> known;
  return known;
}

std::set<std::string> FeatureSet(Fields& fields, const char* name) {
  std::set<std::string> features;
  for (const Json& each : fields.Take(name, Json::value_t::array, false)) {
    if (each.is_string())
      features.insert(each.get<std::string>());
    else
      fields.Fail("a feature is not a text");
  }
  return features;
}

}  // namespace

Result<std::string> EncodeDescriptor(const Descriptor& descriptor) {
  Json json = WithUnknown(descriptor.unknown_json);
  json["kind"] = "varve lake";
  json["lake_id"] = descriptor.lake_id;
  json["format"] = std::to_string(descriptor.format);
  json["created_ms"] = std::to_string(descriptor.created_ms);
  json["hash"] = descriptor.hash;
  json["chunk_bytes"] = std::to_string(descriptor.chunk_bytes);
  json["pack_bytes"] = std::to_string(descriptor.pack_bytes);
  json["features_read"] = descriptor.features_read;
  json["features_write"] = descriptor.features_write;
  json["features_gc"] = descriptor.features_gc;
  json["features_fsck"] = descriptor.features_fsck;
  std::string text = Dump(json);
  VARVE_CHECK_OK(Readable(DecodeDescriptor(text)));
  return text;
}

Result<Descriptor> DecodeDescriptor(std::string_view text) {
  VARVE_TRY(Json json, ParseObject(text, kJsonDepthMax));
  Fields fields(std::move(json), "the lake descriptor");
  Descriptor descriptor;
  if (fields.Text("kind") != "varve lake") fields.Fail("it is an object of another kind");
  descriptor.lake_id = fields.Text("lake_id");
  descriptor.format = fields.Number32("format");
  descriptor.created_ms = fields.Signed("created_ms");
  descriptor.hash = fields.Text("hash");
  descriptor.chunk_bytes = fields.Number("chunk_bytes");
  descriptor.pack_bytes = fields.Number("pack_bytes");
  descriptor.features_read = FeatureSet(fields, "features_read");
  descriptor.features_write = FeatureSet(fields, "features_write");
  descriptor.features_gc = FeatureSet(fields, "features_gc");
  descriptor.features_fsck = FeatureSet(fields, "features_fsck");
  if (descriptor.chunk_bytes < 64 * kKiB || descriptor.chunk_bytes > 16 * kMiB ||
      descriptor.chunk_bytes % 64 != 0 || descriptor.pack_bytes < 16 * kMiB ||
      descriptor.pack_bytes > 512 * kMiB) {
    fields.Fail("chunk_bytes or pack_bytes is out of range");
  }
  VARVE_CHECK_OK(fields.status());
  descriptor.unknown_json = fields.Unknown();
  return descriptor;
}

Result<Gate> CheckGates(const Descriptor& descriptor) {
  if (descriptor.format > kFormatVersion || descriptor.hash != "blake3") {
    return Error(ErrorCode::kUnsupported, "the lake has format " +
                                              std::to_string(descriptor.format) + " with " +
                                              descriptor.hash + "; upgrade varve");
  }
  for (const std::string& feature : descriptor.features_read) {
    if (!KnownFeatures().contains(feature)) {
      return Error(ErrorCode::kUnsupported,
                   "the lake needs feature '" + feature + "' to be read; upgrade varve");
    }
  }
  for (const std::string& feature : descriptor.features_write) {
    if (!KnownFeatures().contains(feature)) return Gate::kReadOnly;
  }
  return Gate::kReadWrite;
}

Result<std::string> EncodeGcState(const GcState& state) {
  Json json = WithUnknown(state.unknown_json);
  json["kind"] = "gc state";
  json["epoch"] = std::to_string(state.epoch);
  json["phase"] = kPhases[static_cast<size_t>(state.phase)];
  json["lists"] = Json::object();
  for (const auto& [epoch, key] : state.lists) json["lists"][std::to_string(epoch)] = key;
  json["oldest_list_epoch"] = std::to_string(state.oldest_list_epoch);
  json["holder"] = state.holder;
  std::string text = Dump(json);
  VARVE_CHECK_OK(Readable(DecodeGcState(text)));
  return text;
}

Result<GcState> DecodeGcState(std::string_view text) {
  VARVE_TRY(Json json, ParseObject(text, kJsonDepthMax));
  Fields fields(std::move(json), "the collector's state");
  GcState state;
  if (fields.Text("kind") != "gc state") fields.Fail("it is an object of another kind");
  state.epoch = fields.Number("epoch");
  const std::string phase = fields.Text("phase");
  const auto* known = std::find(std::begin(kPhases), std::end(kPhases), phase);
  if (known == std::end(kPhases))
    fields.Fail("its phase is unknown");
  else
    state.phase = static_cast<GcPhase>(known - std::begin(kPhases));
  const Json lists = fields.Take("lists", Json::value_t::object);
  for (const auto& [epoch_text, key] : lists.items()) {
    Fields number(Json{{"epoch", epoch_text}}, "a list");
    const uint64_t epoch = number.Number("epoch");
    if (!number.status().ok() || !key.is_string())
      fields.Fail("a list is impossible");
    else
      state.lists.emplace(epoch, key.get<std::string>());
  }
  state.oldest_list_epoch = fields.Number("oldest_list_epoch");
  state.holder = fields.Text("holder");
  if (state.oldest_list_epoch > state.epoch ||
      (!state.lists.empty() && state.lists.rbegin()->first > state.epoch)) {
    fields.Fail("a list is of a later epoch than the state");
  }
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
  if (sorted_ids.size() > kGcIdsMax) {
    return Error(ErrorCode::kResourceExhausted, "a collector's list holds at most 60 million ids");
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
  for (uint64_t left = reader.Count(kGcIdsMax, 16); left > 0; --left) {
    VARVE_TRY(const ObjectId id, ObjectId::FromBytes(reader.Raw(16)));
    if (!ids.empty() && !(ids.back() < id))
      return Error(ErrorCode::kCorrupt, "a collector's list is not sorted");
    ids.push_back(id);
  }
  if (!reader.AtEnd()) return Error(ErrorCode::kCorrupt, "a collector's list has the wrong length");
  return ids;
}

Result<std::string> EncodeSessionBlock(const SessionBlock& block) {
  return Dump(Json{{"kind", "session"},
                   {"session", std::to_string(block.session)},
                   {"block", std::to_string(block.block)},
                   {"first_counter", std::to_string(block.first_counter)},
                   {"last_counter", std::to_string(block.last_counter)},
                   {"owner", block.owner},
                   {"target", block.target},
                   {"created_ms", std::to_string(block.created_ms)}});
}

Result<SessionBlock> DecodeSessionBlock(std::string_view text) {
  VARVE_TRY(Json json, ParseObject(text, kJsonDepthMax));
  Fields fields(std::move(json), "a session block");
  SessionBlock block;
  if (fields.Text("kind") != "session") fields.Fail("it is an object of another kind");
  block.session = fields.Number("session");
  block.block = fields.Number32("block");
  block.first_counter = fields.Number32("first_counter");
  block.last_counter = fields.Number32("last_counter");
  block.owner = fields.Text("owner");
  block.target = fields.Text("target");
  block.created_ms = fields.Signed("created_ms");
  if (block.first_counter > block.last_counter) fields.Fail("its range is impossible");
  VARVE_CHECK_OK(fields.status());
  return block;
}

}  // namespace varve::format
