// A collector written from docs/format.md (Collector) and nothing else: no grace, no thrift. It
// condemns all that it does not see named, which is the worst that a writer can meet.
#include <algorithm>
#include <set>

#include "sim/actors/actors.h"
#include "varve/format/control.h"
#include "varve/format/object_key.h"

namespace varve::sim {
namespace {

constexpr uint64_t kEpochsKept = 2;  // Few, so that writers meet lists that are gone.

using Named = std::set<std::string>;  // Keys.

class Collector {
 public:
  Collector(const OpContext& ctx, store::ObjectStore& store) : ctx_(ctx), store_(store) {}

  // From whatever phase the state is in, as far as it goes.
  Status Run() {
    const store::Key key{std::string(format::kGcStateKey)};
    for (int step = 0; step < 3; ++step) {
      VARVE_TRY(const auto reply, store_.Get(ctx_, key, {}));
      VARVE_TRY(format::GcState state, format::DecodeGcState(AsText(reply.body)));
      switch (state.phase) {
        case format::GcPhase::kIdle:
          VARVE_CHECK_OK(Condemn(state));
          break;
        case format::GcPhase::kCondemned:
          VARVE_CHECK_OK(FenceAndDecide(state));
          break;
        case format::GcPhase::kSweeping:
          VARVE_CHECK_OK(Sweep(state));
          break;
      }
      VARVE_TRY(const std::string json, format::EncodeGcState(state));
      const auto moved = store_.Cas(ctx_, key, AsBytes(json), reply.info.etag);
      if (!moved.ok()) return moved.error();
    }
    return OkStatus();
  }

 private:
  Status Condemn(format::GcState& state) {
    Named named;
    VARVE_TRY(const auto heads, store::ListAll(ctx_, store_, format::kHeadPrefix));
    for (const auto& each : heads) {
      VARVE_TRY(const auto reply, store_.Get(ctx_, each.key, {}));
      VARVE_TRY(const auto head, format::DecodeHead(AsText(reply.body)));
      VARVE_CHECK_OK(Mark(head, named));
    }
    std::vector<std::string> dead;
    for (const auto prefix : {format::kPackPrefix, format::kMetaPrefix, format::kHistoryPrefix}) {
      VARVE_TRY(const auto objects, store::ListAll(ctx_, store_, prefix));
      for (const auto& object : objects) {
        if (!named.contains(object.key.str())) dead.push_back(object.key.str());
      }
    }
    ++state.epoch;
    state.phase = format::GcPhase::kCondemned;
    return WriteList(state, dead, false);
  }

  Status FenceAndDecide(format::GcState& state) {
    VARVE_TRY(std::vector<std::string> dead, ReadList(state));
    Named named;
    VARVE_TRY(const auto heads, store::ListAll(ctx_, store_, format::kHeadPrefix));
    for (const auto& each : heads) {
      for (;;) {
        VARVE_TRY(const auto reply, store_.Get(ctx_, each.key, {}));
        VARVE_TRY(format::Head head, format::DecodeHead(AsText(reply.body)));
        VARVE_CHECK_OK(Mark(head, named));
        if (head.gc_epoch >= state.epoch) break;
        ++head.seq;
        head.prev_nonce = std::exchange(head.nonce, FreshNonce());
        head.gc_epoch = state.epoch;
        VARVE_TRY(const std::string json, format::EncodeHead(head));
        const auto moved = store_.Cas(ctx_, each.key, AsBytes(json), reply.info.etag);
        if (moved.ok()) break;
        if (moved.error().code() != ErrorCode::kConflict) return moved.error();
      }
    }
    std::erase_if(dead, [&](const std::string& key) { return named.contains(key); });
    state.phase = format::GcPhase::kSweeping;
    return WriteList(state, dead, true);
  }

  Status Sweep(format::GcState& state) {
    VARVE_TRY(const std::vector<std::string> dead, ReadList(state));
    for (size_t at = 0; at < dead.size(); at += 3) {
      std::vector<store::Key> keys;
      for (size_t i = at; i < std::min(dead.size(), at + 3); ++i) keys.emplace_back(dead[i]);
      VARVE_TRY(const auto replies, store_.Delete(ctx_, keys));
      static_cast<void>(replies);  // What is denied stays: a leak, and the next round's work.
    }
    state.phase = format::GcPhase::kIdle;
    if (state.epoch >= kEpochsKept) state.oldest_list_epoch = state.epoch - kEpochsKept + 1;
    state.lists.erase(state.lists.begin(), state.lists.lower_bound(state.oldest_list_epoch));
    return OkStatus();
  }

