#include "varve/format/control.h"

#include "varve/format/envelope.h"
#include "varve/format/json.h"

namespace varve::format {
namespace {

using Kind = JsonNode::Kind;

// Features this release understands, of any class.
const std::set<std::string>& KnownFeatures() {
  static const std::set<std::string> known;
  return known;
}

std::set<std::string> FeatureSet(Fields& fields, const char* name) {
  std::set<std::string> features;
  for (const JsonNode& each : fields.Take(name, Kind::kArray, false).children()) {
    if (each.Is(Kind::kString))
      features.emplace(each.text());
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
  if (descriptor.probe.has_value()) {
    json["probe"] = Json{{"shared_writing", descriptor.probe->shared_writing ? "safe" : "refused"},
                         {"reason", descriptor.probe->reason},
                         {"time_ms", std::to_string(descriptor.probe->time_ms)}};
  }
  json["features_read"] = descriptor.features_read;
  json["features_write"] = descriptor.features_write;
  json["features_gc"] = descriptor.features_gc;
  json["features_fsck"] = descriptor.features_fsck;
  std::string text = Checked(Dump(json));
  VARVE_CHECK_OK(Readable(DecodeDescriptor(text)));
  return text;
}

Result<Descriptor> DecodeDescriptor(std::string_view text) {
  JsonText json;
  VARVE_TRY(const JsonNode* root, ParseChecked(json, text, "chunk_bytes", kJsonDepthMax));
  Fields fields(*root, "the lake descriptor");
  Descriptor descriptor;
  if (fields.Text("kind") != "varve lake") fields.Fail("it is an object of another kind");
  descriptor.lake_id = fields.Text("lake_id");
  descriptor.format = fields.Number32("format");
  descriptor.created_ms = fields.Signed("created_ms");
  descriptor.hash = fields.Text("hash");
  descriptor.chunk_bytes = fields.Number("chunk_bytes");
  descriptor.pack_bytes = fields.Number("pack_bytes");
  if (fields.Has("probe")) {
    Fields probe(fields.Take("probe", Kind::kObject), "the descriptor's probe");
    descriptor.probe.emplace();
    const std::string verdict = probe.Text("shared_writing");
    descriptor.probe->shared_writing = verdict == "safe";
    descriptor.probe->reason = probe.Text("reason", false);
    descriptor.probe->time_ms = probe.Signed("time_ms");
    if (verdict != "safe" && verdict != "refused") probe.Fail("its verdict is unknown");
    VARVE_CHECK_OK(probe.status());
  }
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

Status CheckCollectorGate(const Descriptor& descriptor) {
  for (const std::string& feature : descriptor.features_gc) {
    if (!KnownFeatures().contains(feature)) {
      return Error(ErrorCode::kUnsupported,
                   "the lake has feature '" + feature +
                       "', which this collector does not know; nothing was deleted, upgrade varve");
    }
  }
  return OkStatus();
}

Status CheckRepairGate(const Descriptor& descriptor) {
  for (const std::string& feature : descriptor.features_fsck) {
    if (!KnownFeatures().contains(feature)) {
      return Error(ErrorCode::kUnsupported,
                   "the lake has feature '" + feature +
                       "', which this repair does not know; nothing was changed, upgrade varve");
    }
  }
  return OkStatus();
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
  JsonText json;
  VARVE_TRY(const JsonNode* root, json.Parse(text, kJsonDepthMax));
  Fields fields(*root, "a session block");
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
