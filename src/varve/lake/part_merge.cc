#include "varve/lake/part_merge.h"

#include <algorithm>
#include <map>
#include <unordered_map>

#include "varve/base/planted.h"

namespace varve::lake {
namespace {

constexpr size_t kRanksNamedMax = 10;  // In a message.

Error Unfit(const std::string& what) { return Error(ErrorCode::kInvalidArgument, what); }
std::string RankName(const format::Part& part) { return "rank " + std::to_string(part.rank); }

Status CheckRanks(std::string_view artifact, const std::vector<format::Part>& parts) {
  if (parts.empty()) return Unfit("a join needs the token of every rank");
  const format::Part& first = parts.front();
  const format::Part* previous = nullptr;
  for (const format::Part& part : parts) {
    if (part.commit.origin.artifact != artifact) {
      return Unfit(RankName(part) + " saved '" + part.commit.origin.artifact + "', not '" +
                   std::string(artifact) + "'; give the join the tokens of one save");
    }
    if (part.commit.header.save_id != first.commit.header.save_id || part.ranks != first.ranks) {
      return Unfit(RankName(part) + " and " + RankName(first) + " of '" + std::string(artifact) +
                   "' saved under different save ids or numbers of ranks; give the join the tokens "
                   "of one save");
    }
    if (previous != nullptr && previous->rank == part.rank) {
      return Unfit(RankName(part) + " of '" + std::string(artifact) +
                   "' is there twice; give the join one token of each rank");
    }
    previous = &part;
  }
  if (parts.size() == first.ranks || PLANTED(81)) return OkStatus();
  std::string missing;
  size_t named = 0, at = 0;
  for (uint32_t rank = 0; rank < first.ranks; ++rank) {
    if (at < parts.size() && parts[at].rank == rank) {
      ++at;
    } else if (++named <= kRanksNamedMax) {
      missing += (missing.empty() ? "" : ", ") + std::to_string(rank);
    }
  }
  if (named > kRanksNamedMax) missing += ", ...";
  return Unfit("'" + std::string(artifact) + "' was saved by " + std::to_string(first.ranks) +
               " ranks, and the join lacks those of " + std::to_string(named) +
               ": there is no version without them. ranks=" + missing);
}

// What one rank has of a tensor.
struct Piece {
  const format::Part* part = nullptr;
  const format::TensorRow* row = nullptr;
  const format::Slab* slab = nullptr;  // Null: it is whole.
};

class Merger {
 public:
  explicit Merger(const std::vector<format::Part>& parts) : parts_(parts) {}

  Result<MergedSave> Run() {
    for (const format::Part& part : parts_) VARVE_CHECK_OK(Sort(part));
    if (order_.size() > format::kItemsMax || files_.size() > format::kItemsMax) {
      return Unfit("the parts have more than 1,000,000 tensors or files together");
    }
    for (const std::string& name : order_) {
      const std::vector<Piece>& pieces = tensors_.at(name);
      if (files_.contains(name)) return Unfit("'" + name + "' is a tensor of one rank, and a file");
      VARVE_TRY(format::TensorRow row,
                pieces.front().slab == nullptr ? Whole(pieces) : Slabs(pieces));
      save_.commit.tensors.push_back(std::move(row));
    }
    for (const auto& [path, from] : files_) {  // Ascending, as a commit has them.
      format::FileRow row = *from.second;
      row.chunks.clear();
      Append(*from.first, from.second->chunks, row.chunks);
      save_.commit.files.push_back(std::move(row));
    }
    if (save_.chunks.size() > format::kChunksMax) {
      return Unfit("the parts have more than 20,000,000 chunks together");
    }
    const format::Part& first = parts_.front();
    save_.commit.header = first.commit.header;
    save_.commit.origin = first.commit.origin;
    save_.aliases = first.aliases;
    for (size_t i = 0; i < first.commit.header.parents.size(); ++i) {
      if ((first.named_parents >> i & 1) == 0) continue;
      save_.named_parents.push_back(first.commit.header.parents[i]);
    }
    save_.base_epoch = first.base_epoch;
    for (const format::Part& part : parts_) {
      save_.base_epoch = std::min(save_.base_epoch, part.base_epoch);
      save_.versions_before = std::max(save_.versions_before, part.commit.origin.version - 1);
      save_.stored_bytes += part.stored_bytes;
      save_.shared_bytes += part.shared_bytes;
      save_.objects_written += part.objects_written;
    }
    return std::move(save_);
  }

 private:
  Status Sort(const format::Part& part) {
    auto slab = part.slabs.begin();
    for (size_t i = 0; i < part.commit.tensors.size(); ++i) {
      const format::TensorRow& row = part.commit.tensors[i];
      const bool cut = slab != part.slabs.end() && slab->tensor == i;
      const auto [found, fresh] = tensors_.try_emplace(row.name);
      if (fresh) order_.push_back(row.name);
      found->second.push_back({&part, &row, cut ? &*slab++ : nullptr});
    }
    for (const format::FileRow& row : part.commit.files) {
      const auto [found, fresh] = files_.try_emplace(row.path, &part, &row);
      const format::FileRow& there = *found->second.second;
      if (fresh || (there.digest == row.digest && there.executable == row.executable)) continue;
      return Disagree("file '" + row.path + "'", *found->second.first, part);
    }
    return OkStatus();
  }

