#include "varve/format/head.h"

#include <algorithm>
#include <functional>
#include <set>
#include <tuple>

#include "varve/format/commit.h"
#include "varve/format/envelope.h"
#include "varve/format/json.h"
#include "varve/format/names.h"

namespace varve::format {
namespace {

constexpr uint32_t kTagNode = Tag("NODE");
constexpr uint64_t kVersionMax = uint64_t{1} << 53;
constexpr size_t kNodeRowsMax = 4096;
constexpr const char* kStates[] = {"open", "sealed", "deleted"};
using Kind = JsonNode::Kind;

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
  for (const hash::Digest& parent : entry.parents) json["parents"].push_back(parent.Hex());
  return json;
}

Result<VersionEntry> EntryFrom(const JsonNode& json) {
  if (!json.Is(Kind::kObject))
    return Error(ErrorCode::kCorrupt, "a version entry is not an object");
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
  for (const JsonNode& metric : fields.Take("metrics", Kind::kObject, false).children()) {
    entry.metrics.emplace(metric.name(), fields.Double(metric, "metrics"));
  }
  const auto parents = fields.Take("parents", Kind::kArray, false).children();
  if (parents.size() > kParentsMax) fields.Fail("it has too many parents");
  for (const JsonNode& parent : parents) {
    const auto digest = hash::Digest::FromHex(TextOf(parent));
    if (!digest.has_value()) fields.Fail("a parent is not a digest");
    entry.parents.push_back(digest.value_or(hash::Digest{}));
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

Result<HistoryLink> LinkFrom(const JsonNode& json) {
  if (!json.Is(Kind::kObject)) return Error(ErrorCode::kCorrupt, "a history link is not an object");
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
  const JsonNode& json = fields.Take(name, Kind::kObject, false);
  if (json.children().size() > kLabelsMax) fields.Fail("it has too many labels");
  Fields each(json, "a label");
  for (const JsonNode& row : json.children()) {
    const std::string label(row.name());
    const uint64_t version = each.Number(label);
    if (!CheckLabel(label).ok() || version == 0 || version > last_version) {
      fields.Fail("a label names a version that does not exist");
    }
    labels.emplace(label, version);
  }
  if (!each.status().ok()) fields.Fail(each.status().error().message());
  return labels;
}

// Neighbours with one tombstone share a row: "3-17".
Json ForgottenJson(const std::map<uint64_t, Tombstone>& forgotten) {
  Json json = Json::object();
  for (auto first = forgotten.begin(); first != forgotten.end();) {
    auto next = std::next(first);
    uint64_t last = first->first;
    while (next != forgotten.end() && next->first == last + 1 && next->second == first->second) {
      last = next->first;
      ++next;
    }
    const Tombstone& tombstone = first->second;
    Json row = {{"time_ms", std::to_string(tombstone.time_ms)}, {"reason", tombstone.reason}};
    if (!tombstone.by.empty()) row["by"] = tombstone.by;
    if (!tombstone.policy.empty()) row["policy"] = tombstone.policy;
    if (tombstone.until_ms != 0) row["until_ms"] = std::to_string(tombstone.until_ms);
    if (tombstone.gc_epoch != 0) row["gc_epoch"] = std::to_string(tombstone.gc_epoch);
    std::string name = std::to_string(first->first);
    if (last != first->first) name += "-" + std::to_string(last);
    json[name] = std::move(row);
    first = next;
  }
  return json;
}

void ForgottenFrom(Fields& fields, uint64_t next_version, Head& head) {
  for (const JsonNode& row : fields.Take("forgotten", Kind::kObject).children()) {
    Fields tombstone(row, "a tombstone");
    const std::string_view range = row.name();
    const size_t dash = range.find('-');
    const bool one = dash == std::string_view::npos;
    const auto begin = DecimalFrom<uint64_t>(range.substr(0, dash));
    const auto end = one ? begin : DecimalFrom<uint64_t>(range.substr(dash + 1));
    const uint64_t first = begin.value_or(0), last = end.value_or(0);  // No version is 0.
    Tombstone made;
    made.time_ms = tombstone.Signed("time_ms");
    made.reason = tombstone.Text("reason");
    made.by = tombstone.Text("by", false);
    made.policy = tombstone.Text("policy", false);
    made.until_ms = tombstone.Signed("until_ms", false);
    made.gc_epoch = tombstone.Number("gc_epoch", false);
    if (!tombstone.status().ok() || first == 0 || last < first || (!one && last == first) ||
        last >= next_version) {
      fields.Fail("a tombstone is impossible");
      return;
    }
    if (last - first >= kForgottenMax - head.forgotten.size()) {
      fields.Fail("it has too many tombstones");
      return;
    }
    for (uint64_t version = first; version <= last; ++version) {
      if (!head.forgotten.emplace(version, made).second) fields.Fail("a tombstone is there twice");
    }
  }
}

void AddKeepers(const Head& head, Json& json) {
  for (const Pin& pin : head.pins) {
    Json row = {{"version", std::to_string(pin.version)},
                {"owner", pin.owner},
                {"time_ms", std::to_string(pin.time_ms)},
                {"until_ms", std::to_string(pin.until_ms)},
                {"reason", pin.reason}};
    if (pin.lease) row["lease"] = true;
    json["pins"].push_back(std::move(row));
  }
  for (const Hold& hold : head.holds) {
    json["holds"].push_back({{"version", std::to_string(hold.version)},
                             {"owner", hold.owner},
                             {"time_ms", std::to_string(hold.time_ms)},
                             {"reason", hold.reason}});
  }
  for (const auto& [version, layout] : head.layouts) {
    Json row = {{"meta", layout.meta_id.Text()}};
    if (!layout.let_go.empty()) row["let_go"] = layout.let_go;
    if (layout.full_meta_id.has_value()) {
      row["full_meta"] = layout.full_meta_id->Text();
      row["full_until_ms"] = std::to_string(layout.full_until_ms);
      row["gc_epoch"] = std::to_string(layout.gc_epoch);
    }
    json["layouts"][std::to_string(version)] = std::move(row);
  }
  for (const auto& [version, time_ms] : head.verified) {
    json["verified"][std::to_string(version)] = std::to_string(time_ms);
  }
  for (const auto& [version, metrics] : head.late_metrics) {
    Json row = Json::object();
    for (const auto& [metric, value] : metrics) row[metric] = DoubleJson(value);
    json["late_metrics"][std::to_string(version)] = std::move(row);
  }
  if (head.run != RunFacts{}) {
    json["run"] = {{"state", head.run.state},
                   {"owner", head.run.owner},
                   {"time_ms", std::to_string(head.run.time_ms)}};
  }
}

// Rows of "pins" or "holds", ascending by version and owner.
template <typename Row>
void RowsFrom(Fields& fields, const char* name, uint64_t next_version, std::vector<Row>& rows,
              const std::function<void(Fields&, Row&)>& more) {
  const auto json = fields.Take(name, Kind::kArray, false).children();
  if (json.size() > kKeepersMax) fields.Fail("it has too many pins or holds");
  for (const JsonNode& each : json) {
    Fields row(each, "a pin or hold");
    Row made;
    made.version = row.Number("version");
    made.owner = row.Text("owner");
    made.time_ms = row.Signed("time_ms");
    made.reason = row.Text("reason");
    more(row, made);
    if (!row.status().ok() || made.version == 0 || made.version >= next_version ||
        (!rows.empty() &&
         std::tie(rows.back().version, rows.back().owner) >= std::tie(made.version, made.owner))) {
      fields.Fail("a pin or hold is impossible");
    }
    rows.push_back(std::move(made));
  }
}

void KeepersFrom(Fields& fields, uint64_t next_version, Head& head) {
  RowsFrom<Pin>(fields, "pins", next_version, head.pins, [](Fields& row, Pin& pin) {
    pin.until_ms = row.Signed("until_ms");
    pin.lease = row.Boolean("lease", false);
  });
  RowsFrom<Hold>(fields, "holds", next_version, head.holds, [](Fields&, Hold&) {});
  const auto version_of = [&](std::string_view text) {
    const uint64_t version = DecimalFrom<uint64_t>(text).value_or(0);
    if (version == 0 || version >= next_version) {
      fields.Fail("a row names a version that does not exist");
    }
    return version;
  };
  const auto layouts = fields.Take("layouts", Kind::kObject, false).children();
  if (layouts.size() > kLayoutsMax) fields.Fail("it has too many layouts");
  for (const JsonNode& value : layouts) {
    Fields row(value, "a layout");
    Layout layout;
    layout.meta_id = row.Id("meta");
    for (const JsonNode& name : row.Take("let_go", Kind::kArray, false).children()) {
      layout.let_go.emplace_back(TextOf(name));
      const size_t count = layout.let_go.size();
      if (!CheckPath(layout.let_go.back()).ok() || count > kLetGoMax ||
          (count > 1 && layout.let_go[count - 2] >= layout.let_go.back())) {
        fields.Fail("a layout lets go of something impossible");
        return;
      }
    }
    if (row.Has("full_meta")) {
      layout.full_meta_id = row.Id("full_meta");
      layout.full_until_ms = row.Signed("full_until_ms");
      layout.gc_epoch = row.Number("gc_epoch");
    }
    if (!row.status().ok()) fields.Fail(row.status().error().message());
    head.layouts.emplace(version_of(value.name()), std::move(layout));
  }
  const JsonNode& verified = fields.Take("verified", Kind::kObject, false);
  if (verified.children().size() > kVerifiedMax) fields.Fail("it has too many verified versions");
  Fields times(verified, "a verified version");
  for (const JsonNode& row : verified.children()) {
    head.verified.emplace(version_of(row.name()), times.Signed(row.name()));
  }
  if (!times.status().ok()) fields.Fail(times.status().error().message());
  const auto late = fields.Take("late_metrics", Kind::kObject, false).children();
  if (late.size() > kLateMetricsMax) fields.Fail("it has too many late metrics");
  for (const JsonNode& row : late) {
    auto& metrics = head.late_metrics[version_of(row.name())];
    if (!row.Is(Kind::kObject) || row.children().size() > kEntryMetricsMax) {
      fields.Fail("late metrics are odd");
      continue;
    }
    for (const JsonNode& metric : row.children()) {
      metrics[std::string(metric.name())] = fields.Double(metric, "late_metrics");
    }
  }
  if (fields.Has("run")) {
    Fields run(fields.Take("run", Kind::kObject), "the run");
    head.run.state = run.Text("state");
    head.run.owner = run.Text("owner");
    head.run.time_ms = run.Signed("time_ms");
    if (head.run.state.size() > kRunTextMax || head.run.owner.size() > kRunTextMax)
      fields.Fail("its run has too long a name");
    if (!run.status().ok()) fields.Fail(run.status().error().message());
  }
}

}  // namespace

std::string NamedBy(const Head& head, uint64_t version, int64_t now_ms) {
  for (const Hold& hold : head.holds) {
    if (hold.version == version) return "the hold of '" + hold.owner + "'";
  }
  for (const auto& [tag, target] : head.tags) {
    if (target == version) return "tag '" + tag + "'";
  }
  for (const auto& [alias, target] : head.aliases) {
    if (target == version) return "alias '" + alias + "'";
  }
  for (const Pin& pin : head.pins) {
    if (pin.version != version || pin.until_ms <= now_ms) continue;
    return (pin.lease ? "the lease of '" : "the pin of '") + pin.owner + "'";
  }
  return "";
}

void UseLayout(const Head& head, VersionEntry& entry) {
  const auto layout = head.layouts.find(entry.version);
  if (layout != head.layouts.end()) entry.meta_id = layout->second.meta_id;
}

std::map<std::string, double> MetricsOf(const Head& head, const VersionEntry& entry) {
  std::map<std::string, double> metrics = entry.metrics;
  const auto late = head.late_metrics.find(entry.version);
  if (late == head.late_metrics.end()) return metrics;
  for (const auto& [metric, value] : late->second) metrics[metric] = value;
  return metrics;
}

std::vector<ObjectId> LiveCommitObjects(const Head& head, const VersionEntry& entry,
                                        int64_t now_ms) {
  const auto tombstone = head.forgotten.find(entry.version);
  if (tombstone != head.forgotten.end() && tombstone->second.until_ms <= now_ms &&
      NamedBy(head, entry.version, INT64_MIN).empty()) {
    return {};
  }
  const auto layout = head.layouts.find(entry.version);
  if (layout == head.layouts.end()) return {entry.meta_id};
  std::vector<ObjectId> live{layout->second.meta_id};
  if (layout->second.full_meta_id.has_value() && layout->second.full_until_ms > now_ms) {
    live.push_back(*layout->second.full_meta_id);
  }
  return live;
}

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
  if (head.forgotten.size() > kForgottenMax || head.layouts.size() > kLayoutsMax) {
    return Error(ErrorCode::kResourceExhausted,
                 "'" + head.name + "' has let go of too many versions; start a new artifact");
  }
  json["forgotten"] = ForgottenJson(head.forgotten);
  json["aliases"] = LabelsJson(head.aliases);
  json["tags"] = LabelsJson(head.tags);
  if (head.aliases.size() > kLabelsMax || head.tags.size() > kLabelsMax) {
    return Error(ErrorCode::kResourceExhausted,
                 "'" + head.name + "' would have more than 1,024 aliases or tags; remove some");
  }
  if (head.pins.size() > kKeepersMax || head.holds.size() > kKeepersMax) {
    return Error(ErrorCode::kResourceExhausted,
                 "'" + head.name + "' would have more than 1,024 pins or holds; lift some");
  }
  if (head.late_metrics.size() > kLateMetricsMax) {
    return Error(ErrorCode::kResourceExhausted,
                 "'" + head.name +
                     "' would have more than 1,024 versions with metrics that came after their "
                     "save; give metrics when saving");
  }
  AddKeepers(head, json);
  std::string text = Checked(Dump(json));
  if (text.size() > kHeadBytesMax) {
    return Error(ErrorCode::kResourceExhausted, "the head of '" + head.name + "' would pass 4 MiB");
  }
  VARVE_CHECK_OK(Readable(DecodeHead(text)));
  return text;
}

Result<Head> DecodeHead(std::string_view text) {
  if (text.size() > kHeadBytesMax) return Error(ErrorCode::kCorrupt, "a head is larger than 4 MiB");
  JsonText json;
  VARVE_TRY(const JsonNode* root, ParseChecked(json, text, "aliases", kJsonDepthMax));
  Fields fields(*root, "the head");
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
  for (const JsonNode& each : fields.Take("history", Kind::kArray).children()) {
    VARVE_TRY(HistoryLink link, LinkFrom(each));
    if (link.first_version != next_version) fields.Fail("its history has a gap");
    next_version = link.last_version + 1;
    head.history.push_back(std::move(link));
  }
  const auto versions = fields.Take("versions", Kind::kArray).children();
  head.versions.reserve(std::min<size_t>(versions.size(), kInlineVersionsMax));
  for (const JsonNode& each : versions) {
    VARVE_TRY(VersionEntry entry, EntryFrom(each));
    if (entry.version != next_version++) fields.Fail("its versions have a gap");
    head.versions.push_back(std::move(entry));
  }
  if (head.versions.size() > kInlineVersionsMax) fields.Fail("it has too many versions inline");
  ForgottenFrom(fields, next_version, head);
  head.aliases = LabelsFrom(fields, "aliases", next_version - 1);
  head.tags = LabelsFrom(fields, "tags", next_version - 1);
  KeepersFrom(fields, next_version, head);
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
  JsonText json;
  VARVE_TRY(const JsonNode* root, json.Parse(AsText(section->raw), kJsonDepthMax));
  Fields fields(*root, "a history node");
  HistoryNode node;
  node.min_gc = envelope.min_gc;
  const uint64_t level = fields.Number("level");
  if (level > 16) fields.Fail("its level is impossible");
  node.level = static_cast<uint32_t>(level);
  uint64_t next_version = 0;  // 0: any may come first.
  for (const JsonNode& each : fields.Take("entries", Kind::kArray).children()) {
    VARVE_TRY(VersionEntry entry, EntryFrom(each));
    if (next_version != 0 && entry.version != next_version) fields.Fail("its versions have a gap");
    next_version = entry.version + 1;
    node.entries.push_back(std::move(entry));
  }
  for (const JsonNode& each : fields.Take("links", Kind::kArray).children()) {
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
