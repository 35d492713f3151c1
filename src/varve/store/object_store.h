// The seam between the lake and what keeps its bytes: named objects, written whole.
//
// There is no plain overwrite. `PutNew` writes a name that was never used before; `Cas` moves a
// head; only garbage collection calls `Delete`. Keys are relative to the lake's root; the store
// adds its own prefix and an implementation never sees a key that ValidKey refuses.
//
// What every implementation promises (the conformance suite in store/conformance checks it):
//  - a write is whole or absent, and once acknowledged, durable and visible to every later read and
//    list;
//  - Cas succeeds at most once per expected etag, across processes and machines;
//  - no method retries by itself (store/retry does) and none blocks past its context's deadline.
// What it does not promise: that a failed write left nothing. An error other than those documented
// as "definitely not" may follow a write that landed.
// Threads: every method may be called from any thread at once.
// Cancel: a cancelled call returns kCancelled soon; a write under way may or may not have landed.
#pragma once

#include <concepts>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "varve/base/bytes.h"
#include "varve/base/secret.h"
#include "varve/base/strong.h"
#include "varve/exec/op_context.h"
#include "varve/result.h"

namespace varve::store {

using Key = StrongString<struct KeyTag>;  // "pack/7f/0abc...": 1 to kKeyBytesMax bytes.
using Etag =
    StrongString<struct EtagTag>;  // Opaque; equal etags mean equal bytes, not the reverse.

inline constexpr uint64_t kKeyBytesMax = 900;
inline constexpr uint32_t kListPageMax = 1000;
inline constexpr uint32_t kDeleteKeysMax = 1000;
inline constexpr uint64_t kSmallObjectBytesMax = 64 * kMiB;  // Get() refuses larger bodies.

// Segments of [A-Za-z0-9._%~=+@,-] joined by single slashes; no "." or ".." segment, no leading or
// trailing slash.
bool ValidKey(std::string_view key);
bool ValidPrefix(std::string_view prefix);  // Of some valid key; may be empty or end with a slash.

struct ObjectInfo {
  Etag etag;                // Of a whole Get or a Cas; a reply to anything else may leave it empty.
  uint64_t bytes = 0;       // Of the whole object.
  int64_t modified_ms = 0;  // The store's clock; 0 when the reply did not say.
  int64_t store_time_ms = 0;  // The store's clock at the reply; 0 when unknown.
};

struct GetOptions {
  uint64_t suffix_bytes = 0;          // > 0: only the last so many bytes (all, if there are fewer).
  std::optional<Etag> if_none_match;  // Equal: not_modified is set and the body stays empty.
};
struct GetReply {
  ObjectInfo info;
  Bytes body;
  bool not_modified = false;
};

struct ListedObject {
  Key key;
  uint64_t bytes = 0;
  Etag etag;  // Empty when the store's listing does not give it.
  int64_t modified_ms = 0;
};
struct ListOptions {
  std::string token;  // From the page before; empty for the first page.
  uint32_t page_max = kListPageMax;
};
struct ListPage {
  std::vector<ListedObject> objects;  // In any order.
  std::string next_token;             // Empty: this was the last page.
};

struct DeleteReply {
  Key key;
  Status status;  // Ok also when the key did not exist.
};

// Takes the bytes of a read as they come; `at` counts from the start of what was asked for.
class TakePiece {
 public:
  using Bytes = std::function<Status(uint64_t at, ByteView piece)>;
  using Pipe = std::function<Status(uint64_t at, int pipe, uint64_t bytes)>;
  TakePiece() = default;
  template <typename Taker>
    requires std::constructible_from<Bytes, Taker>
  TakePiece(Taker taker) : bytes_(std::move(taker)) {}
  // `pipe`: takes exactly so many bytes out of a pipe instead, for a store that can deliver them
  // without copying them; it may be given some pieces and `bytes` the others.
  TakePiece(Bytes bytes, Pipe pipe) : bytes_(std::move(bytes)), pipe_(std::move(pipe)) {}
  Status operator()(uint64_t at, ByteView piece) const { return bytes_(at, piece); }
  const Bytes& bytes() const { return bytes_; }
  const Pipe& pipe() const { return pipe_; }  // May be empty.

