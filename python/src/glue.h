// Shared by the files of the extension: errors as exceptions, waiting with signals, handles.
//
// Handles and plain values only: naming, trees and dtypes are in Python, the rest in the lake.
// Every call that can block releases the interpreter lock. One made from a Python thread that may
// be the main one runs beside a watcher that looks for signals ten times a second and cancels the
// operation, so that Ctrl-C works during a long wait.
// Fork: threads of the core do not exist in a child, so a handle refuses there, and is not
// destroyed.
#pragma once

#include <nanobind/nanobind.h>
#include <nanobind/stl/map.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/tuple.h>
#include <nanobind/stl/unique_ptr.h>
#include <nanobind/stl/vector.h>
#include <unistd.h>

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "varve/lake/lake.h"

namespace varve::python {

namespace nb = nanobind;

// Raises the class of varve.errors that the error table names.
[[noreturn]] void Raise(const Error& error);

// Runs `work` in a thread of its own while this one looks for signals; a signal whose handler
// raised cancels `cancel` and is raised once `work` has returned. `work` must not touch Python.
void RunWatched(const CancelToken& cancel, const std::function<void(const OpContext&)>& work);

// The error for an exception that left `work`, for use inside a catch block.
Error CaughtError();

template <typename T, typename Work>
Result<T> Guard(const Work& work, const OpContext& ctx) {
  try {
    return work(ctx);
  } catch (...) {
    return CaughtError();
  }
}

// T of a Result<T>, or the exception.
template <typename T, typename Work>
T Get(const Work& work, const CancelToken& cancel = {}) {
  std::optional<Result<T>> result;
  RunWatched(cancel, [&](const OpContext& ctx) { result.emplace(Guard<T>(work, ctx)); });
  if (!result->ok()) Raise(result->error());
  if constexpr (!std::is_void_v<T>) return std::move(*result).value();
}

template <typename Work>
void Do(const Work& work, const CancelToken& cancel = {}) {
  Get<void>(work, cancel);
}

// Owns a T of the core. Destroyed without the interpreter lock, and never in a forked child.
template <typename T>
class Handle {
 public:
  explicit Handle(std::unique_ptr<T> value) : value_(std::move(value)) {}
  Handle(Handle&&) noexcept = default;
  Handle& operator=(Handle&&) = delete;
  ~Handle() { Drop(); }

  // Raises InvalidError in a forked child or after Drop.
  T& Use() const {
    if (owner_pid_ != getpid()) {
      Raise(Error(ErrorCode::kInvalidArgument,
                  "this was opened before a fork; open the lake again in this process"));
    }
    if (value_ == nullptr) Raise(Error(ErrorCode::kInvalidArgument, "this is closed"));
    return *value_;
  }

  void Drop() {
    if (value_ == nullptr) return;
    if (owner_pid_ != getpid()) {
      static_cast<void>(value_.release());  // Its threads stayed behind; joining them would hang.
      return;
    }
    const nb::gil_scoped_release released;
    value_.reset();
  }

 private:
  pid_t owner_pid_ = getpid();
  std::unique_ptr<T> value_;
};

nb::dict EntryDict(const format::VersionEntry& entry);
nb::dict ReportDict(const lake::SaveReport& report);
lake::SaveOptions OptionsFrom(const nb::dict& dict);

// A save and the token that stops its pipeline, which lives as long as the save.
struct PySave {
  CancelToken cancel;
  Handle<lake::SaveSession> session;
};
struct PyVersion {
  Handle<lake::OpenVersion> version;
};
struct PyLake {
  Handle<lake::Lake> lake;
};
struct PyHurry {
  Handle<ThreadPool::Hurry> hurry;
};

void BindSave(nb::module_& m);
void BindVersion(nb::module_& m);
void BindLake(nb::module_& m);
void BindRetention(nb::module_& m);

}  // namespace varve::python
