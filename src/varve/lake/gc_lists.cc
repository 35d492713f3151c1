#include "varve/lake/gc_lists.h"

#include <algorithm>

#include "varve/format/object_key.h"

namespace varve::lake {

Result<format::GcList> WriteGcList(const OpContext& ctx, Core& core, uint64_t epoch, bool dead,
                                   const GcIds& ids) {
  VARVE_TRY(const format::ObjectId name, core.ids.Next(ctx, "gc"));
  format::GcList list;
  for (size_t kind = 0; kind < ids.size(); ++kind) {
    const std::vector<format::ObjectId>& all = ids[kind];
    for (size_t at = 0; at < all.size(); at += format::kGcPartIdsMax) {
      const size_t end = std::min<size_t>(all.size(), at + format::kGcPartIdsMax);
      const std::vector<format::ObjectId> some(all.begin() + static_cast<std::ptrdiff_t>(at),
                                               all.begin() + static_cast<std::ptrdiff_t>(end));
      format::GcListPart part;
      part.kind = static_cast<format::IdKind>(kind);
      part.key = format::GcListKey(epoch, dead, name, static_cast<uint32_t>(list.size()));
      part.first = some.front();
      part.last = some.back();
      part.ids = some.size();
      VARVE_TRY(const Bytes object, format::EncodeGcList(some));
      VARVE_TRY(const auto put, core.store->PutNew(ctx, store::Key(part.key), object));
      static_cast<void>(put);
      list.push_back(std::move(part));
    }
  }
  return list;
}

Result<GcIds> ReadGcList(const OpContext& ctx, Core& core, const format::GcList& list) {
  GcIds ids;
  for (const format::GcListPart& part : list) {
    VARVE_TRY(const auto reply, core.store->Get(ctx, store::Key(part.key), {}));
    auto some = format::DecodeGcList(reply.body);
    if (!some.ok()) return std::move(some.error().At("decode list", part.key));
    std::vector<format::ObjectId>& all = ids[static_cast<size_t>(part.kind)];
    if (some->size() != part.ids || some->front() != part.first || some->back() != part.last ||
        (!all.empty() && !(all.back() < some->front()))) {
      return Error(ErrorCode::kCorrupt, part.key +
                                            " is not the list that gc/state names; nothing "
                                            "was deleted, bring it back from a backup");
    }
    all.insert(all.end(), some->begin(), some->end());
  }
  return ids;
}

}  // namespace varve::lake
