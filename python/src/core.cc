// The Python extension: handles and plain values only. No logic: naming, trees and dtypes are in
// Python, everything else in the lake.
//
// Every call that can block releases the interpreter lock and runs beside a watcher that looks for
// signals ten times a second and cancels the operation, so that Ctrl-C works during a long wait.
#include <nanobind/nanobind.h>
#include <nanobind/stl/map.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/tuple.h>
#include <nanobind/stl/unique_ptr.h>
#include <nanobind/stl/vector.h>

#include <atomic>
#include <condition_variable>
#include <mutex>
#include <thread>

#include "varve/cli/open_store.h"
#include "varve/lake/lake.h"

namespace nb = nanobind;
using namespace varve;

namespace {

[[noreturn]] void Raise(const Error& error) {
  const nb::object type =
      nb::module_::import_("varve.errors").attr(std::string(PythonClass(error.code())).c_str());
  const nb::object exception = type(error.ToString());
  exception.attr("kind") = std::string(ErrorName(error.code()));
  exception.attr("retryable") = Retryable(error.code());
  exception.attr("request_id") = error.request_id();
  PyErr_SetObject(type.ptr(), exception.ptr());
  throw nb::python_error();
}

// Runs `work` in a thread of its own while this one waits and looks for signals.
template <typename T, typename Work>
Result<T> Wait(const Work& work) {
  CancelToken cancel;
  const OpContext ctx(SystemClock(), OsRandom(), cancel);
  std::optional<Result<T>> result;
  bool interrupted = false;
  {
    const nb::gil_scoped_release released;
    std::mutex mutex;
    std::condition_variable finished;
    bool done = false;
    std::thread worker([&] {
      Result<T> made = work(ctx);
      const std::lock_guard lock(mutex);
      result.emplace(std::move(made));
      done = true;
      finished.notify_all();
    });
    std::unique_lock lock(mutex);
    while (!finished.wait_for(lock, std::chrono::milliseconds(100), [&] { return done; })) {
      lock.unlock();
      {
        const nb::gil_scoped_acquire acquired;
        if (!interrupted && PyErr_CheckSignals() != 0) interrupted = true;
      }
      if (interrupted) cancel.Cancel();
      lock.lock();
    }
    lock.unlock();
    worker.join();
  }
  if (interrupted) throw nb::python_error();
  return std::move(*result);
}

template <typename T, typename Work>
T Get(const Work& work) {
  Result<T> result = Wait<T>(work);
  if (!result.ok()) Raise(result.error());
  return std::move(result).value();
}

template <typename Work>
void Do(const Work& work) {
  const Status status = Wait<void>(work);
  if (!status.ok()) Raise(status.error());
}

// For quick calls that must not start a thread each; the caller may be any thread.
template <typename Work>
void DoHere(const Work& work) {
  Status status;
  {
    const nb::gil_scoped_release released;
    status = work(OpContext());
  }
  if (!status.ok()) Raise(status.error());
}

ByteView View(uintptr_t address, uint64_t bytes) {
  return {reinterpret_cast<const std::byte*>(address), bytes};
}

nb::dict EntryDict(const format::VersionEntry& entry) {
  nb::dict dict;
  dict["version"] = entry.version;
  dict["commit_id"] = entry.commit_id.Hex();
  dict["time_ms"] = entry.time_ms;
  dict["step"] = entry.has_step ? nb::object(nb::int_(entry.step)) : nb::object(nb::none());
  dict["logical_bytes"] = entry.logical_bytes;
  dict["stored_bytes"] = entry.stored_bytes;
  dict["metrics"] = nb::cast(entry.metrics);
  dict["message"] = entry.message;
  return dict;
}

nb::dict InfoDict(const lake::VersionInfo& info) {
  nb::dict dict = EntryDict(info.entry);
  dict["aliases"] = nb::cast(info.aliases);
  dict["tags"] = nb::cast(info.tags);
  dict["forgotten"] = info.forgotten.has_value() ? nb::object(nb::cast(info.forgotten->reason))
                                                 : nb::object(nb::none());
  return dict;
}

nb::dict ReportDict(const lake::SaveReport& report) {
  nb::dict dict;
  dict["version"] = report.version;
  dict["commit_id"] = report.commit_id.Hex();
  dict["logical_bytes"] = report.logical_bytes;
  dict["stored_bytes"] = report.stored_bytes;
  dict["shared_bytes"] = report.shared_bytes;
  dict["objects_written"] = report.objects_written;
  dict["staged_s"] = report.staged_s;
  dict["durable_s"] = report.durable_s;
  dict["committed_s"] = report.committed_s;
  return dict;
}

lake::SaveOptions OptionsFrom(const nb::dict& dict) {
  lake::SaveOptions options;
  options.artifact_type = nb::cast<std::string>(dict["type"]);
  options.step = nb::cast<std::optional<int64_t>>(dict["step"]);
  options.message = nb::cast<std::string>(dict["message"]);
  options.metadata_json = nb::cast<std::string>(dict["metadata_json"]);
  options.metrics = nb::cast<std::map<std::string, double>>(dict["metrics"]);
  options.parents = nb::cast<std::vector<std::string>>(dict["parents"]);
  options.aliases = nb::cast<std::vector<std::string>>(dict["aliases"]);
  options.tree_json = nb::cast<std::string>(dict["tree_json"]);
  options.background = nb::cast<bool>(dict["background"]);
  options.memory_bytes = nb::cast<uint64_t>(dict["memory_bytes"]);
  return options;
}

nb::list ItemsList(const std::vector<lake::DiffReport::Item>& items) {
  nb::list list;
  for (const auto& item : items)
    list.append(nb::make_tuple(item.path, item.raw_bytes, item.shared_bytes));
  return list;
}

struct PyVersion {
  std::unique_ptr<lake::OpenVersion> version;
};
struct PySave {
  std::unique_ptr<lake::SaveSession> session;
};
struct PyLake {
  std::unique_ptr<lake::Lake> lake;
};

}  // namespace

