#include "sim/oracle.h"

#include <algorithm>

#include "varve/codec/codec.h"
#include "varve/format/names.h"
#include "varve/format/object_key.h"
#include "varve/hash/hash.h"

namespace varve::sim {

Intent& Intents::New(std::string artifact) {
  auto intent = std::make_unique<Intent>();
  intent->number = intents_.size() + 1;
  intent->artifact = std::move(artifact);
  Intent& reference = *intent;
  intents_.emplace(reference.Message(), std::move(intent));
  return reference;
}

Intent* Intents::Find(std::string_view message) {
  const auto found = intents_.find(message);
  return found == intents_.end() ? nullptr : found->second.get();
}

uint64_t Meaning(const format::Head* head, std::string_view address) {
  if (head == nullptr || head->state == format::HeadState::kDeleted) return 0;
  const auto live = [&](uint64_t version) {
    return version != 0 && version <= head->last_version() && !head->forgotten.contains(version);
  };
  const size_t at = address.find('@');
  if (at == std::string_view::npos) {
    uint64_t version = head->last_version();
    while (version > 0 && head->forgotten.contains(version)) --version;
    return version;
  }
  const std::string label(address.substr(at + 1));
  uint64_t version = 0;
  if (const auto alias = head->aliases.find(label); alias != head->aliases.end()) {
    version = alias->second;
  } else if (const auto tag = head->tags.find(label); tag != head->tags.end()) {
    version = tag->second;
  } else if (label.size() > 1 && label[0] == 'v') {
    version = std::strtoull(label.c_str() + 1, nullptr, 10);
  }
  return live(version) ? version : 0;
}

namespace {

// Asks the format at each date that may end something.
template <typename Root>
std::vector<Root> RootsOf(const format::Head& head, const format::VersionEntry& entry) {
  const auto tombstone = head.forgotten.find(entry.version);
  const auto layout = head.layouts.find(entry.version);
  if (tombstone == head.forgotten.end() && layout == head.layouts.end()) {
    return {{entry.meta_id, INT64_MAX}};
  }
  std::vector<int64_t> dates{INT64_MAX};
  if (tombstone != head.forgotten.end()) dates.push_back(tombstone->second.until_ms);
  if (layout != head.layouts.end()) dates.push_back(layout->second.full_until_ms);
  std::sort(dates.begin(), dates.end());
  std::vector<Root> roots;
  for (const format::ObjectId& id : format::LiveCommitObjects(head, entry, INT64_MIN)) {
    int64_t until_ms = INT64_MAX;
    for (const int64_t date : dates) {
      const auto live = format::LiveCommitObjects(head, entry, date);
      if (std::find(live.begin(), live.end(), id) != live.end()) continue;
      until_ms = date;
      break;
    }
    roots.push_back({id, until_ms});
  }
  return roots;
}

}  // namespace

void Oracle::OnWrite(uint32_t process, const std::string& key, const StoredObject* before,
                     const StoredObject& after, bool conditional) {
  ++tick_;
  if (!MayWrite(process, key)) return fail_("I7 written by one whose work it is not: " + key);
  if (!conditional && before != nullptr && before->body != after.body) {
    fail_("I4 a name was used twice: " + key);
    return;
  }
  if (conditional && !key.starts_with("ref/") && !key.starts_with("gc/") && key != "lake.json") {
    fail_("I7 a data object was swapped: " + key);
    return;
  }
  if (key.starts_with(format::kHeadPrefix)) OnHead(process, key, before, after);
  if (key == format::kGcStateKey) OnGcState(process, after);
}

bool Oracle::MayWrite(uint32_t process, const std::string& key) const {
  const auto found = roles_.find(process);
  const Role role = found == roles_.end() ? Role::kAny : found->second.role;
  const bool named = key.starts_with("ref/") || key.starts_with("meta/") ||
                     key.starts_with("hist/") || key.starts_with("sess/");
  switch (role) {
    case Role::kAny:
      return true;
    case Role::kReader:
      return false;
    case Role::kSaver:
    case Role::kRepacker:
      return named || key.starts_with("pack/");
    case Role::kEditor:
      return named;
    case Role::kRepairer:
      return named || key.starts_with("pack/") || key == format::kGcStateKey;
    case Role::kCollector:
      return key.starts_with("ref/") || key.starts_with("sess/") || key.starts_with("gc/");
  }
  return false;
}

bool Oracle::Needed(const std::string& key, int64_t now_ms) const {
  const auto found = references_.find(key);
  return found != references_.end() &&
         std::any_of(found->second.begin(), found->second.end(),
                     [&](const Reference& each) { return each.until_ms > now_ms; });
}

void Oracle::OnDelete(uint32_t process, const std::string& key, const StoredObject& object,
                      int64_t now_ms) {
  ++tick_;
  static_cast<void>(object);
  const auto powers = roles_.find(process);
  if (powers != roles_.end() && powers->second.role != Role::kAny &&
      powers->second.role != Role::kCollector) {
    return fail_("I7 deleted by one whose work it is not: " + key);
  }
  if (Needed(key, now_ms)) return fail_("I5 deleted, though a live version names it: " + key);
  if (key.starts_with("ref/") || key == "lake.json" || key == format::kGcStateKey) {
    return fail_("I6 deleted, though it is no data: " + key);
  }
  if (key.starts_with(format::kGcPrefix)) {
    for (const auto& [epoch, list] : gc_.lists) {
      for (const format::GcListPart& part : list) {
        if (part.key == key) return fail_("I6 deleted, though gc/state names it: " + key);
      }
    }
    return;
  }
  if (!decided_.contains(key)) fail_("I6 deleted, though no collector decided so: " + key);
}

std::set<std::string> Oracle::KeysOf(const format::GcList& list) {
  std::set<std::string> keys;
  for (const format::GcListPart& part : list) {
    const StoredObject* object = bucket_.Find(part.key);
    if (object == nullptr) {
      fail_("I1 gc/state names a missing " + part.key);
      continue;
    }
    const auto ids = format::DecodeGcList(object->body);
    if (!ids.ok()) {
      fail_("I1 gc/state names a damaged " + part.key);
      continue;
    }
    for (const format::ObjectId& id : *ids) keys.insert(format::KeyOf(part.kind, id));
  }
  return keys;
}

void Oracle::OnGcState(uint32_t process, const StoredObject& after) {
  auto state = format::DecodeGcState(AsText(after.body));
  if (!state.ok()) return fail_("I1 a gc/state that cannot be read was written");
  const format::GcState old = std::exchange(gc_, std::move(state).value());
  const bool begins = gc_.epoch == old.epoch + 1 && old.phase == format::GcPhase::kIdle &&
                      gc_.phase == format::GcPhase::kCondemned;
  const bool decides = gc_.epoch == old.epoch && old.phase == format::GcPhase::kCondemned &&
                       gc_.phase == format::GcPhase::kSweeping;
  const bool ends = gc_.epoch == old.epoch && old.phase == format::GcPhase::kSweeping &&
                    gc_.phase == format::GcPhase::kIdle;
  const bool stays = gc_.epoch == old.epoch && gc_.phase == old.phase;
  const auto by = roles_.find(process);
  // Past everything, without lists: all that a writer learned before counts as condemned.
  const bool anew = by != roles_.end() && by->second.role == Role::kRepairer &&
                    gc_.epoch > old.epoch + 1 && gc_.phase == format::GcPhase::kIdle &&
                    gc_.lists.empty() && gc_.oldest_list_epoch == gc_.epoch;
  if (!begins && !decides && !ends && !stays && !anew) return fail_("I3 gc/state jumped");
  if (gc_.oldest_list_epoch < old.oldest_list_epoch) return fail_("I3 oldest_list_epoch went back");
  const int64_t now_ms = after.modified_ms;
  if (begins) {
    condemned_ = KeysOf(gc_.lists[gc_.epoch]);
    const auto powers = roles_.find(process);
    const int64_t grace_ms = powers == roles_.end() ? 0 : powers->second.grace_ms;
    for (const std::string& key : condemned_) {
      const StoredObject* object = bucket_.Find(key);
      if (object == nullptr || grace_ms == 0 || object->modified_ms + grace_ms <= now_ms) continue;
      return fail_("I6 condemned within the grace: " + key);
    }
  }
  if (!decides) return;
  for (const std::string& key : KeysOf(gc_.lists[gc_.epoch])) {
    if (!condemned_.contains(key)) return fail_("I7 decided, though not condemned: " + key);
    if (Needed(key, now_ms)) {
      return fail_("I5 decided dead, though a live version names it: " + key);
    }
    decided_.insert(key);
  }
}

bool Oracle::SetRoots(Version& version, std::vector<Root> roots, const std::string& where,
                      int64_t now_ms) {
  if (version.roots == roots) return true;
  for (const Root& root : version.roots) {
    if (!version.objects.contains(root.meta_id)) continue;
    for (const std::string& key : version.objects[root.meta_id]) {
      std::erase_if(references_[key],
                    [&](const Reference& each) { return each.owner == version.owner; });
    }
  }
  version.roots = std::move(roots);
  for (const Root& root : version.roots) {
    const bool known = version.objects.contains(root.meta_id);
    // Laid out anew as its date passed: what it names may be gone, and it does not live.
    if (!known && root.until_ms <= now_ms) continue;
    if (!known && !LearnObject(version, root.meta_id, where)) return false;
    for (const std::string& key : version.objects[root.meta_id]) {
      references_[key].push_back({version.owner, root.until_ms});
      if (root.until_ms <= now_ms) continue;
      if (bucket_.Find(key) == nullptr) fail_("I1 " + where + " names a missing " + key);
      if (decided_.contains(key)) fail_("I5 " + where + " names " + key + ", decided dead");
    }
  }
  return true;
}

bool Oracle::CheckContent(const format::Commit& commit, const Intent& intent,
                          const std::string& where) {
  if (commit.tensors.size() != intent.tensors.size()) {
    fail_("I1 " + where + " has another number of tensors than were saved");
    return false;
  }
  for (size_t i = 0; i < commit.tensors.size(); ++i) {
    const format::TensorRow& row = commit.tensors[i];
    const auto expected = intent.tensors.find(row.name);
    if (expected == intent.tensors.end()) {
      fail_("I1 " + where + " has a tensor that was not saved: " + row.name);
      return false;
    }
    if (commit.GoneBy(i) != nullptr) continue;
    Bytes raw;
    for (const uint32_t ordinal : row.chunks) {
      const format::ChunkRow& chunk = commit.chunks[ordinal];
      const std::string key = format::PackKey(commit.packs[chunk.pack].id);
      const StoredObject* pack = bucket_.Find(key);
      if (pack == nullptr || chunk.offset + chunk.payload_bytes > pack->body.size()) {
        fail_("I1 " + where + " names a missing or short pack: " + key);
        return false;
      }
      const size_t at = raw.size();
      raw.resize(at + chunk.raw_bytes);
      const MutableByteView into = MutableByteView(raw).subspan(at);
      const ByteView payload = ByteView(pack->body).subspan(chunk.offset, chunk.payload_bytes);
      if (!codec::DecodeChunk(chunk.codec, payload, into).ok() ||
          hash::Blake3Of(into) != chunk.digest) {
        fail_("I1 " + where + " has a chunk that does not hash right in " + key);
        return false;
      }
    }
    if (raw != expected->second) {
      fail_("I1 " + where + " has other bytes than were saved in " + row.name);
      return false;
    }
  }
  return true;
}

bool Oracle::LearnObject(Version& version, const format::ObjectId& meta_id,
                         const std::string& where) {
  const std::string meta_key = format::MetaKey(meta_id);
  const StoredObject* meta = bucket_.Find(meta_key);
  if (meta == nullptr) {
    fail_("I1 " + where + " names a missing " + meta_key);
    return false;
  }
  const auto decoded = format::DecodeCommit(meta->body);
  if (!decoded.ok() || decoded->commit_id != version.entry.commit_id) {
    fail_("I1 " + where + " names a commit object that is not its own");
    return false;
  }
  Intent* const intent = intents_.Find(decoded->commit.header.message);
  if (intent == nullptr) {
    fail_("I1 " + where + " was never saved by anyone");
    return false;
  }
  if (version.intent != nullptr && version.intent != intent) {
    fail_("I1 " + where + " has the commit object of another version");
    return false;
  }
  version.intent = intent;
  if (!CheckContent(decoded->commit, *intent, where)) return false;
  std::vector<std::string>& objects = version.objects[meta_id];
  objects.push_back(meta_key);
  for (const format::PackRow& pack : decoded->commit.packs) {
    objects.push_back(format::PackKey(pack.id));
  }
  return true;
}

bool Oracle::Learn(Artifact& artifact, const std::string& name, const format::VersionEntry& entry) {
  const std::string where = "v" + std::to_string(entry.version) + " of " + name;
  Version version;
  version.entry = entry;
  version.owner = ++owners_;
  if (!LearnObject(version, entry.meta_id, where)) return false;
  if (home_) {
    if (version.intent->artifact != name) {
      fail_("I7 " + where + " was saved to " + version.intent->artifact);
      return false;
    }
    if (version.intent->fate == Intent::Fate::kRefused) {
      fail_("P4 " + where + " appeared after its saver was told that it did not land");
      return false;
    }
  }
  // A copy keeps the commit; the same commit twice is one save that landed twice.
  for (const auto& [number, other] : artifact.versions) {
    if (other.intent == version.intent && entry.message != "deep") {
      fail_("I4 " + where + " is the same save as v" + std::to_string(number));
      return false;
    }
  }
  artifact.versions.emplace(entry.version, std::move(version));
  return true;
}

bool Oracle::CheckLink(const Artifact& artifact, const format::HistoryLink& link) {
  const std::string key = format::HistoryKey(link.id);
  const StoredObject* object = bucket_.Find(key);
  if (object == nullptr) {
    fail_("I1 a head links to a missing " + key);
    return false;
  }
  const auto node = format::DecodeHistoryNode(object->body);
  if (!node.ok()) {
    fail_("I1 a head links to a damaged " + key);
    return false;
  }
  for (const format::VersionEntry& entry : node->entries) {
    const auto known = artifact.versions.find(entry.version);
    if (known == artifact.versions.end() || known->second.entry != entry) {
      fail_("I2 folding changed v" + std::to_string(entry.version));
      return false;
    }
  }
  return true;
}

bool Oracle::LackTheSame(const format::ObjectId& one, const format::ObjectId& other) const {
  std::vector<std::set<std::string>> lacking;
  for (const format::ObjectId& id : {one, other}) {
    const StoredObject* object = bucket_.Find(format::MetaKey(id));
    if (object == nullptr) return false;
    const auto decoded = format::DecodeCommit(object->body);
    if (!decoded.ok()) return false;
    lacking.emplace_back();
    for (const format::LetGo& row : decoded->commit.let_go) lacking.back().insert(row.component);
  }
  return lacking[0] == lacking[1];
}

bool Oracle::CheckLetGo(const format::Head& old, const format::Head& head, int64_t now_ms) {
  const auto bad = [&](const char* rule, uint64_t version, const std::string& what) {
    fail_(std::string(rule) + " v" + std::to_string(version) + " of " + head.name + " " + what);
    return false;
  };
  bool any_live = false;
  for (uint64_t version = head.last_version(); version > 0 && !any_live; --version) {
    any_live = !head.forgotten.contains(version);
  }
  for (const auto& [version, row] : head.forgotten) {
    const auto before = old.forgotten.find(version);
    if (before != old.forgotten.end()) {
      if (before->second.until_ms > now_ms && row.until_ms < before->second.until_ms) {
        return bad("P10", version, "may be brought back for less long than was said");
      }
      continue;
    }
    const std::string named = format::NamedBy(head, version, now_ms);
    if (!named.empty()) return bad("P9", version, "was let go, but is kept by " + named);
    if (!row.policy.empty() && !any_live) return bad("P9", version, "was let go as the last one");
  }
  for (const auto* labels : {&head.tags, &head.aliases}) {
    for (const auto& [label, version] : *labels) {
      if (head.forgotten.contains(version))
        return bad("I3", version, "is gone, but named " + label);
    }
  }
  for (const auto& [version, row] : head.layouts) {
    const auto before = old.layouts.find(version);
    const bool was = before != old.layouts.end();
    if (version > old.last_version() || (was && before->second == row)) continue;
    if (row.let_go.size() > (was ? before->second.let_go.size() : 0)) {
      const std::string named = format::NamedBy(head, version, now_ms);
      if (!named.empty()) return bad("P9", version, "was thinned, but is kept by " + named);
    }
    if (!was || !before->second.full_meta_id.has_value() ||
        before->second.full_until_ms <= now_ms || row.meta_id == *before->second.full_meta_id ||
        head.forgotten.contains(version)) {
      continue;
    }
    const bool same = row.full_meta_id == before->second.full_meta_id ||
                      (row.full_meta_id.has_value() &&
                       LackTheSame(*row.full_meta_id, *before->second.full_meta_id));
    if (!same || row.full_until_ms < before->second.full_until_ms) {
      return bad("P10", version, "lost what may be brought back of it");
    }
  }
  return true;
}

bool Oracle::CheckRelaid(const format::Head& old, const format::Head& head) {
  const auto bad = [&](const std::string& what) {
    fail_("I14 a repack changed " + what + " of " + head.name);
    return false;
  };
  if (head.last_version() != old.last_version()) return bad("the versions");
  if (head.state != old.state || head.forgotten != old.forgotten || head.run != old.run ||
      head.aliases != old.aliases || head.tags != old.tags || head.pins != old.pins ||
      head.holds != old.holds || head.verified != old.verified ||
      head.late_metrics != old.late_metrics) {
    return bad("more than layouts");
  }
  const auto logical_of = [&](const format::ObjectId& id) -> std::optional<format::LogicalBytes> {
    const StoredObject* object = bucket_.Find(format::MetaKey(id));
    if (object == nullptr) return std::nullopt;
    auto decoded = format::DecodeCommit(object->body);
    if (!decoded.ok()) return std::nullopt;
    return std::move(decoded->logical);
  };
  for (const auto& [version, layout] : head.layouts) {
    const std::string which = "v" + std::to_string(version);
    const auto was = old.layouts.find(version);
    if (was == old.layouts.end()) {
      if (!layout.let_go.empty() || layout.full_meta_id.has_value()) return bad(which);
      continue;
    }
    if (was->second == layout) continue;
    if (layout.let_go != was->second.let_go ||
        layout.full_meta_id.has_value() != was->second.full_meta_id.has_value() ||
        layout.full_until_ms != was->second.full_until_ms ||
        layout.gc_epoch != was->second.gc_epoch) {
      return bad("what " + which + " lacks");
    }
    const auto before = logical_of(was->second.meta_id), after = logical_of(layout.meta_id);
    if (before.has_value() && after.has_value() &&
        (before->header != after->header || before->items != after->items)) {
      return bad("what " + which + " is");
    }
  }
  for (const auto& [version, layout] : old.layouts) {
    if (!head.layouts.contains(version)) return bad("a layout");
  }
  return true;
}

void Oracle::OnHead(uint32_t process, const std::string& key, const StoredObject* before,
                    const StoredObject& after) {
  const auto name = format::NameFromHeadKey(key);
  auto decoded = format::DecodeHead(AsText(after.body));
  if (!name.ok() || !decoded.ok() || decoded->name != *name) {
    fail_("I1 a head that cannot be read was written: " + key);
    return;
  }
  const auto head = std::make_shared<const format::Head>(std::move(decoded).value());
  Artifact& artifact = artifacts_[*name];
  static const format::Head kNone;
  const HeadRef held = artifact.states.empty() ? nullptr : artifact.states.back().second;
  const format::Head& old = held == nullptr ? kNone : *held;
  if (before != nullptr && before->alive()) {
    if (head->seq != old.seq + 1 || head->prev_nonce != old.nonce || head->nonce == old.nonce) {
      fail_("I3 the head of " + *name + " does not follow the one before it");
      return;
    }
    if (head->gc_epoch < old.gc_epoch) return fail_("I3 gc_epoch of " + *name + " went back");
  } else if (!head->versions.empty() || held != nullptr) {
    return fail_("I3 the head of " + *name + " was born with content");
  }
  if (head->last_version() < old.last_version()) return fail_("I2 " + *name + " lost a version");
  // Before anything is learned: what the new head folded away must be known as it was.
  for (const format::HistoryLink& link : head->history) {
    const std::string link_key = format::HistoryKey(link.id);
    if (artifact.links.contains(link_key)) continue;
    if (!CheckLink(artifact, link)) return;
    artifact.links.insert(link_key);
    references_[link_key].push_back({});
  }
  for (const format::VersionEntry& entry : head->versions) {
    const auto known = artifact.versions.find(entry.version);
    if (known != artifact.versions.end()) {
      if (known->second.entry == entry) continue;
      return fail_("I2 v" + std::to_string(entry.version) + " of " + *name + " changed");
    }
    if (!Learn(artifact, *name, entry)) return;
  }
  const int64_t now_ms = after.modified_ms;
  for (auto& [number, version] : artifact.versions) {
    if (!SetRoots(version, RootsOf<Root>(*head, version.entry),
                  "v" + std::to_string(number) + " of " + *name, now_ms)) {
      return;
    }
  }
  if (!CheckLetGo(old, *head, now_ms)) return;
  const auto powers = roles_.find(process);
  if (powers != roles_.end() && powers->second.role == Role::kRepacker && held != nullptr &&
      !CheckRelaid(old, *head)) {
    return;
  }
  for (size_t i = 1; i < head->versions.size(); ++i) {
    if (head->versions[i].time_ms <= head->versions[i - 1].time_ms) {
      return fail_("I3 the versions of " + *name + " are not in the order of their times");
    }
  }
  for (const auto& [tag, version] : old.tags) {
    const auto now = head->tags.find(tag);
    if (now == head->tags.end() || now->second != version) {
      return fail_("I3 the tag " + tag + " of " + *name + " moved or vanished");
    }
  }
  artifact.states.emplace_back(tick_, head);
}

void Oracle::Acknowledged(Intent& intent, uint64_t version) {
  intent.fate = Intent::Fate::kAcknowledged;
  intent.version = version;
  const Intent* found = IntentOf(intent.artifact, version);
  if (found != &intent) {
    fail_("P1 " + intent.artifact + "@v" + std::to_string(version) +
          " was acknowledged to a saver whose version it is not");
  }
}

void Oracle::Refused(Intent& intent, const std::string& error) {
  intent.fate = Intent::Fate::kRefused;
  const auto artifact = artifacts_.find(intent.artifact);
  if (artifact == artifacts_.end()) return;
  for (const auto& [number, version] : artifact->second.versions) {
    if (version.intent != &intent) continue;
    fail_("P4 v" + std::to_string(number) + " of " + intent.artifact +
          " landed, but its saver was told: " + error);
  }
}

bool Oracle::Ever(const std::string& artifact, uint64_t from,
                  const std::function<bool(const format::Head*)>& holds) const {
  const auto found = artifacts_.find(artifact);
  if (found == artifacts_.end()) return holds(nullptr);
  const auto& states = found->second.states;
  if (states.empty() || states.front().first > from) {
    if (holds(nullptr)) return true;
  }
  for (size_t i = 0; i < states.size(); ++i) {
    const bool over = i + 1 < states.size() && states[i + 1].first <= from;
    if (!over && holds(states[i].second.get())) return true;
  }
  return false;
}

HeadRef Oracle::Latest(const std::string& artifact) const {
  const auto found = artifacts_.find(artifact);
  if (found == artifacts_.end() || found->second.states.empty()) return nullptr;
  return found->second.states.back().second;
}

const Intent* Oracle::IntentOf(const std::string& artifact, uint64_t version) const {
  const auto found = artifacts_.find(artifact);
  if (found == artifacts_.end()) return nullptr;
  const auto known = found->second.versions.find(version);
  return known == found->second.versions.end() ? nullptr : known->second.intent;
}

void Oracle::CheckEnd(int64_t now_ms) {
  for (const auto& [key, each] : references_) {
    if (Needed(key, now_ms) && bucket_.Find(key) == nullptr) {
      return fail_("I1 a live version names a missing " + key);
    }
  }
}

void Oracle::CheckClean(int64_t now_ms) {
  for (const auto& [key, object] : bucket_.objects()) {
    const bool data =
        key.starts_with("pack/") || key.starts_with("meta/") || key.starts_with("hist/");
    if (data && object.alive() && !Needed(key, now_ms)) {
      return fail_("I8 left after two collections, though nothing names it: " + key);
    }
  }
}

std::vector<std::string> Oracle::Artifacts() const {
  std::vector<std::string> names;
  for (const auto& [name, artifact] : artifacts_) {
    if (!artifact.states.empty()) names.push_back(name);
  }
  return names;
}

}  // namespace varve::sim
