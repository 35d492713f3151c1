#include "sim/actors/actors.h"

namespace varve::sim {
namespace {

void Choose(World& world, Process& process, Intent& intent) {
  // Where packs are to be partly dead, all versions share one tensor.
  const bool shares = world.config().Has(kRepacker);
  const uint64_t count = process.random->Between(1, 5);
  for (uint64_t i = 0; i < count; ++i) {
    static constexpr const char* kFolders[] = {"model/t", "optimizer/t", "ema/t"};
    intent.tensors.emplace(kFolders[i % 3] + std::to_string(i),
                           AnyContent(shares && i == 0 ? 7 : process.random->Next64()));
  }
}

Result<lake::SaveReport> Save(World& world, Process& process, lake::Lake& lake,
                              const OpContext& ctx, Intent& intent, const SaveChoice& choice) {
  lake::SaveOptions options;
  options.message = intent.Message();
  options.step = static_cast<int64_t>(intent.number);
  if (!choice.parent.empty()) options.parents.push_back(choice.parent);
  if (!choice.alias.empty()) options.aliases.push_back(choice.alias);
  VARVE_TRY(const auto session, lake.BeginSave(ctx, intent.artifact, std::move(options)));
  for (const auto& [name, bytes] : intent.tensors) {
    const auto hold = process.random->Between(0, 1) == 0 ? lake::SaveSession::Hold::kCopy
                                                         : lake::SaveSession::Hold::kBorrow;
    VARVE_CHECK_OK(session->AddTensor(ctx, name, codec::DType::kU8, {bytes.size()}, bytes, hold));
  }
  if (choice.pauses) {
    const bool hours = world.weather().On(kLongSleep);
    VARVE_CHECK_OK(
        ctx.SleepMs(static_cast<int64_t>(process.random->Between(0, hours ? 36'000'000 : 9'000))));
  }
  return session->Commit(ctx);
}

}  // namespace

Bytes AnyContent(uint64_t pick) {
  static constexpr size_t kSizes[] = {40, 16, 1, 100, 64, 40, 0, 300, 40, 24, 1000, 64};
  const size_t which = pick % std::size(kSizes);
  Bytes bytes(kSizes[which]);
  for (size_t i = 0; i < bytes.size(); ++i) {
    bytes[i] = static_cast<std::byte>(which * 37 + i * (which % 3));
  }
  return bytes;
}

bool SaveStep(World& world, Process& process, lake::Lake& lake, Intent& intent,
              const SaveChoice& choice) {
  Choose(world, process, intent);
  // An interrupted save is begun again, as its caller would.
  const Operation operation(world, process);
  auto saved = Save(world, process, lake, operation.ctx, intent, choice);
  if (process.dead || world.failed()) return false;
  world.CountOperation(saved.ok());
  const std::string where = intent.artifact + " " + intent.Message();
  if (saved.ok()) {
    world.Note(process, "SAVED", where, "v" + std::to_string(saved->version));
    world.oracle().Acknowledged(intent, saved->version);
    return !world.failed();
  }
  const Error& error = saved.error();
  world.Note(process, "NOT SAVED", where, ErrorName(error.code()));
  if (Definite(error.code())) {
    world.oracle().Refused(intent, error.ToString());
  } else {
    intent.fate = Intent::Fate::kUnknown;
  }
  // A parent that has no version is not found; one that was forgotten on the way is gone.
  if (!choice.parent.empty()) {
    return world.Explained(error, operation.healed, "save",
                           {ErrorCode::kConflict, ErrorCode::kNotFound, ErrorCode::kGone});
  }
  return world.Explained(error, operation.healed, "save", {ErrorCode::kConflict});
}

bool SaveOnce(World& world, Process& process, Intent& intent, const SaveChoice& choice) {
  const std::unique_ptr<lake::Lake> lake = world.OpenLake(process, false);
  return lake != nullptr && SaveStep(world, process, *lake, intent, choice);
}

}  // namespace varve::sim
