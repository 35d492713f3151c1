#include "varve/plan/store_verdict.h"

#include <algorithm>
#include <cstdlib>

namespace varve::plan {
namespace {

constexpr int64_t kClockOffMs = 60'000, kClockRefusedSoonMs = 10 * 60'000;

struct Row {
  std::string_view check, outcome;
  Verdict verdict;
  std::string_view advice;
};
constexpr std::string_view kNoCondition =
    "two writers can overwrite each other; use another store, or one writer with --single-writer";
constexpr std::string_view kRaced =
    "the store checks the condition without a lock; use another store, or one writer with "
    "--single-writer";
constexpr std::string_view kStale =
    "a writer would decide on old state; ask for strong reads, or use another store";
constexpr std::string_view kCannot =
    "the store refuses a write that a lake needs; use another store or switch versioning off";
constexpr std::string_view kWrongBytes = "the store returns wrong bytes; do not use it";
constexpr std::string_view kNoRanges = "a lake reads parts of objects; use another store";
constexpr std::string_view kListing =
    "listings cannot be relied on; do not run gc here until this is ok";
constexpr std::string_view kUnasked = "the store did not answer well enough to judge; see why";

constexpr Row kTable[] = {
    {"write.new", "broken", Verdict::kFail, kCannot},
    {"write.empty", "broken", Verdict::kFail, kCannot},
    {"write.large", "broken", Verdict::kFail, kWrongBytes},
    {"read.own_write", "broken", Verdict::kFail, kWrongBytes},
    {"read.own_write", "stale", Verdict::kFail, kStale},
    {"read.range", "broken", Verdict::kFail, kWrongBytes},
    {"read.range", "refused", Verdict::kFail, kNoRanges},
    {"read.suffix", "broken", Verdict::kFail, kWrongBytes},
    {"read.suffix", "refused", Verdict::kFail, kNoRanges},
    {"read.past_end", "broken", Verdict::kFail, kWrongBytes},
    {"read.missing", "broken", Verdict::kFail, kStale},
    {"read.unchanged", "broken", Verdict::kNote,
     "a conditional read sends the body again; it only costs"},
    {"read.unchanged", "stale", Verdict::kFail, kStale},
    {"names.letters", "broken", Verdict::kFail, "names are changed or confused; use another store"},
    {"create.absent", "broken", Verdict::kFail, kCannot},
    {"create.present", "ignored", Verdict::kFail, kNoCondition},
    {"create.present", "broken", Verdict::kFail, kNoCondition},
    {"swap.current", "broken", Verdict::kFail, kCannot},
    {"swap.stale", "ignored", Verdict::kFail, kNoCondition},
    {"swap.stale", "broken", Verdict::kFail, kNoCondition},
    {"swap.missing", "ignored", Verdict::kFail, kNoCondition},
    {"swap.missing", "broken", Verdict::kFail, kNoCondition},
    {"swap.reply_etag", "broken", Verdict::kFail, kCannot},
    {"swap.same_body", "same etag", Verdict::kNote,
     "equal bodies get equal etags; Varve writes a nonce into each"},
    {"race.create", "several winners", Verdict::kFail, kRaced},
    {"race.create", "lost write", Verdict::kFail, kRaced},
    {"race.create", "nobody", Verdict::kFail, kCannot},
    {"race.swap", "several winners", Verdict::kFail, kRaced},
    {"race.swap", "lost write", Verdict::kFail, kRaced},
    {"race.swap", "nobody", Verdict::kFail, kCannot},
    {"race.counter", "lost write", Verdict::kFail, kRaced},
    {"race.held", "several winners", Verdict::kFail, kRaced},
    {"race.held", "lost write", Verdict::kFail, kRaced},
    {"race.overlap", "several winners", Verdict::kFail, kRaced},
    {"race.overlap", "lost write", Verdict::kFail, kRaced},
    {"list.own_write", "broken", Verdict::kWarn, kListing},
    {"list.pages", "broken", Verdict::kWarn, kListing},
    {"list.after_delete", "broken", Verdict::kWarn, kListing},
    {"delete.gone", "broken", Verdict::kWarn,
     "deleted objects stay readable; gc frees nothing here"},
    {"delete.missing", "broken", Verdict::kWarn,
     "a delete that is repeated fails; gc may report errors"},
    {"clock", "off", Verdict::kWarn, "set this machine's clock, or the store's"},
    {"clock", "refused soon", Verdict::kWarn,
     "signatures are refused at 15 minutes; set this machine's clock, or the store's"},
    {"clock", "absent", Verdict::kNote, "the store does not tell its time; gc needs it"},

    {"etag.quoted", "refused", Verdict::kNote,
     "Varve sends etags without quotes, which this store takes"},
    {"checksum.crc64nvme", "ignored", Verdict::kNote,
     "damage on the way in is found at the next read, not at once"},
    {"checksum.crc64nvme", "unsupported", Verdict::kWarn,
     "the store refuses the checksum that Varve sends"},
    {"checksum.crc32c", "ignored", Verdict::kNote, ""},
    {"checksum.crc32c", "unsupported", Verdict::kNote, ""},
    {"checksum.md5", "ignored", Verdict::kNote, ""},
    {"checksum.any", "ignored", Verdict::kWarn,
     "the store checks no body; run verify after a save that matters"},
    {"checksum.asked_back", "absent", Verdict::kNote, ""},
    {"delete.if_match", "ignored", Verdict::kNote,
     "Varve deletes only names that are never used again"},
    {"complete.if_none_match", "ignored", Verdict::kNote,
     "Varve never commits by completing an upload"},
    {"complete.if_match", "ignored", Verdict::kNote, "Varve never commits by completing an upload"},
    {"multipart", "unsupported", Verdict::kNote, "files larger than a pack are sent as packs"},
    {"multipart", "broken", Verdict::kWarn, "the store's multipart uploads lose bytes"},
    {"multipart.incomplete", "found", Verdict::kWarn,
     "they are billed; abort them, or add a rule AbortIncompleteMultipartUpload"},
    {"multipart.abort_rule", "absent", Verdict::kNote,
     "add a lifecycle rule AbortIncompleteMultipartUpload of 7 days"},
    {"lifecycle", "expires", Verdict::kFail,
     "the bucket deletes objects of the lake by age; remove or narrow the rule, then run doctor "
     "again"},
    {"lifecycle", "moves", Verdict::kWarn,
     "archived objects cannot be read at once; keep the lake's prefix out of the rule"},
    {"lifecycle", "denied", Verdict::kNote,
     "allow s3:GetLifecycleConfiguration, or look at the rules yourself"},
    {"versioning", "off", Verdict::kNote,
     "versioning with expiry of noncurrent versions after 14 days is an undo for mistakes"},
    {"versioning", "suspended", Verdict::kNote,
     "switch it on or leave it off for good; suspended is little tested by servers"},
    {"versioning", "denied", Verdict::kNote, "allow s3:GetBucketVersioning, or look yourself"},
    {"versioning.expiry", "absent", Verdict::kNote,
     "overwritten heads are billed for ever; add NoncurrentVersionExpiration of 14 days"},
    {"object_lock", "default retention", Verdict::kWarn,
     "gc cannot delete before it ends, nor can the doctor remove its own objects"},
    {"public.read", "open", Verdict::kWarn,
     "anyone can read the lake's objects; block public access of the bucket"},
    {"public.policy", "open", Verdict::kWarn,
     "the bucket's policy is public; block public access of the bucket"},
    {"transport", "plain", Verdict::kWarn, "bytes and requests travel unencrypted; use https"},
    {"region", "differs", Verdict::kWarn, "set AWS_REGION to the bucket's region"},
    {"subresource", "ignored", Verdict::kNote,
     "answers are judged by their shape, so this does no harm"},
    {"folder.kind", "network", Verdict::kWarn,
     "locks and renames of network folders may not hold between machines; share a bucket instead"},
    {"folder.space", "low", Verdict::kWarn, "free space before the next save"},
    {"folder.permissions", "open", Verdict::kWarn,
     "anyone on this machine can change the lake; chmod o-w the folder"},
    {"reads", "not answered", Verdict::kWarn, kUnasked},
    {"listings", "not answered", Verdict::kWarn, kUnasked},
    {"deletes", "not answered", Verdict::kWarn, kUnasked},
    {"speed", "not answered", Verdict::kWarn, kUnasked},
    {"cleanup", "left", Verdict::kWarn,
     "the doctor's own objects could not all be deleted; delete them by hand"},
};

std::string Number(uint64_t value, const char* one, const char* many) {
  return std::to_string(value) + " " + (value == 1 ? one : many);
}

}  // namespace

const std::vector<std::string_view> kEssentialChecks = {
    "write.new",    "read.own_write", "create.absent", "create.present",
    "swap.current", "swap.stale",     "swap.missing",  "swap.reply_etag",
    "race.create",  "race.swap",      "race.counter"};

std::string_view VerdictName(Verdict verdict) {
  constexpr std::string_view kNames[] = {"ok", "note", "warn", "fail"};
  return kNames[static_cast<size_t>(verdict)];
}

StoreVerdict JudgeStore(std::vector<Observation> seen) {
  StoreVerdict verdict;
  verdict.safe = true;
  for (Observation& each : seen) {
    JudgedCheck judged;
    const auto* const row = std::find_if(std::begin(kTable), std::end(kTable), [&](const Row& it) {
      return it.check == each.check && it.outcome == each.outcome;
    });
    if (row != std::end(kTable)) {
      judged.verdict = row->verdict;
      judged.advice = row->advice;
    } else if (each.outcome != "ok") {
      judged.verdict = Verdict::kNote;
    }
    if (judged.verdict == Verdict::kFail && verdict.safe) {
      verdict.safe = false;
      verdict.reason = each.check + ": " + each.outcome + " (" + each.evidence + ")";
    }
    judged.seen = std::move(each);
    verdict.checks.push_back(std::move(judged));
  }
  for (const std::string_view wanted : kEssentialChecks) {
    const auto made = [&](const JudgedCheck& it) { return it.seen.check == wanted; };
    if (std::any_of(verdict.checks.begin(), verdict.checks.end(), made)) continue;
    if (verdict.safe) verdict.reason = std::string(wanted) + ": not checked";
    verdict.safe = false;
  }
  return verdict;
}

Observation JudgeRaces(std::string check, const std::vector<RaceRound>& rounds) {
  uint64_t several = 0, lost = 0, won = 0, unknown = 0;
  uint32_t most = 0;
  for (const RaceRound& round : rounds) {
    several += round.acknowledged > 1 ? 1 : 0;
    won += round.acknowledged > 0 || round.content_of_a_racer ? 1 : 0;
    lost += round.acknowledged == 1 && !round.content_of_the_winner ? 1 : 0;
    unknown += round.unknown;
    most = std::max(most, round.acknowledged);
  }
  Observation seen{std::move(check), "ok", Number(rounds.size(), "round", "rounds")};
  if (several > 0) {
    seen.outcome = "several winners";
    seen.evidence += ", " + std::to_string(several) + " with more than one winner, up to " +
                     std::to_string(most);
  } else if (lost > 0) {
    seen.outcome = "lost write";
    seen.evidence += ", in " + std::to_string(lost) + " the winner's bytes are not what is there";
  } else if (won == 0) {
    seen.outcome = "nobody";
    seen.evidence += ", none with a winner";
  } else {
    seen.evidence += ", one winner each";
    if (unknown > 0) {
      seen.evidence += "; " + Number(unknown, "racer was", "racers were") + " told neither";
    }
  }
  return seen;
}

Observation JudgeCounter(std::string check, uint64_t acknowledged, uint64_t unknown, uint64_t sum) {
  const bool right = sum >= acknowledged && sum <= acknowledged + unknown;
  std::string evidence = std::to_string(acknowledged) + " additions acknowledged, ";
  if (unknown > 0) evidence += std::to_string(unknown) + " told neither, ";
  evidence += "the sum is " + std::to_string(sum);
  return {std::move(check), right ? "ok" : "lost write", std::move(evidence)};
}

Observation JudgeClock(int64_t difference_ms, int64_t travel_ms) {
  // The times of an answer are cut to seconds, and were taken at some moment of the travel.
  const int64_t slack_ms = 2000 + travel_ms;
  const int64_t off_ms = std::max<int64_t>(0, std::abs(difference_ms) - slack_ms);
  const char* outcome = off_ms > kClockRefusedSoonMs ? "refused soon"
                        : off_ms > kClockOffMs       ? "off"
                                                     : "ok";
  const std::string seconds = std::to_string(std::abs(difference_ms) / 1000);
  return {"clock", outcome,
          off_ms == 0 ? "the store's clock agrees with this machine's"
                      : "the store's clock is " + seconds + " s " +
                            (difference_ms > 0 ? "ahead of" : "behind") + " this machine's"};
}

}  // namespace varve::plan
