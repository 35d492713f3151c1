#include "varve/store/fault/fault_store.h"

#include <utility>

namespace varve::store {
namespace {

Error Dead() { return Error(ErrorCode::kCancelled, "the process is dead"); }

}  // namespace

void FaultStore::Plan(Fault fault, uint64_t at_request, uint64_t delay) {
  fault_ = fault;
  at_request_ = at_request;
  delay_ = delay;
  requests_ = 0;
}

void FaultStore::Settle() { ApplyDue(UINT64_MAX); }

void FaultStore::Delay(Later later, uint64_t due_at) {
  const std::lock_guard lock(mutex_);
  later_ = std::move(later);
  due_at_ = due_at;
}

void FaultStore::ApplyDue(uint64_t number) {
  Later due;
  {
    const std::lock_guard lock(mutex_);
    if (later_ && number >= due_at_) due = std::exchange(later_, nullptr);
  }
  if (due) due(*inner_, OpContext());
}

template <typename T, typename Call, typename MakeLater>
Result<T> FaultStore::Strike(Kind kind, const Call& call, const MakeLater& make_later) {
  const uint64_t number = ++requests_;
  if (watcher_) watcher_(number);
  ApplyDue(number);
  if (fault_ == Fault::kNone || number < at_request_) return call();
  const bool now = number == at_request_;
  switch (fault_) {
    case Fault::kNone:
      return call();
    case Fault::kCrashBefore:
      return Dead();
    case Fault::kCrashAfter:
      if (now) static_cast<void>(call());
      return Dead();
    case Fault::kCrashZombie:
      if (now) Delay(make_later(), UINT64_MAX);
      return Dead();
    case Fault::kFull:
      if (kind == Kind::kWrite || kind == Kind::kSwap)
        return Error(ErrorCode::kResourceExhausted, "no space left");
      return call();
    case Fault::kRefuse:
      return now ? Result<T>(Error(ErrorCode::kUnavailable, "connection refused")) : call();
    case Fault::kThrottle:
      return now ? Result<T>(Error(ErrorCode::kThrottled, "slow down")) : call();
    case Fault::kLoseAnswer:
    case Fault::kLoseRequest:
    case Fault::kZombie:
      break;
  }
  if (!now) return call();
  if (fault_ == Fault::kLoseAnswer) static_cast<void>(call());
  if (fault_ == Fault::kZombie) Delay(make_later(), number + delay_);
  return Error(kind == Kind::kSwap ? ErrorCode::kUnknownOutcome : ErrorCode::kUnavailable,
               "connection reset");
}

template <typename T, typename Call>
Result<T> FaultStore::StrikeRead(const Call& call) {
  return Strike<T>(Kind::kRead, call, [] { return Later(); });
}

Result<ObjectInfo> FaultStore::Head(const OpContext& ctx, const Key& key) {
  return StrikeRead<ObjectInfo>([&] { return inner_->Head(ctx, key); });
}
Result<GetReply> FaultStore::Get(const OpContext& ctx, const Key& key, const GetOptions& options) {
  return StrikeRead<GetReply>([&] { return inner_->Get(ctx, key, options); });
}
Result<ObjectInfo> FaultStore::GetRange(const OpContext& ctx, const Key& key, uint64_t offset,
                                        MutableByteView into) {
  return StrikeRead<ObjectInfo>([&] { return inner_->GetRange(ctx, key, offset, into); });
}
Result<ListPage> FaultStore::List(const OpContext& ctx, std::string_view prefix,
                                  const ListOptions& options) {
  return StrikeRead<ListPage>([&] { return inner_->List(ctx, prefix, options); });
}

Result<ObjectInfo> FaultStore::PutNew(const OpContext& ctx, const Key& key, ByteView body) {
  const auto make_later = [&]() -> Later {
    return [key, copy = Bytes(body.begin(), body.end())](ObjectStore& inner, const OpContext& own) {
      static_cast<void>(inner.PutNew(own, key, copy));
    };
  };
  return Strike<ObjectInfo>(
      Kind::kWrite, [&] { return inner_->PutNew(ctx, key, body); }, make_later);
}

Result<ObjectInfo> FaultStore::Cas(const OpContext& ctx, const Key& key, ByteView body,
                                   const std::optional<Etag>& expected) {
  const auto make_later = [&]() -> Later {
    return [key, expected, copy = Bytes(body.begin(), body.end())](ObjectStore& inner,
                                                                   const OpContext& own) {
      static_cast<void>(inner.Cas(own, key, copy, expected));
    };
  };
  return Strike<ObjectInfo>(
      Kind::kSwap, [&] { return inner_->Cas(ctx, key, body, expected); }, make_later);
}

Result<std::vector<DeleteReply>> FaultStore::Delete(const OpContext& ctx,
                                                    std::span<const Key> keys) {
  const auto make_later = [&]() -> Later {
    return [copy = std::vector<Key>(keys.begin(), keys.end())](ObjectStore& inner,
                                                               const OpContext& own) {
      static_cast<void>(inner.Delete(own, copy));
    };
  };
  return Strike<std::vector<DeleteReply>>(
      Kind::kFree, [&] { return inner_->Delete(ctx, keys); }, make_later);
}

Result<std::string> FaultStore::CreateMultipart(const OpContext& ctx, const Key& key) {
  const auto make_later = [&]() -> Later {
    return [key](ObjectStore& inner, const OpContext& own) {
      static_cast<void>(inner.CreateMultipart(own, key));
    };
  };
  return Strike<std::string>(
      Kind::kWrite, [&] { return inner_->CreateMultipart(ctx, key); }, make_later);
}

Result<PartReply> FaultStore::PutPart(const OpContext& ctx, const Key& key,
                                      const std::string& upload_id, uint32_t part_number,
                                      ByteView body) {
  const auto make_later = [&]() -> Later {
    return [key, upload_id, part_number, copy = Bytes(body.begin(), body.end())](
               ObjectStore& inner, const OpContext& own) {
      static_cast<void>(inner.PutPart(own, key, upload_id, part_number, copy));
    };
  };
  return Strike<PartReply>(
      Kind::kWrite, [&] { return inner_->PutPart(ctx, key, upload_id, part_number, body); },
      make_later);
}

Result<ObjectInfo> FaultStore::CompleteMultipart(const OpContext& ctx, const Key& key,
                                                 const std::string& upload_id,
                                                 std::span<const PartReply> parts) {
  const auto make_later = [&]() -> Later {
    return [key, upload_id, copy = std::vector<PartReply>(parts.begin(), parts.end())](
               ObjectStore& inner, const OpContext& own) {
      static_cast<void>(inner.CompleteMultipart(own, key, upload_id, copy));
    };
  };
  return Strike<ObjectInfo>(
      Kind::kWrite, [&] { return inner_->CompleteMultipart(ctx, key, upload_id, parts); },
      make_later);
}

Status FaultStore::AbortMultipart(const OpContext& ctx, const Key& key,
                                  const std::string& upload_id) {
  const auto make_later = [&]() -> Later {
    return [key, upload_id](ObjectStore& inner, const OpContext& own) {
      static_cast<void>(inner.AbortMultipart(own, key, upload_id));
    };
  };
  return Strike<void>(
      Kind::kFree, [&] { return inner_->AbortMultipart(ctx, key, upload_id); }, make_later);
}

Result<PartPage> FaultStore::ListParts(const OpContext& ctx, const Key& key,
                                       const std::string& upload_id, uint32_t after) {
  return StrikeRead<PartPage>([&] { return inner_->ListParts(ctx, key, upload_id, after); });
}
Result<UploadPage> FaultStore::ListUploads(const OpContext& ctx, std::string_view prefix,
                                           const std::string& token) {
  return StrikeRead<UploadPage>([&] { return inner_->ListUploads(ctx, prefix, token); });
}

}  // namespace varve::store