 private:
  Bytes bytes_;
  Pipe pipe_;
};
inline constexpr uint64_t kPieceBytesMax = 1 * kMiB;  // What a store without pieces buffers.

// What the store said of itself; a probe may take features away.
struct Features {
  bool conditional_create = false;  // Cas with no expected etag is honoured, also in races.
  bool conditional_swap = false;    // Cas with an expected etag is honoured, also in races.
  bool multipart = false;
  bool server_checksums = false;  // A body that does not match its checksum is refused.
  uint64_t buffered_bytes = 0;    // What the client itself holds for each request under way.
  bool needs_probe = false;  // Its word on conditions proves nothing; lake/doctor.h tries them.
};

// One thing a store found out of the service behind it, for the doctor. The words of `check` and
// `outcome` are those of plan/store_verdict.cc; `evidence` is one line, never a secret.
struct Fact {
  std::string check, outcome, evidence;
};

// Whose prices hold for what is written here: for estimates alone.
struct Placement {
  std::string provider;  // "aws", "gcs", or the host of another server; empty: nobody bills it.
  std::string region;
  std::string storage_class;  // Of new objects. What others moved since is not known.
};

// Multipart upload: one new object in parts of 5 MiB to 5 GiB (the last may be smaller), numbered
// from 1 to kPartsMax.
inline constexpr uint32_t kPartsMax = 10'000;
inline constexpr uint32_t kPartPageMax = 1000;

struct PartReply {
  Etag etag;
  std::string checksum;  // As the store names it; opaque here, handed back to CompleteMultipart.
  uint32_t number = 0;   // From 1.
  uint64_t bytes = 0;
};
struct PartPage {
  std::vector<PartReply> parts;  // In order of their numbers.
  uint32_t next_after = 0;       // For the next page; 0: this was the last.
};
struct PendingUpload {
  Key key;
  std::string upload_id;
  int64_t started_ms = 0;  // The store's clock; 0 when it did not say.
};
struct UploadPage {
  std::vector<PendingUpload> uploads;
  std::string next_token;  // Empty: this was the last page.
};

// A URL that lets whoever has it do one thing to one key until it ends.
inline constexpr uint32_t kPresignSecondsMax = 15 * 60;
struct PresignRequest {
  enum class Verb : uint8_t { kGet, kPut, kPutPart };
  Verb verb = Verb::kGet;
  Key key;
  uint32_t ttl_s = kPresignSecondsMax;  // At most that; never past the signer's credentials.
  std::string upload_id = "";           // Only kPutPart, as part_number.
  uint32_t part_number = 0;
};

class ObjectStore {
 public:
  virtual ~ObjectStore() = default;

  virtual std::string Describe() const = 0;  // "s3://bucket/prefix"; never a secret.
  // What shares the limits of one server: stores of equal endpoints are paced together.
  virtual std::string Endpoint() const { return Describe(); }
  virtual Features features() const = 0;
  virtual Placement placement() const { return {}; }
  // Of the time that requests took lately, the part in which nothing moved since the store is far
  // away: 0 to plan::WaitShare::kShareMax.
  virtual double WaitShare() const { return 0; }

  // kNotFound if the key does not exist.
  virtual Result<ObjectInfo> Head(const OpContext& ctx, const Key& key) = 0;

  // The whole object or its suffix. kNotFound; kResourceExhausted above kSmallObjectBytesMax.
  virtual Result<GetReply> Get(const OpContext& ctx, const Key& key, const GetOptions& options) = 0;

  // Fills `into` with the bytes from `offset` on. kNotFound; kCorrupt if the object ends before.
  // On error the content of `into` is unspecified.
  virtual Result<ObjectInfo> GetRange(const OpContext& ctx, const Key& key, uint64_t offset,
                                      MutableByteView into) = 0;

  // As GetRange, but hands the bytes on in pieces, in this thread, without holding them all. A
  // piece may come again, with other bytes, where a request had to be repeated: the last at each
  // place counts, and after an error none does. An error of `take` ends the read and is returned.
  virtual Result<ObjectInfo> GetPieces(const OpContext& ctx, const Key& key, uint64_t offset,
                                       uint64_t bytes, const TakePiece& take);