  static Error Disagree(const std::string& what, const format::Part& a, const format::Part& b) {
    return Error(ErrorCode::kConflict, RankName(a) + " and " + RankName(b) +
                                           " wrote different bytes for " + what +
                                           "; what ranks hold alike must be equal, and what they "
                                           "hold apart have names of its own");
  }

  // Ordinals of chunks, by their first use in the merged save.
  void Append(const format::Part& part, const std::vector<uint32_t>& from,
              std::vector<uint32_t>& chunks) {
    for (const uint32_t ordinal : from) {
      const hash::Digest& digest = part.commit.chunks[ordinal].digest;
      const auto [found, fresh] =
          ordinals_.try_emplace(digest, static_cast<uint32_t>(save_.chunks.size()));
      if (fresh) save_.chunks.push_back(digest);
      chunks.push_back(found->second);
    }
  }

  Result<format::TensorRow> Whole(const std::vector<Piece>& pieces) {
    const Piece& first = pieces.front();
    const std::string what = "tensor '" + first.row->name + "'";
    for (const Piece& piece : pieces) {
      if (piece.slab != nullptr) {
        return Unfit(what + " is whole in " + RankName(*first.part) + " and cut in " +
                     RankName(*piece.part));
      }
      VARVE_CHECK_OK(SameKind(first, piece, first.row->shape, piece.row->shape));
      if (piece.row->digest != first.row->digest) {
        return Disagree(what, *first.part, *piece.part);
      }
    }
    format::TensorRow row = *first.row;
    row.chunks.clear();
    Append(*first.part, first.row->chunks, row.chunks);
    return row;
  }

  static Status SameKind(const Piece& a, const Piece& b, const std::vector<uint64_t>& a_shape,
                         const std::vector<uint64_t>& b_shape) {
    if (a.row->dtype == b.row->dtype && a_shape == b_shape) return OkStatus();
    return Unfit("tensor '" + a.row->name + "' has another dtype or shape in " + RankName(*a.part) +
                 " than in " + RankName(*b.part));
  }

  Result<format::TensorRow> Slabs(std::vector<Piece> pieces) {
    const Piece first = pieces.front();
    const std::string what = "tensor '" + first.row->name + "'";
    const std::vector<uint64_t>& shape = first.slab->global_shape;
    for (const Piece& piece : pieces) {
      if (piece.slab == nullptr) {
        return Unfit(what + " is cut in " + RankName(*first.part) + " and whole in " +
                     RankName(*piece.part));
      }
      VARVE_CHECK_OK(SameKind(first, piece, shape, piece.slab->global_shape));
    }
    std::erase_if(pieces, [](const Piece& piece) { return piece.row->shape[0] == 0; });
    if (!PLANTED(84)) {
      std::stable_sort(pieces.begin(), pieces.end(), [](const Piece& a, const Piece& b) {
        return a.slab->first_row < b.slab->first_row;
      });
    }
    format::TensorRow row = *first.row;
    row.shape = shape;
    row.chunks.clear();
    row.raw_bytes = codec::ElementBytes(row.dtype);
    for (const uint64_t dim : shape) row.raw_bytes *= dim;  // The part was checked for it.
    uint64_t rows = 0;
    const Piece* previous = nullptr;
    for (const Piece& piece : pieces) {
      const uint64_t from = piece.slab->first_row, own = piece.row->shape[0];
      const bool again = previous != nullptr && from == previous->slab->first_row &&
                         own == previous->row->shape[0];
      if (again && piece.row->digest != previous->row->digest) {
        return Disagree(
            "rows " + std::to_string(from) + " to " + std::to_string(from + own) + " of " + what,
            *previous->part, *piece.part);
      }
      if (again) continue;
      const std::string at =
          RankName(*piece.part) + ". row=" + std::to_string(std::min(from, rows));
      if (from > rows && !PLANTED(84)) {
        return Unfit(what + " has rows that no rank wrote, before those of " + at);
      }
      if (from < rows && !PLANTED(84)) {
        return Unfit(what + " has rows that two ranks wrote, before those of " + at);
      }
      Append(*piece.part, piece.row->chunks, row.chunks);
      rows += own;
      previous = &piece;
    }
    if (rows != shape[0]) {
      return Unfit(what + " has rows at its end that no rank wrote. row=" + std::to_string(rows));
    }
    std::vector<hash::Digest> digests;
    digests.reserve(row.chunks.size());
    for (const uint32_t chunk : row.chunks) digests.push_back(save_.chunks[chunk]);
    row.digest = format::ItemDigest(row.raw_bytes, digests);
    return row;
  }

  const std::vector<format::Part>& parts_;
  MergedSave save_;
  std::vector<std::string> order_;  // Of tensors: rank 0's, then what the next ones add.
  std::unordered_map<std::string, std::vector<Piece>> tensors_;
  std::map<std::string, std::pair<const format::Part*, const format::FileRow*>> files_;
  std::unordered_map<hash::Digest, uint32_t, hash::DigestHasher> ordinals_;
};

}  // namespace

Result<MergedSave> MergeParts(std::string_view artifact, std::vector<format::Part> parts) {
  std::stable_sort(parts.begin(), parts.end(),
                   [](const format::Part& a, const format::Part& b) { return a.rank < b.rank; });
  VARVE_CHECK_OK(CheckRanks(artifact, parts));
  return Merger(parts).Run();
}

}  // namespace varve::lake