NB_MODULE(_core, m) {
  m.def("error_table", [] {
    nb::list rows;
#define VARVE_PY_ROW(code, number, name, exit_code, http, retry, python, advice) \
  rows.append(nb::make_tuple(number, name, exit_code, http, retry, python, advice));
    VARVE_ERROR_TABLE(VARVE_PY_ROW)
#undef VARVE_PY_ROW
    return rows;
  });
  m.def("version", [] { return VARVE_VERSION; });
  m.def("init", [](const std::string& location) {
    Do([&](const OpContext& ctx) -> Status {
      VARVE_TRY(const auto store, cli::OpenStore(location));
      return lake::Lake::Init(ctx, *store);
    });
  });
  m.def("open", [](const std::string& location, uint32_t cpu_threads, uint64_t memory_bytes,
                   bool compress) {
    lake::LakeOptions options;
    options.cpu_threads = cpu_threads;
    options.memory_bytes = memory_bytes;
    options.compress = compress;
    return std::make_unique<PyLake>(PyLake{Get<std::unique_ptr<lake::Lake>>(
        [&](const OpContext& ctx) -> Result<std::unique_ptr<lake::Lake>> {
          VARVE_TRY(auto store, cli::OpenStore(location));
          return lake::Lake::Open(ctx, std::move(store), options);
        })});
  });

  nb::class_<PySave>(m, "SaveSession")
      .def("add_tensor",
           [](PySave& self, const std::string& name, const std::string& dtype,
              const std::vector<uint64_t>& shape, uintptr_t address, uint64_t bytes, bool copy) {
             const auto known = codec::DTypeFromName(dtype);
             if (!known.has_value())
               Raise(Error(ErrorCode::kUnsupported, "no dtype '" + dtype + "'"));
             DoHere([&](const OpContext& ctx) {
               return self.session->AddTensor(
                   ctx, name, *known, shape, View(address, bytes),
                   copy ? lake::SaveSession::Hold::kCopy : lake::SaveSession::Hold::kBorrow);
             });
           })
      .def("add_alias",
           [](PySave& self, const std::string& name, const std::string& existing) {
             DoHere([&](const OpContext&) { return self.session->AddTensorAlias(name, existing); });
           })
      .def("commit",
           [](PySave& self) {
             return ReportDict(Get<lake::SaveReport>(
                 [&](const OpContext& ctx) { return self.session->Commit(ctx); }));
           })
      // For a thread of Python's own, which signals do not reach.
      .def("commit_here", [](PySave& self) {
        std::optional<Result<lake::SaveReport>> report;
        {
          const nb::gil_scoped_release released;
          report.emplace(self.session->Commit(OpContext()));
        }
        if (!report->ok()) Raise(report->error());
        return ReportDict(**report);
      });

  nb::class_<PyVersion>(m, "OpenVersion")
      .def("info",
           [](PyVersion& self) {
             nb::dict dict = EntryDict(self.version->entry());
             dict["name"] = self.version->name();
             const auto& header = self.version->commit().header;
             dict["type"] = header.artifact_type;
             dict["tree_json"] = header.tree_json;
             dict["metadata_json"] = header.metadata_json;
             dict["message"] = header.message;
             dict["metrics"] = nb::cast(header.metrics);
             nb::list parents;
             for (const auto& parent : header.parents) parents.append(parent.Hex());
             dict["parents"] = parents;
             return dict;
           })
      .def("tensors",
           [](PyVersion& self) {
             nb::list rows;
             for (const auto& row : self.version->commit().tensors) {
               rows.append(nb::make_tuple(row.name, std::string(codec::DTypeName(row.dtype)),
                                          nb::cast(row.shape), row.raw_bytes, row.digest.Hex()));
             }
             return rows;
           })
      .def("files",
           [](PyVersion& self) {
             nb::list rows;
             for (const auto& row : self.version->commit().files) {
               rows.append(
                   nb::make_tuple(row.path, row.raw_bytes, row.executable, row.digest.Hex()));
             }
             return rows;
           })
      .def("read_tensors",
           [](PyVersion& self, const std::vector<std::tuple<size_t, uintptr_t, uint64_t>>& wanted) {
             std::vector<lake::OpenVersion::TensorRead> reads;
             for (const auto& [index, address, bytes] : wanted) {
               reads.push_back({index, {reinterpret_cast<std::byte*>(address), bytes}});
             }
             Do([&](const OpContext& ctx) { return self.version->ReadTensors(ctx, reads); });
           });

  nb::class_<PyLake>(m, "Lake")
      .def("lake_id", [](PyLake& self) { return self.lake->lake_id(); })
      .def("describe", [](PyLake& self) { return self.lake->Describe(); })
      .def(
          "begin_save",
          [](PyLake& self, const std::string& name, const nb::dict& options) {
            const lake::SaveOptions made = OptionsFrom(options);
            return std::make_unique<PySave>(PySave{Get<std::unique_ptr<lake::SaveSession>>(
                [&](const OpContext& ctx) { return self.lake->BeginSave(ctx, name, made); })});
          },
          nb::keep_alive<0, 1>())
      .def(
          "open_at",
          [](PyLake& self, const std::string& address) {
            return std::make_unique<PyVersion>(PyVersion{Get<std::unique_ptr<lake::OpenVersion>>(
                [&](const OpContext& ctx) { return self.lake->OpenAt(ctx, address); })});
          },
          nb::keep_alive<0, 1>())
      .def("put",
           [](PyLake& self, const std::string& name, const std::string& path,
              const nb::dict& options) {
             const lake::SaveOptions made = OptionsFrom(options);
             return ReportDict(Get<lake::SaveReport>(
                 [&](const OpContext& ctx) { return self.lake->PutPath(ctx, name, path, made); }));
           })
      .def(
          "get",
          [](PyLake& self, const std::string& address, const std::string& destination) {
            Do([&](const OpContext& ctx) { return self.lake->GetPath(ctx, address, destination); });
          })
      .def("artifacts",
           [](PyLake& self) {
             nb::list rows;
             for (const auto& info : Get<std::vector<lake::ArtifactInfo>>(
                      [&](const OpContext& ctx) { return self.lake->ListArtifacts(ctx); })) {
               nb::dict dict;
               dict["name"] = info.name;
               dict["type"] = info.artifact_type;
               dict["versions"] = info.versions;
               dict["last_version"] = info.last_version;
               dict["time_ms"] = info.time_ms;
               dict["logical_bytes"] = info.logical_bytes;
               rows.append(dict);
             }
             return rows;
           })
      .def("history",
           [](PyLake& self, const std::string& name, size_t limit) {
             nb::list rows;
             for (const auto& info : Get<std::vector<lake::VersionInfo>>(
                      [&](const OpContext& ctx) { return self.lake->History(ctx, name, limit); })) {
               rows.append(InfoDict(info));
             }
             return rows;
           })
      .def("describe_version",
           [](PyLake& self, const std::string& address) {
             return InfoDict(Get<lake::VersionInfo>(
                 [&](const OpContext& ctx) { return self.lake->Describe(ctx, address); }));
           })
      .def(
          "set_alias",
          [](PyLake& self, const std::string& name, const std::string& alias,
             const std::string& target) {
            Do([&](const OpContext& ctx) { return self.lake->SetAlias(ctx, name, alias, target); });
          })
      .def("remove_alias",
           [](PyLake& self, const std::string& name, const std::string& alias) {
             Do([&](const OpContext& ctx) { return self.lake->RemoveAlias(ctx, name, alias); });
           })
      .def("set_tag",
           [](PyLake& self, const std::string& name, const std::string& tag,
              const std::string& target) {
             Do([&](const OpContext& ctx) { return self.lake->SetTag(ctx, name, tag, target); });
           })
      .def("forget",
           [](PyLake& self, const std::string& address, const std::string& reason) {
             Do([&](const OpContext& ctx) { return self.lake->Forget(ctx, address, reason); });
           })
      .def("diff",
           [](PyLake& self, const std::string& left, const std::string& right) {
             const auto report = Get<lake::DiffReport>(
                 [&](const OpContext& ctx) { return self.lake->Diff(ctx, left, right); });
             nb::dict dict;
             dict["added"] = ItemsList(report.added);
             dict["removed"] = ItemsList(report.removed);
             dict["changed"] = ItemsList(report.changed);
             dict["equal"] = ItemsList(report.equal);
             dict["bytes_shared"] = report.bytes_shared;
             dict["bytes_only_left"] = report.bytes_only_left;
             dict["bytes_only_right"] = report.bytes_only_right;
             return dict;
           })
      .def("verify",
           [](PyLake& self, const std::string& address) {
             const auto report = Get<lake::VerifyReport>(
                 [&](const OpContext& ctx) { return self.lake->Verify(ctx, address); });
             nb::dict dict;
             dict["items"] = report.items;
             dict["chunks"] = report.chunks;
             dict["raw_bytes"] = report.raw_bytes;
             nb::list damage;
             for (const auto& row : report.damage)
               damage.append(nb::make_tuple(row.item, row.chunk, row.pack_key, row.what));
             dict["damage"] = damage;
             return dict;
           })
      .def("copy_from",
           [](PyLake& self, PyLake& source, const std::string& address) {
             const auto report = Get<lake::Lake::CopyReport>([&](const OpContext& ctx) {
               return self.lake->CopyFrom(ctx, *source.lake, address);
             });
             return nb::make_tuple(report.versions_copied, report.versions_skipped,
                                   report.bytes_sent);
           })
      .def("close", [](PyLake& self) {
        const nb::gil_scoped_release released;
        self.lake->Close();
      });
}
