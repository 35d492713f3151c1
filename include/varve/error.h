// What went wrong, as a value: a stable code that says what the caller should do, and a message a
// person can act on.
//
// Codes are append-only: their numbers, names and exit codes appear in scripts, in Python and in
// HTTP replies. The one table is `VARVE_ERROR_TABLE`; Python, the command line and docs/errors.md
// are generated from it or compared with it by a test.
//
// Threads: an Error is a plain value. Messages never hold a secret or a signed URL.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace varve {

// X(enumerator, number, name, exit code, HTTP status, retryable, Python class,
//   what to do)
// clang-format off
#define VARVE_ERROR_TABLE(X)                                                                                     \
  X(kInvalidArgument,    1, "invalid_argument",   2, 400, false, "InvalidError",       "correct the input; nothing was changed")                \
  X(kNotFound,           2, "not_found",          4, 404, false, "NotFoundError",      "check the name; the message gives the nearest one")      \
  X(kAlreadyExists,      3, "already_exists",     5, 409, false, "AlreadyExistsError", "choose another name, or use what is there")              \
  X(kConflict,           4, "conflict",           6, 409, false, "ConflictError",      "another writer moved first; read again and decide anew") \
  X(kPermissionDenied,   5, "permission_denied",  7, 403, false, "AccessError",        "check credentials and bucket policy")                    \
  X(kThrottled,          6, "throttled",          8, 429, true,  "StorageError",       "the store asks for less; try again later")               \
  X(kUnavailable,        7, "unavailable",        9, 503, true,  "StorageError",       "the store did not answer; try again")                    \
  X(kTimeout,            8, "timeout",           10, 504, true,  "TimedOutError",      "the deadline passed; try again with a longer one")       \
  X(kCancelled,          9, "cancelled",        130, 499, false, "CancelledError",     "the caller stopped it; nothing is half visible")         \
  X(kCorrupt,           10, "corrupt",           11, 500, false, "CorruptError",       "do not use these bytes; run verify and restore a copy")  \
  X(kResourceExhausted, 11, "resource_exhausted",12, 507, false, "ResourceError",      "free memory, disk or quota, then try again")             \
  X(kUnknownOutcome,    12, "unknown_outcome",   13, 500, false, "UnknownOutcomeError","the write may have landed; look before you repeat it")   \
  X(kUnsupported,       13, "unsupported",        3, 501, false, "UnsupportedError",   "this store, lake or type cannot do that; see the reason") \
  X(kInternal,          14, "internal",          15, 500, false, "InternalError",      "a defect in varve; report it with the message")          \
  X(kGone,              15, "gone",              16, 410, false, "GoneError",          "the version was forgotten; choose one that is listed") \
  X(kIo,                16, "io_error",          17, 500, false, "DiskError",          "the disk or file system failed; see the system log, then save elsewhere")
// clang-format on

enum class ErrorCode : uint8_t {
#define VARVE_ERROR_ENUM(code, number, ...) code = number,
  VARVE_ERROR_TABLE(VARVE_ERROR_ENUM)
#undef VARVE_ERROR_ENUM
};

std::string_view ErrorName(ErrorCode code);    // "not_found"
int ExitCode(ErrorCode code);                  // Process exit status of the command line.
int HttpStatus(ErrorCode code);                // Status the server answers with.
bool Retryable(ErrorCode code);                // The one place that says so.
std::string_view PythonClass(ErrorCode code);  // Class name in varve.errors.
std::string_view Advice(ErrorCode code);

class [[nodiscard]] Error {
 public:
  // `message`: a lowercase clause that names the thing concerned, then what to do next.
  Error(ErrorCode code, std::string message) : code_(code), message_(std::move(message)) {}

  ErrorCode code() const { return code_; }
  const std::string& message() const { return message_; }
  const std::string& operation() const { return operation_; }
  const std::string& key() const { return key_; }
  const std::string& request_id() const { return request_id_; }
  int http_status() const { return http_status_; }  // 0 when no HTTP reply is behind the error.

  // Added once, at the store boundary.
  Error& At(std::string operation, std::string key);
  Error& FromHttp(int status, std::string request_id);
  // Puts `context` and ": " in front of the message.
  Error& Prefix(std::string_view context);

  // "not_found: no version v9 in 'llama'. operation=get key=ref/b/llama"
  std::string ToString() const;

 private:
  ErrorCode code_;
  int http_status_ = 0;
  std::string message_, operation_, key_, request_id_;
};

}  // namespace varve
