// lake::SaveSession for Python. The addresses it is given stay valid as lake.h asks: the caller
// holds their owners until commit, or asks for a copy.
#include "glue.h"

namespace varve::python {
namespace {

// First row, and rows of the whole tensor.
using SlabTuple = std::tuple<uint64_t, uint64_t>;
// name, dtype, shape, address, bytes, copy, and what makes it a slab.
using TensorTuple = std::tuple<std::string, std::string, std::vector<uint64_t>, uintptr_t, uint64_t,
                               bool, std::optional<SlabTuple>>;

struct Tensor {
  std::string name;
  codec::DType dtype;
  std::vector<uint64_t> shape;
  ByteView data;
  lake::SaveSession::Hold hold;
  std::optional<SlabTuple> slab;
};

Status AddOne(const OpContext& ctx, lake::SaveSession& session, Tensor& tensor) {
  if (!tensor.slab.has_value()) {
    return session.AddTensor(ctx, std::move(tensor.name), tensor.dtype, std::move(tensor.shape),
                             tensor.data, tensor.hold);
  }
  lake::SlabPlace place{std::move(tensor.shape), std::get<0>(*tensor.slab), 0};
  if (!place.global_shape.empty()) {
    place.rows = std::exchange(place.global_shape[0], std::get<1>(*tensor.slab));
  }
  return session.AddTensorSlab(ctx, std::move(tensor.name), tensor.dtype, std::move(place),
                               tensor.data, tensor.hold);
}

void AddTensors(PySave& self, std::vector<TensorTuple> tuples) {
  std::vector<Tensor> tensors;
  tensors.reserve(tuples.size());
  for (auto& [name, dtype, shape, address, bytes, copy, slab] : tuples) {
    const auto known = codec::DTypeFromName(dtype);
    if (!known.has_value()) Raise(Error(ErrorCode::kUnsupported, "no dtype '" + dtype + "'"));
    tensors.push_back({std::move(name),
                       *known,
                       std::move(shape),
                       {reinterpret_cast<const std::byte*>(address), bytes},
                       copy ? lake::SaveSession::Hold::kCopy : lake::SaveSession::Hold::kBorrow,
                       slab});
  }
  lake::SaveSession& session = self.session.Use();
  Do(
      [&](const OpContext& ctx) -> Status {
        for (Tensor& tensor : tensors) VARVE_CHECK_OK(AddOne(ctx, session, tensor));
        return OkStatus();
      },
      self.cancel);
}

}  // namespace

void BindSave(nb::module_& m) {
  nb::class_<PySave>(m, "SaveSession")
      .def("add_tensors", &AddTensors)
      .def("add_alias",
           [](PySave& self, std::string name, const std::string& existing) {
             const Status status = self.session.Use().AddTensorAlias(std::move(name), existing);
             if (!status.ok()) Raise(status.error());
           })
      .def("commit",
           [](PySave& self) {
             lake::SaveSession& session = self.session.Use();
             return ReportDict(Get<lake::SaveReport>(
                 [&](const OpContext& ctx) { return session.Commit(ctx); }, self.cancel));
           })
      .def("finish_part",
           [](PySave& self) {
             lake::SaveSession& session = self.session.Use();
             const auto part = Get<lake::PartReport>(
                 [&](const OpContext& ctx) { return session.FinishPart(ctx); }, self.cancel);
             nb::dict dict;
             dict["token"] = part.token;
             dict["logical_bytes"] = part.logical_bytes;
             dict["stored_bytes"] = part.stored_bytes;
             dict["shared_bytes"] = part.shared_bytes;
             dict["objects_written"] = part.objects_written;
             dict["staged_s"] = part.staged_s;
             dict["durable_s"] = part.durable_s;
             return dict;
           })
      // For a thread of its own, which signals do not reach.
      .def("commit_here",
           [](PySave& self) {
             lake::SaveSession& session = self.session.Use();
             std::optional<Result<lake::SaveReport>> report;
             {
               const nb::gil_scoped_release released;
               report.emplace(Guard<lake::SaveReport>(
                   [&](const OpContext& ctx) { return session.Commit(ctx); },
                   OpContext(SystemClock(), OsRandom(), self.cancel)));
             }
             if (!report->ok()) Raise(report->error());
             return ReportDict(**report);
           })
      // Gives up what was not committed, and the memory. Idempotent.
      .def("close", [](PySave& self) {
        self.cancel.Cancel();
        self.session.Drop();
      });
}

}  // namespace varve::python
