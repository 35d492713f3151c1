#include "varve/error.h"

namespace varve {
namespace {

struct Row {
  ErrorCode code;
  std::string_view name;
  int exit_code;
  int http_status;
  bool retryable;
  std::string_view python_class;
  std::string_view advice;
};

constexpr Row kRows[] = {
#define VARVE_ERROR_ROW(code, number, name, exit_code, http, retry, python, advice) \
  {ErrorCode::code, name, exit_code, http, retry, python, advice},
    VARVE_ERROR_TABLE(VARVE_ERROR_ROW)
#undef VARVE_ERROR_ROW
};

const Row& Find(ErrorCode code) {
  for (const Row& row : kRows) {
    if (row.code == code) return row;
  }
  return kRows[static_cast<int>(ErrorCode::kInternal) - 1];
}

}  // namespace

std::string_view ErrorName(ErrorCode code) { return Find(code).name; }
int ExitCode(ErrorCode code) { return Find(code).exit_code; }
int HttpStatus(ErrorCode code) { return Find(code).http_status; }
bool Retryable(ErrorCode code) { return Find(code).retryable; }
std::string_view PythonClass(ErrorCode code) { return Find(code).python_class; }
std::string_view Advice(ErrorCode code) { return Find(code).advice; }

Error& Error::At(std::string operation, std::string key) {
  if (operation_.empty()) operation_ = std::move(operation);
  if (key_.empty()) key_ = std::move(key);
  return *this;
}

Error& Error::FromHttp(int status, std::string request_id) {
  http_status_ = status;
  request_id_ = std::move(request_id);
  return *this;
}

Error& Error::Prefix(std::string_view context) {
  message_ = std::string(context) + ": " + message_;
  return *this;
}

std::string Error::ToString() const {
  std::string text(ErrorName(code_));
  text += ": " + message_;
  if (!operation_.empty()) text += " operation=" + operation_;
  if (!key_.empty()) text += " key=" + key_;
  if (http_status_ != 0) text += " http_status=" + std::to_string(http_status_);
  if (!request_id_.empty()) text += " request_id=" + request_id_;
  return text;
}

}  // namespace varve
