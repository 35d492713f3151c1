// lake::OpenVersion for Python.
#include "glue.h"

namespace varve::python {

void BindVersion(nb::module_& m) {
  nb::class_<PyVersion>(m, "OpenVersion")
      .def("info",
           [](PyVersion& self) {
             const lake::OpenVersion& version = self.version.Use();
             nb::dict dict = EntryDict(version.entry());
             dict["name"] = version.name();
             const auto& header = version.commit().header;
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
             for (const auto& row : self.version.Use().commit().tensors) {
               rows.append(nb::make_tuple(row.name, std::string(codec::DTypeName(row.dtype)),
                                          nb::cast(row.shape), row.raw_bytes, row.digest.Hex()));
             }
             return rows;
           })
      .def("files",
           [](PyVersion& self) {
             nb::list rows;
             for (const auto& row : self.version.Use().commit().files) {
               rows.append(
                   nb::make_tuple(row.path, row.raw_bytes, row.executable, row.digest.Hex()));
             }
             return rows;
           })
      // Each wanted: index, address, bytes. The caller holds the memory.
      .def("read_tensors",
           [](PyVersion& self, const std::vector<std::tuple<size_t, uintptr_t, uint64_t>>& wanted) {
             std::vector<lake::OpenVersion::TensorRead> reads;
             reads.reserve(wanted.size());
             for (const auto& [index, address, bytes] : wanted) {
               reads.push_back({index, {reinterpret_cast<std::byte*>(address), bytes}});
             }
             lake::OpenVersion& version = self.version.Use();
             Do([&](const OpContext& ctx) { return version.ReadTensors(ctx, reads); });
           });
}

}  // namespace varve::python
