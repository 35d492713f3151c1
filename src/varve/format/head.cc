#include "varve/format/head.h"

#include <algorithm>
#include <set>

#include "varve/format/envelope.h"
#include "varve/format/json.h"
#include "varve/format/names.h"

namespace varve::format {
namespace {

constexpr uint32_t kTagNode = Tag("NODE");
constexpr uint64_t kVersionMax = uint64_t{1} << 53;
constexpr size_t kNodeRowsMax = 4096;
constexpr const char* kStates[] = {"open", "sealed", "deleted"};

Json EntryJson(const VersionEntry& entry) {
  Json json = {{"version", std::to_string(entry.version)},
               {"commit", entry.commit_id.Hex()},
               {"meta", entry.meta_id.Text()},
               {"time_ms", std::to_string(entry.time_ms)},
               {"logical_bytes", std::to_string(entry.logical_bytes)},
               {"stored_bytes", std::to_string(entry.stored_bytes)}};
  if (entry.has_step) json["step"] = std::to_string(entry.step);
  if (!entry.message.empty()) json["message"] = entry.message;
  if (!entry.metrics.empty()) {
    Json metrics = Json::object();
    for (const auto& [metric, value] : entry.metrics) metrics[metric] = DoubleJson(value);
    json["metrics"] = std::move(metrics);
  }
  return json;
}

Result<VersionEntry> EntryFrom(const Json& json) {
  if (!json.is_object()) return Error(ErrorCode::kCorrupt, "a version entry is not an object");
  Fields fields(json, "a version entry");
  VersionEntry entry;
  entry.version = fields.Number("version");
  if (entry.version == 0 || entry.version > kVersionMax) fields.Fail("its number is impossible");
  entry.commit_id = fields.Digest("commit");
  entry.meta_id = fields.Id("meta");
  entry.time_ms = fields.Signed("time_ms");
  entry.logical_bytes = fields.Number("logical_bytes");
  entry.stored_bytes = fields.Number("stored_bytes");
  entry.has_step = fields.Has("step");
  entry.step = fields.Signed("step", false);
  entry.message = fields.Text("message", false);
  const Json metrics = fields.Take("metrics", Json::value_t::object, false);
  for (const auto& [metric, value] : metrics.items()) {
    entry.metrics.emplace(metric, fields.Double(value, "metrics"));
  }
  VARVE_CHECK_OK(fields.status());
  return entry;
}

Json LinkJson(const HistoryLink& link) {
  return {{"id", link.id.Text()},
          {"level", std::to_string(link.level)},
          {"first", std::to_string(link.first_version)},
          {"last", std::to_string(link.last_version)},
          {"time_min_ms", std::to_string(link.time_min_ms)},
          {"time_max_ms", std::to_string(link.time_max_ms)}};
}

Result<HistoryLink> LinkFrom(const Json& json) {
  if (!json.is_object()) return Error(ErrorCode::kCorrupt, "a history link is not an object");
  Fields fields(json, "a history link");
  HistoryLink link;
  link.id = fields.Id("id");
  const uint64_t level = fields.Number("level");
  link.first_version = fields.Number("first");
  link.last_version = fields.Number("last");
  link.time_min_ms = fields.Signed("time_min_ms");
  link.time_max_ms = fields.Signed("time_max_ms");
  if (level > 16 || link.first_version == 0 || link.first_version > link.last_version ||
      link.last_version > kVersionMax || link.time_min_ms > link.time_max_ms) {
    fields.Fail("its range is impossible");
  }
  link.level = static_cast<uint32_t>(level);
  VARVE_CHECK_OK(fields.status());
  return link;
}

Json LabelsJson(const std::map<std::string, uint64_t>& labels) {
  Json json = Json::object();
  for (const auto& [label, version] : labels) json[label] = std::to_string(version);
  return json;
}

std::map<std::string, uint64_t> LabelsFrom(Fields& fields, const char* name,
                                           uint64_t last_version) {
  std::map<std::string, uint64_t> labels;
  const Json json = fields.Take(name, Json::value_t::object, false);
  if (json.size() > kLabelsMax) fields.Fail("it has too many labels");
  Fields each(json, "a label");
  for (const auto& [label, value] : json.items()) {
    const uint64_t version = each.Number(label.c_str());
    if (!CheckLabel(label).ok() || version == 0 || version > last_version) {
      fields.Fail("a label names a version that does not exist");
    }
    labels.emplace(label, version);
  }
  if (!each.status().ok()) fields.Fail(each.status().error().message());
  return labels;
}

}  // namespace

uint64_t Head::last_version() const {
  if (!versions.empty()) return versions.back().version;
  return history.empty() ? 0 : history.back().last_version;
}

Result<std::string> EncodeHead(const Head& head) {
  Json json = WithUnknown(head.unknown_json);
  json["kind"] = "head";
  json["format"] = "1";
  json["name"] = head.name;
  json["type"] = head.artifact_type;
  json["state"] = kStates[static_cast<size_t>(head.state)];
  json["seq"] = std::to_string(head.seq);
  json["nonce"] = head.nonce;
  json["prev_nonce"] = head.prev_nonce;
  json["writer_epoch"] = std::to_string(head.writer_epoch);
  json["gc_epoch"] = std::to_string(head.gc_epoch);
  json["versions"] = Json::array();
  for (const VersionEntry& entry : head.versions) json["versions"].push_back(EntryJson(entry));
  json["history"] = Json::array();
  for (const HistoryLink& link : head.history) json["history"].push_back(LinkJson(link));
  json["forgotten"] = Json::object();
  for (const auto& [version, tombstone] : head.forgotten) {
    json["forgotten"][std::to_string(version)] = {{"time_ms", std::to_string(tombstone.time_ms)},
                                                  {"reason", tombstone.reason}};
  }
  json["aliases"] = LabelsJson(head.aliases);
  json["tags"] = LabelsJson(head.tags);
  if (head.aliases.size() > kLabelsMax || head.tags.size() > kLabelsMax) {
    return Error(ErrorCode::kResourceExhausted,
                 "'" + head.name + "' would have more than 1,024 aliases or tags; remove some");
  }
  std::string text = Dump(json);
  if (text.size() > kHeadBytesMax) {
    return Error(ErrorCode::kResourceExhausted, "the head of '" + head.name + "' would pass 4 MiB");
  }
  VARVE_CHECK_OK(Readable(DecodeHead(text)));
  return text;
}

Result<Head> DecodeHead(std::string_view text) {
  if (text.size() > kHeadBytesMax) return Error(ErrorCode::kCorrupt, "a head is larger than 4 MiB");
  VARVE_TRY(Json json, ParseObject(text, kJsonDepthMax));
  Fields fields(std::move(json), "the head");
  Head head;
  if (fields.Text("kind") != "head") fields.Fail("it is an object of another kind");
  if (fields.Text("format") != "1") {
    return Error(ErrorCode::kUnsupported, "the head is of a newer format; upgrade varve");
  }
  head.name = fields.Text("name");
  head.artifact_type = fields.Text("type");
  const std::string state = fields.Text("state");
  const auto* known = std::find(std::begin(kStates), std::end(kStates), state);
  if (known == std::end(kStates))
    fields.Fail("its state is unknown");
  else
    head.state = static_cast<HeadState>(known - std::begin(kStates));
  head.seq = fields.Number("seq");
  head.nonce = fields.Text("nonce");
  head.prev_nonce = fields.Text("prev_nonce");
  head.writer_epoch = fields.Number("writer_epoch");
  head.gc_epoch = fields.Number("gc_epoch");
  uint64_t next_version = 1;
  for (const Json& each : fields.Take("history", Json::value_t::array)) {
    VARVE_TRY(HistoryLink link, LinkFrom(each));
    if (link.first_version != next_version) fields.Fail("its history has a gap");
    next_version = link.last_version + 1;
    head.history.push_back(std::move(link));
  }
  for (const Json& each : fields.Take("versions", Json::value_t::array)) {
    VARVE_TRY(VersionEntry entry, EntryFrom(each));
    if (entry.version != next_version++) fields.Fail("its versions have a gap");
    head.versions.push_back(std::move(entry));
  }
  if (head.versions.size() > kInlineVersionsMax) fields.Fail("it has too many versions inline");
  const Json forgotten = fields.Take("forgotten", Json::value_t::object);
  for (const auto& [version_text, value] : forgotten.items()) {
    Fields tombstone(value.is_object() ? value : Json::object(), "a tombstone");
    Fields number(Json{{"version", version_text}}, "a tombstone");
    const uint64_t version = number.Number("version");
    Tombstone made{tombstone.Signed("time_ms"), tombstone.Text("reason")};
    if (!tombstone.status().ok() || !number.status().ok() || version == 0 ||
        version >= next_version) {
      fields.Fail("a tombstone is impossible");
    }
    head.forgotten.emplace(version, std::move(made));
  }
  head.aliases = LabelsFrom(fields, "aliases", next_version - 1);
  head.tags = LabelsFrom(fields, "tags", next_version - 1);
  VARVE_CHECK_OK(fields.status());
  if (auto name = CheckArtifactName(head.name); !name.ok()) {
    return Error(ErrorCode::kCorrupt, "the head is damaged: " + name.error().message());
  }
  head.unknown_json = fields.Unknown();
  return head;
}

Result<Bytes> EncodeHistoryNode(const HistoryNode& node) {
  Json json = {{"level", std::to_string(node.level)}};
  json["entries"] = Json::array();
  for (const VersionEntry& entry : node.entries) json["entries"].push_back(EntryJson(entry));
  json["links"] = Json::array();
  for (const HistoryLink& link : node.links) json["links"].push_back(LinkJson(link));
  const std::string text = Dump(json);
  Envelope envelope;
  envelope.type = ObjectType::kHistory;
  const ByteView bytes = AsBytes(text);
  envelope.sections = {{kTagNode, Bytes(bytes.begin(), bytes.end()), true}};
  VARVE_TRY(Bytes object, EncodeEnvelope(envelope));
  VARVE_CHECK_OK(Readable(DecodeHistoryNode(object)));
  return object;
}

Result<HistoryNode> DecodeHistoryNode(ByteView object) {
  VARVE_TRY(const Envelope envelope, DecodeEnvelope(object));
  const Section* section = envelope.Find(kTagNode);
  if (envelope.type != ObjectType::kHistory || section == nullptr) {
    return Error(ErrorCode::kCorrupt, "a history node is an object of another type");
  }
  VARVE_TRY(Json json, ParseObject(AsText(section->raw), kJsonDepthMax));
  Fields fields(std::move(json), "a history node");
  HistoryNode node;
  const uint64_t level = fields.Number("level");
  if (level > 16) fields.Fail("its level is impossible");
  node.level = static_cast<uint32_t>(level);
  uint64_t next_version = 0;  // 0: any may come first.
  for (const Json& each : fields.Take("entries", Json::value_t::array)) {
    VARVE_TRY(VersionEntry entry, EntryFrom(each));
    if (next_version != 0 && entry.version != next_version) fields.Fail("its versions have a gap");
    next_version = entry.version + 1;
    node.entries.push_back(std::move(entry));
  }
  for (const Json& each : fields.Take("links", Json::value_t::array)) {
    VARVE_TRY(HistoryLink link, LinkFrom(each));
    if (link.level >= node.level) fields.Fail("a link leads upwards");
    if (next_version != 0 && link.first_version != next_version)
      fields.Fail("its links have a gap");
    next_version = link.last_version + 1;
    node.links.push_back(std::move(link));
  }
  const bool leaf = node.level == 0;
  if (leaf ? node.entries.empty() || !node.links.empty()
           : node.links.empty() || !node.entries.empty()) {
    fields.Fail("it holds rows of another level");
  }
  if (node.entries.size() > kNodeRowsMax || node.links.size() > kNodeRowsMax) {
    fields.Fail("it holds too many rows");
  }
  VARVE_CHECK_OK(fields.status());
  return node;
}

}  // namespace varve::format
