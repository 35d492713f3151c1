// What must be true of a bucket after every change, and of every answer a client was given.
//
// The oracle decodes each head as it is written, each version once as it appears, and compares the
// bytes with what the saver was told to save. It knows formats, and nothing of how lake/ works.
// Numbers in messages (I1 ...) are those of docs/consistency.md. Threads: one.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "sim/store/bucket.h"
#include "varve/format/commit.h"
#include "varve/format/gc_state.h"
#include "varve/format/head.h"

namespace varve::sim {

// What a saver is about to save; found again by the message of the version.
struct Intent {
  uint64_t number = 0;
  std::string artifact;
  std::map<std::string, Bytes> tensors;
  enum class Fate { kOpen, kAcknowledged, kRefused, kUnknown } fate = Fate::kOpen;
  uint64_t version = 0;  // As acknowledged.
  std::string Message() const { return "s" + std::to_string(number); }
};

class Intents {  // Shared by the oracles of all buckets.
 public:
  Intent& New(std::string artifact);
  Intent* Find(std::string_view message);

 private:
  std::map<std::string, std::unique_ptr<Intent>, std::less<>> intents_;
};

using HeadRef = std::shared_ptr<const format::Head>;

// What a process may change, so that nobody needs a key to more than its work.
enum class Role : uint8_t {
  kAny,
  kReader,     // Nothing.
  kSaver,      // New data objects, and heads.
  kEditor,     // The same without packs.
  kRepairer,   // The same, history nodes gc/state.
  kRepacker,   // Packs, commit objects, and the layouts in heads.
  kCollector,  // Heads, the collector's papers; alone deletes.
};

class Oracle final : public Observer {
 public:
  using Fail = std::function<void(std::string)>;
  // `home`: the intents are acknowledged in this bucket; in another one they only may appear.
  Oracle(Bucket& bucket, Intents& intents, bool home, Fail fail)
      : bucket_(bucket), intents_(intents), home_(home), fail_(std::move(fail)) {}

  void OnWrite(uint32_t process, const std::string& key, const StoredObject* before,
               const StoredObject& after, bool conditional) override;
  void OnDelete(uint32_t process, const std::string& key, const StoredObject& object,
                int64_t now_ms) override;

  // From now on; a collector also says what grace it gives.
  void SetRole(uint32_t process, Role role, int64_t grace_ms = 0) {
    roles_[process] = {role, grace_ms};
  }

  // Answers of a save. A refusal is an error that says: definitely not.
  void Acknowledged(Intent& intent, uint64_t version);
  void Refused(Intent& intent, const std::string& error);

  // A moment, for the window of an operation.
  uint64_t now() const { return tick_; }
  // True when `holds` of the head in some state between `from` and now; null: absent.
  bool Ever(const std::string& artifact, uint64_t from,
            const std::function<bool(const format::Head*)>& holds) const;
  HeadRef Latest(const std::string& artifact) const;
  const Intent* IntentOf(const std::string& artifact, uint64_t version) const;

  void CheckEnd(int64_t now_ms);  // Everything live is there.
  // After collections without a grace, and nobody else: nothing else is there.
  void CheckClean(int64_t now_ms);
  std::vector<std::string> Artifacts() const;

 private:
  // A commit object that must stay, with all it names, until a time by the store's clock.
  struct Root {
    format::ObjectId meta_id;
    int64_t until_ms = INT64_MAX;
    friend bool operator==(const Root&, const Root&) = default;
  };
  struct Version {
    format::VersionEntry entry;
    uint64_t owner = 0;
    std::map<format::ObjectId, std::vector<std::string>> objects;  // Keys, by commit object.
    std::vector<Root> roots;
    Intent* intent = nullptr;
  };
  struct Reference {
    uint64_t owner = 0;
    int64_t until_ms = INT64_MAX;
  };
  struct Powers {
    Role role = Role::kAny;
    int64_t grace_ms = 0;
  };
  struct Artifact {
    std::vector<std::pair<uint64_t, HeadRef>> states;  // By tick.
    std::map<uint64_t, Version> versions;
    std::set<std::string> links;
  };
  void OnHead(uint32_t process, const std::string& key, const StoredObject* before,
              const StoredObject& after);
  void OnGcState(uint32_t process, const StoredObject& after);
  // What lets go and what comes back keeps to the rules of docs/retention.md.
  bool CheckLetGo(const format::Head& old, const format::Head& head, int64_t now_ms);
  // Two commit objects of one version let go of the same components.
  bool LackTheSame(const format::ObjectId& one, const format::ObjectId& other) const;
  // I14: who repacks changes where chunks lie, and nothing else.
  bool CheckRelaid(const format::Head& old, const format::Head& head);
  bool MayWrite(uint32_t process, const std::string& key) const;
  bool Needed(const std::string& key, int64_t now_ms) const;
  // The keys of an epoch's list; reports a part that is missing.
  std::set<std::string> KeysOf(const format::GcList& list);
  bool Learn(Artifact& artifact, const std::string& name, const format::VersionEntry& entry);
  // The commit object `meta_id` of a version: its content, and what it names.
  bool LearnObject(Version& version, const format::ObjectId& meta_id, const std::string& where);
  bool CheckContent(const format::Commit& commit, const Intent& intent, const std::string& where);
  bool CheckLink(const Artifact& artifact, const format::HistoryLink& link);
  bool SetRoots(Version& version, std::vector<Root> roots, const std::string& where,
                int64_t now_ms);

  Bucket& bucket_;
  Intents& intents_;
  const bool home_;
  const Fail fail_;
  uint64_t tick_ = 0;
  std::map<std::string, Artifact> artifacts_;
  std::map<std::string, std::vector<Reference>, std::less<>> references_;  // By key.
  std::map<uint32_t, Powers> roles_;                                       // By process.
  uint64_t owners_ = 0;
  format::GcState gc_;
  std::set<std::string> condemned_;             // By the current epoch.
  std::set<std::string, std::less<>> decided_;  // Dead, by any epoch: for ever.
};

// The version that an address (name, name@v3, name@label) means in `head`; 0: none.
uint64_t Meaning(const format::Head* head, std::string_view address);

}  // namespace varve::sim
