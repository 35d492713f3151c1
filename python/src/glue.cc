#include "glue.h"

#include <chrono>
#include <condition_variable>
#include <exception>
#include <mutex>
#include <new>
#include <thread>

namespace varve::python {

void Raise(const Error& error) {
  const nb::object type =
      nb::module_::import_("varve.errors").attr(std::string(PythonClass(error.code())).c_str());
  const nb::object exception = type(error.ToString());
  exception.attr("kind") = std::string(ErrorName(error.code()));
  exception.attr("retryable") = Retryable(error.code());
  exception.attr("request_id") = error.request_id();
  PyErr_SetObject(type.ptr(), exception.ptr());
  throw nb::python_error();
}

Error CaughtError() {
  try {
    throw;
  } catch (const std::bad_alloc&) {
    return Error(ErrorCode::kResourceExhausted, "memory is used up");
  } catch (const std::exception& caught) {
    return Error(ErrorCode::kInternal, std::string("unexpected: ") + caught.what());
  } catch (...) {
    return Error(ErrorCode::kInternal, "unexpected exception");
  }
}

void RunWatched(const CancelToken& cancel, const std::function<void(const OpContext&)>& work) {
  CancelToken stop = cancel;
  const OpContext ctx(SystemClock(), OsRandom(), stop);
  bool interrupted = false;
  {
    const nb::gil_scoped_release released;
    std::mutex mutex;
    std::condition_variable finished;
    bool done = false;
    std::thread worker([&] {
      work(ctx);
      const std::lock_guard lock(mutex);
      done = true;
      finished.notify_all();
    });
    std::unique_lock lock(mutex);
    while (!finished.wait_for(lock, std::chrono::milliseconds(100), [&] { return done; })) {
      if (interrupted) continue;
      lock.unlock();
      {
        const nb::gil_scoped_acquire acquired;
        interrupted = PyErr_CheckSignals() != 0;
      }
      if (interrupted) stop.Cancel();
      lock.lock();
    }
    lock.unlock();
    worker.join();
  }
  if (interrupted) throw nb::python_error();
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
  using Place = std::tuple<std::string, uint32_t, uint32_t>;
  if (const auto place = nb::cast<std::optional<Place>>(dict["place"]); place.has_value()) {
    options.place = lake::RankPlace{std::get<0>(*place), std::get<1>(*place), std::get<2>(*place)};
  }
  return options;
}

}  // namespace varve::python

NB_MODULE(_core, m) {
  namespace nb = nanobind;
  m.def("error_table", [] {
    nb::list rows;
#define VARVE_PY_ROW(code, number, name, exit_code, http, retry, python, advice) \
  rows.append(nb::make_tuple(number, name, exit_code, http, retry, python, advice));
    VARVE_ERROR_TABLE(VARVE_PY_ROW)
#undef VARVE_PY_ROW
    return rows;
  });
  m.def("dtype_names", [] {
    nb::list names;
#define VARVE_PY_DTYPE(code, number, name, bits) names.append(nb::make_tuple(name, bits / 8));
    VARVE_DTYPE_TABLE(VARVE_PY_DTYPE)
#undef VARVE_PY_DTYPE
    return names;
  });
  m.def("version", [] { return VARVE_VERSION; });
  varve::python::BindSave(m);
  varve::python::BindVersion(m);
  varve::python::BindLake(m);
  varve::python::BindRetention(m);
}