  // Writes an object under a name that was never used before. `body` must stay until the return.
  // kAlreadyExists (definitely not written by this call, where the store can tell); any other
  // error: it may or may not be there. Safe to repeat with the same bytes.
  virtual Result<ObjectInfo> PutNew(const OpContext& ctx, const Key& key, ByteView body) = 0;

  // Moves `key` from the version `expected` (none: from absent) to `body`.
  // kConflict: definitely not, another version is there. kNotFound, or on some servers kConflict:
  // definitely not, `expected` was given and the key is gone. kUnknownOutcome: it may have landed,
  // or may still; read before deciding. Other errors: definitely not applied (the request never
  // left, or was refused).
  virtual Result<ObjectInfo> Cas(const OpContext& ctx, const Key& key, ByteView body,
                                 const std::optional<Etag>& expected) = 0;

  // One page of the keys that start with `prefix` (may be empty). An error is an error: a page is
  // never cut short silently.
  virtual Result<ListPage> List(const OpContext& ctx, std::string_view prefix,
                                const ListOptions& options) = 0;

  // Only garbage collection and multipart clean-up call this. At most kDeleteKeysMax keys.
  virtual Result<std::vector<DeleteReply>> Delete(const OpContext& ctx,
                                                  std::span<const Key> keys) = 0;

  // The same store at the place `levels` folders, or prefix segments, further up; nullptr where
  // there is none. For the one who must know that a lake does not lie inside of another.
  virtual std::unique_ptr<ObjectStore> Above(uint32_t levels) const;

  // What the seam has no word for: settings of a bucket, checksums, further conditions. Only the
  // doctor and the making of a lake call this; writes at most objects whose names start with
  // `scratch`, which it deletes. kRaces: no more than races, in a few seconds.
  enum class InspectScope : uint8_t { kAll, kRaces };
  virtual std::vector<Fact> Inspect(const OpContext& ctx, const Key& scratch, InspectScope scope);

  // Multipart upload of one object under a name that was never used before; kUnsupported unless
  // features().multipart. Nothing is visible under `key` before it is completed. An upload that is
  // neither completed nor aborted keeps its parts, which are paid for, until ListUploads finds it.
  virtual Result<std::string> CreateMultipart(const OpContext& ctx, const Key& key);
  // Safe to repeat: the last acknowledged body of a part number counts. `body` must stay until the
  // return.
  virtual Result<PartReply> PutPart(const OpContext& ctx, const Key& key,
                                    const std::string& upload_id, uint32_t part_number,
                                    ByteView body);
  // Those that were acknowledged, from number `after` + 1 on. kNotFound: no such upload.
  virtual Result<PartPage> ListParts(const OpContext& ctx, const Key& key,
                                     const std::string& upload_id, uint32_t after);
  // Makes the parts, in order, the object, and looks whether it is there whole. Safe to repeat
  // after an error, but never twice at once. kNotFound: neither the upload nor the object is there;
  // upload again. kAlreadyExists: other bytes have the name. kCorrupt: parts are missing or differ.
  virtual Result<ObjectInfo> CompleteMultipart(const OpContext& ctx, const Key& key,
                                               const std::string& upload_id,
                                               std::span<const PartReply> parts);
  // Ok when nothing is left of the upload, also when it never was. An error: parts may be left.
  virtual Status AbortMultipart(const OpContext& ctx, const Key& key, const std::string& upload_id);
  // One page of the uploads under way whose keys start with `prefix`. Advisory: a store may show a
  // new one late.
  virtual Result<UploadPage> ListUploads(const OpContext& ctx, std::string_view prefix,
                                         const std::string& token);

  // kUnsupported where the store has no URLs. Asks nobody, but for credentials that are due.
  virtual Result<Secret> Presign(const OpContext& ctx, const PresignRequest& request);
};

// Whether the object has exactly these bytes. Errors: of Head and GetRange.
Result<bool> Holds(ObjectStore& store, const OpContext& ctx, const Key& key, ByteView body);

// All pages of a listing. kResourceExhausted above `keys_max`.
Result<std::vector<ListedObject>> ListAll(const OpContext& ctx, ObjectStore& store,
                                          std::string_view prefix, size_t keys_max = 100'000'000);

}  // namespace varve::store
