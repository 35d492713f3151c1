// Every lie that the proxy can tell, with its row of the fault matrix (docs/stores.md) and the
// requests it concerns. Pure: what is told is a function of the lie, the request, the true answer
// and a seed.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "varve/testing/wire/message.h"

namespace varve::liar {

using wire::Message;

// R read, W write of a new name, C conditional write, M multipart, D delete, L list, '?' other.
char ClassOf(const Message& request);

enum class When : uint8_t {
  kAtOnce,      // Before the body of the request is read.
  kInstead,     // The store never sees the request.
  kInTransit,   // The request is changed on its way to the store.
  kAfterwards,  // The store served it; the answer is changed, lost or late.
};

// X(enumerator, row, classes, when)
#define VARVE_LIES(X)                             \
  X(kSlowDown, "F1", "RWCMDL", kInstead)          \
  X(kTooManyRequests, "F1", "RWCMDL", kInstead)   \
  X(kError500Before, "F2", "RWCMDL", kInstead)    \
  X(kError502Before, "F2", "RWCMDL", kInstead)    \
  X(kError504Before, "F2", "RWCMDL", kInstead)    \
  X(kError500After, "F3", "RWCMDL", kAfterwards)  \
  X(kSilenceAfter, "F3", "RWCMDL", kAfterwards)   \
  X(kResetAfter, "F4", "RWCMDL", kAfterwards)     \
  X(kCloseAfter, "F4", "RWCMDL", kAfterwards)     \
  X(kZombie, "F5", "WCMD", kInstead)              \
  X(kTwice, "F5", "WCMD", kAfterwards)            \
  X(kConflict409, "F6", "CM", kInstead)           \
  X(kVanished404, "F7", "C", kInstead)            \
  X(kErrorIn200, "F9", "MDL", kAfterwards)        \
  X(kEmpty200, "F10", "MDL", kAfterwards)         \
  X(kHtml200, "F10", "MDL", kAfterwards)          \
  X(kCutXml, "F10", "MDL", kAfterwards)           \
  X(kWrongRoot, "F10", "MDL", kAfterwards)        \
  X(kBlanks, "F11", "M", kAfterwards)             \
  X(kResetInRequest, "F13", "WCMD", kAtOnce)      \
  X(kResetInAnswer, "F14", "RL", kAfterwards)     \
  X(kShortBody, "F15", "RL", kAfterwards)         \
  X(kShortLength, "F15", "RL", kAfterwards)       \
  X(kLongBody, "F16", "RL", kAfterwards)          \
  X(kOtherRange, "F16", "R", kAfterwards)         \
  X(kWhole, "F16", "R", kAfterwards)              \
  X(kFlipAnswer, "F17", "R", kAfterwards)         \
  X(kFlipRequest, "F18", "WC", kInTransit)        \
  X(kNoEtag, "F19", "RWC", kAfterwards)           \
  X(kWeakEtag, "F19", "RWC", kAfterwards)         \
  X(kOddEtag, "F19", "RWC", kAfterwards)          \
  X(kNoChecksum501, "F21", "WCM", kInstead)       \
  X(kNoChecksum400, "F21", "WCM", kInstead)       \
  X(kExpiredToken, "F22", "RWCMDL", kInstead)     \
  X(kAccessDenied, "F23", "RWCMDL", kInstead)     \
  X(kInvalidAccessKey, "F23", "RWCMDL", kInstead) \
  X(kSkewed, "F24", "RWCMDL", kInstead)           \
  X(kBlackHole, "F29", "RWCMDL", kAtOnce)         \
  X(kDrip, "F29", "RL", kAfterwards)              \
  X(kCloseKept, "F30", "RWCMDL", kAfterwards)     \
  X(kResetBefore, "F30", "RWCMDL", kInstead)      \
  X(kNoToken, "F31", "L", kAfterwards)            \
  X(kListDrops, "F32", "L", kAfterwards)          \
  X(kListRepeats, "F32", "L", kAfterwards)        \
  X(kListReorders, "F32", "L", kAfterwards)       \
  X(kOtherRegion301, "F33", "RWCMDL", kInstead)   \
  X(kElsewhere307, "F33", "RWCMDL", kInstead)     \
  X(kRegionMalformed, "F33", "RWCMDL", kInstead)  \
  X(kLocked, "F34", "D", kInstead)                \
  X(kSomeKeysFail, "F35", "D", kAfterwards)       \
  X(kSomeKeysUnsaid, "F35", "D", kAfterwards)     \
  X(kKeyServiceThrottles, "F36", "RW", kInstead)  \
  X(kKeyDisabled, "F36", "RW", kInstead)          \
  X(kEndlessHeaders, "-", "RWCMDL", kAfterwards)  \
  X(kEndlessBody, "-", "RMDL", kAfterwards)       \
  X(kGarbageStatus, "-", "RWCMDL", kAfterwards)   \
  X(kNotHttp, "-", "RWCMDL", kAfterwards)         \
  X(kBadLength, "-", "RML", kAfterwards)          \
  X(kBadChunks, "-", "RML", kAfterwards)          \
  X(kSeeded, "-", "RWCMDL", kAfterwards)

enum class Lie : uint8_t {
#define VARVE_LIE(name, row, classes, when) name,
  VARVE_LIES(VARVE_LIE)
#undef VARVE_LIE
};
struct LieInfo {
  Lie lie;
  std::string_view name, row, classes;
  When when;
};
extern const std::vector<LieInfo> kLies;
const LieInfo& InfoOf(Lie lie);

// How an answer goes onto the wire.
struct Telling {
  std::string bytes;
  size_t piece_bytes = SIZE_MAX;  // Sent in pieces of so many,
  int64_t pause_ms = 0;           // with a pause between them.
  bool reset = false;             // Then the connection is reset,
  bool close = false;             // or closed,
  bool hold = false;              // or kept open in silence.
  bool endless = false;           // The last kEndlessBytes are sent again and again.
};
inline constexpr size_t kEndlessBytes = 4096;

// What is told instead of asking the store (kInstead).
Telling Invent(Lie lie, const Message& request, int64_t wall_ms);
// What is made of the store's answer (kAfterwards).
Telling Twist(Lie lie, const Message& request, Message answer, uint64_t seed);

}  // namespace varve::liar
