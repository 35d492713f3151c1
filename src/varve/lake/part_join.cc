// A save by several ranks: each writes a part; whoever has the tokens of all makes a version of
// them. No part is ever named by a head, so that the collector needs no rule for them: what was
// condemned before the join is written again, or the join fails.
#include <algorithm>
#include <set>

#include "varve/base/planted.h"
#include "varve/format/names.h"
#include "varve/lake/internal.h"
#include "varve/lake/part_merge.h"

namespace varve::lake {
namespace {

Result<std::vector<format::ObjectId>> IdsOf(const std::vector<std::string>& tokens) {
  if (tokens.size() > format::kRanksMax) {
    return Error(ErrorCode::kInvalidArgument, "a save has at most 65,536 ranks");
  }
  std::vector<format::ObjectId> ids;
  std::set<format::ObjectId> seen;
  for (const std::string& token : tokens) {
    const auto id = format::ObjectId::FromText(token);
    if (!id.ok()) {
      return Error(ErrorCode::kInvalidArgument,
                   "'" + token.substr(0, 60) + "' is no token of a part; pass on what it gave");
    }
    if (!seen.insert(*id).second) {
      return Error(ErrorCode::kInvalidArgument,
                   "the token " + token + " is there twice; give the join one of each rank");
    }
    ids.push_back(*id);
  }
  return ids;
}

Result<format::Part> ReadPart(const OpContext& ctx, Core& core, const format::ObjectId& id) {
  const std::string key = format::MetaKey(id);
  const auto reply = core.store->Get(ctx, store::Key(key), {});
  if (!reply.ok()) {
    if (reply.error().code() != ErrorCode::kNotFound) return reply.error();
    return Error(ErrorCode::kConflict,
                 "a rank's part is not there: the collector removed it, or it is of another lake. "
                 "Unless an earlier join made the version, save again on all ranks under another "
                 "save id, and collect with a longer --grace. object=" +
                     key);
  }
  auto part = format::DecodePart(reply->body);
  if (!part.ok()) return std::move(part.error().At("decode part", key));
  return part;
}

}  // namespace

Result<WrittenPart> WritePart(const OpContext& ctx, Core& core, const std::string& name,
                              const format::Part& part) {
  VARVE_TRY(const Bytes object, format::EncodePart(part));
  VARVE_TRY(const format::ObjectId id, core.ids.Next(ctx, name));
  VARVE_TRY(const auto put, core.store->PutNew(ctx, store::Key(format::MetaKey(id)), object));
  static_cast<void>(put);
  return WrittenPart{id.Text(), object.size()};
}

Result<SaveReport> JoinSave(const OpContext& ctx, Core& core, std::string_view name,
                            const std::vector<std::string>& tokens) {
  const int64_t begun_ns = ctx.clock().SteadyNs();
  VARVE_CHECK_OK(core.CheckWritable());
  VARVE_CHECK_OK(format::CheckArtifactName(name));
  VARVE_TRY(const std::vector<format::ObjectId> ids, IdsOf(tokens));
  std::vector<format::Part> parts(ids.size());
  VARVE_CHECK_OK(core.transfers.ForEach(ctx, ids.size(), [&](size_t i) -> Status {
    VARVE_TRY(parts[i], ReadPart(ctx, core, ids[i]));
    return OkStatus();
  }));
  VARVE_TRY(auto writer, ChunkWriter::Make(core, ctx, {.target = std::string(name)}));
  for (const format::Part& part : parts) writer->Adopt(part.commit);
  VARVE_TRY(MergedSave save, MergeParts(name, std::move(parts)));
  if (PLANTED(80)) {
    VARVE_TRY(save.base_epoch, core.guard.Base(ctx));
  }
  if (PLANTED(82)) save.commit.header.save_id[0] = static_cast<std::byte>(ctx.random().Next64());
  CommitBuilder builder(*writer);
  for (const hash::Digest& digest : save.chunks) builder.Ordinal(digest);  // Same ordinals.
  builder.MoveTo(save.commit);
  // What the ranks most likely shared with.
  std::vector<std::string> bases;
  if (save.versions_before > 0) {
    bases.push_back(format::VersionAddress(name, save.versions_before));
  }
  VARVE_TRY(const Published published, Publish(ctx, core,
                                               {.name = std::string(name),
                                                .artifact_type = save.commit.header.artifact_type,
                                                .commit = &save.commit,
                                                .writer = writer.get(),
                                                .logical = nullptr,
                                                .base_epoch = save.base_epoch,
                                                .base_addresses = std::move(bases),
                                                .aliases = save.aliases,
                                                .named_parents = save.named_parents,
                                                .joins_after = save.versions_before,
                                                .stored_before_bytes = save.stored_bytes}));
  SaveReport report;
  report.version = published.version;
  report.commit_id = published.commit_id;
  report.logical_bytes = save.commit.LogicalBytes();
  report.shared_bytes = save.shared_bytes;
  report.stored_bytes = published.stored_bytes;
  report.objects_written = save.objects_written + writer->packs_written() + 2;
  report.committed_s = Seconds(begun_ns, ctx.clock().SteadyNs());
  return report;
}

}  // namespace varve::lake
