// One signed request to a bucket: addressed, stamped, signed at the moment it is sent, and sent
// again, a bounded number of times, where the refusal itself says what to change (another region,
// the server's clock, newer credentials, a checksum that the server knows). Nothing else is
// repeated here; store/retry does that.
//
// What a refusal taught is kept for the next request. Threads: any.
#pragma once

#include <memory>
#include <mutex>
#include <string>

#include "varve/exec/sync.h"
#include "varve/http/transport.h"
#include "varve/store/object_store.h"
#include "varve/store/s3/checksum.h"
#include "varve/store/s3/config.h"
#include "varve/store/s3/remedy.h"

namespace varve::store {

// Which of the settings' headers an operation takes.
enum class Role : uint8_t {
  kPlain,   // Only what every request carries.
  kRead,    // An object's bytes or head: the customer's key.
  kWrite,   // A whole object: its encryption, storage class, and the body's checksum.
  kCreate,  // A multipart upload: as kWrite, and the kind of checksum its parts will have.
  kPart,    // One part: the customer's key and the body's checksum.
};

struct Call {
  std::string method;
  std::string key;  // Below the prefix; empty: the bucket itself.
  Pairs query = {};
  Pairs headers = {};
  ByteView body = {};
  MutableByteView into = {};
  TakePiece take = {};  // As http::Request has it, with the next.
  uint64_t take_bytes = 0;
  std::function<void()> before_last_byte = {};  // As http::Request has it.
  Role role = Role::kPlain;
  uint64_t reply_bytes_max = kSmallObjectBytesMax;
};

struct Answer {
  http::Reply reply;
  Sum sum;  // Of the body, as it was sent.
};

class Client {
 public:
  static constexpr int kRegionHopsMax = 3;
  static constexpr int kSendsMax = 8;  // Of one call, with every remedy.

  explicit Client(S3Config config);

  // With `maybe_sent` each sending reaches the server at most once; see http::Transport::Send.
  Result<Answer> Send(const OpContext& ctx, const Call& call, bool* maybe_sent = nullptr);
  Result<Secret> Presign(const OpContext& ctx, const PresignRequest& request);

  Error ErrorOf(const http::Reply& reply, const Call& call) const;
  // kCorrupt: a reply of this status that is not what S3 answers.
  Error Malformed(const http::Reply& reply, const Call& call, const std::string& what) const;

  const S3Config& config() const { return config_; }
  const http::Transport& transport() const { return transport_; }
  bool quoted_if_match() const;
  void LearnQuotedIfMatch();
  bool if_match_known() const;
  void LearnIfMatchWorks();

 private:
  struct Learned {  // From refusals and answers.
    std::string region;
    int64_t clock_offset_ms = 0;
    Checksum checksum = Checksum::kNone;
    bool quoted_if_match = false, if_match_known = false;
  };
  struct Trial;     // What one call has tried.
  struct Signing {  // The key that the last request was signed with.
    std::string scope;
    Secret secret_key;
    hash::Sha256Digest key{};
  };
  Learned learned() const;
  hash::Sha256Digest KeyFor(const SigningInput& input, const Secret& secret_key) const;
  Pairs HeadersOf(const Call& call, const Learned& now, const Sum& sum) const;
  http::Request Build(const Call& call, const Learned& now, const Credentials& credentials,
                      int64_t wall_ms, const Sum& sum) const;
  Result<bool> Apply(const OpContext& ctx, const Remedy& remedy, const Call& call, Trial& trial);
  const S3Config config_;
  const std::shared_ptr<CredentialCache> credentials_;
  http::Transport transport_;
  mutable Mutex mutex_;
  Learned learned_;  // Guarded by mutex_, as the next.
  mutable Signing signing_;
};

}  // namespace varve::store