  Status Mark(const format::Head& head, Named& named) {
    for (const format::HistoryLink& link : head.history) {
      const std::string key = format::HistoryKey(link.id);
      named.insert(key);
      VARVE_TRY(const auto reply, store_.Get(ctx_, store::Key(key), {}));
      VARVE_TRY(const auto node, format::DecodeHistoryNode(reply.body));
      for (const auto& entry : node.entries) VARVE_CHECK_OK(MarkVersion(head, entry, named));
    }
    for (const auto& entry : head.versions) VARVE_CHECK_OK(MarkVersion(head, entry, named));
    return OkStatus();
  }

  Status MarkVersion(const format::Head& head, const format::VersionEntry& entry, Named& named) {
    const std::string key = format::MetaKey(entry.meta_id);
    if (head.forgotten.contains(entry.version) || named.contains(key)) return OkStatus();
    VARVE_TRY(const auto reply, store_.Get(ctx_, store::Key(key), {}));
    VARVE_TRY(const auto decoded, format::DecodeCommit(reply.body));
    named.insert(key);
    for (const format::PackRow& pack : decoded.commit.packs) {
      named.insert(format::PackKey(pack.id));
    }
    return OkStatus();
  }

  // One part per kind.
  Status WriteList(format::GcState& state, const std::vector<std::string>& dead, bool decided) {
    format::GcList& list = state.lists[state.epoch];
    list.clear();
    const auto list_id = format::ObjectId::Make(ctx_.random().Next64(), 0);
    for (const auto& [kind, key_kind] :
         {std::pair{format::IdKind::kPack, format::KeyKind::kPack},
          std::pair{format::IdKind::kMeta, format::KeyKind::kMeta},
          std::pair{format::IdKind::kHistory, format::KeyKind::kHistory}}) {
      std::vector<format::ObjectId> ids;
      for (const std::string& key : dead) {
        const format::ObjectKey parsed = format::ParseKey(key);
        if (parsed.kind == key_kind) ids.push_back(parsed.id);
      }
      if (ids.empty()) continue;
      std::sort(ids.begin(), ids.end());
      format::GcListPart part;
      part.kind = kind;
      part.first = ids.front();
      part.last = ids.back();
      part.ids = ids.size();
      part.key =
          format::GcListKey(state.epoch, decided, list_id, static_cast<uint32_t>(list.size()));
      VARVE_TRY(const Bytes object, format::EncodeGcList(ids));
      VARVE_TRY(const auto put, store_.PutNew(ctx_, store::Key(part.key), object));
      static_cast<void>(put);
      list.push_back(std::move(part));
    }
    return OkStatus();
  }

  Result<std::vector<std::string>> ReadList(const format::GcState& state) {
    std::vector<std::string> keys;
    for (const format::GcListPart& part : state.lists.at(state.epoch)) {
      VARVE_TRY(const auto reply, store_.Get(ctx_, store::Key(part.key), {}));
      VARVE_TRY(const auto ids, format::DecodeGcList(reply.body));
      for (const format::ObjectId& id : ids) keys.push_back(format::KeyOf(part.kind, id));
    }
    return keys;
  }

  std::string FreshNonce() {
    constexpr char kHex[] = "0123456789abcdef";
    std::string nonce;
    for (int word = 0; word < 2; ++word) {
      uint64_t bits = ctx_.random().Next64();
      for (int i = 0; i < 16; ++i, bits >>= 4) nonce += kHex[bits & 15];
    }
    return nonce;
  }

  const OpContext ctx_;
  store::ObjectStore& store_;
};

}  // namespace

bool CollectOnce(World& world, Process& process) {
  const auto link = world.LinkTo(process, world.bucket());
  const Operation operation(world, process);
  const Status done = Collector(operation.ctx, *link).Run();
  if (process.dead || world.failed()) return false;
  world.CountOperation(done.ok());
  world.Note(process, "COLLECTED", "", done.ok() ? "ok" : ErrorName(done.error().code()));
  if (done.ok()) return true;
  // Another collector moved the state, or deleted what this one was about to read.
  return world.Explained(done.error(), operation.healed, "collect",
                         {ErrorCode::kConflict, ErrorCode::kNotFound});
}

}  // namespace varve::sim
