// lake::Lake for Python.
#include "glue.h"
#include "varve/cli/open_store.h"

namespace varve::python {
namespace {

nb::dict InfoDict(const lake::VersionInfo& info) {
  nb::dict dict = EntryDict(info.entry);
  dict["aliases"] = nb::cast(info.aliases);
  dict["tags"] = nb::cast(info.tags);
  dict["forgotten"] = info.forgotten.has_value() ? nb::object(nb::cast(info.forgotten->reason))
                                                 : nb::object(nb::none());
  dict["let_go"] = nb::cast(info.let_go);
  dict["verified_ms"] = info.verified_ms.has_value() ? nb::object(nb::int_(*info.verified_ms))
                                                     : nb::object(nb::none());
  dict["tombstone"] = nb::none();
  if (info.forgotten.has_value()) {
    nb::dict tombstone;
    tombstone["time_ms"] = info.forgotten->time_ms;
    tombstone["by"] = info.forgotten->by;
    tombstone["policy"] = info.forgotten->policy;
    tombstone["reason"] = info.forgotten->reason;
    tombstone["until_ms"] = info.forgotten->until_ms;
    dict["tombstone"] = tombstone;
  }
  return dict;
}

nb::list ItemsList(const std::vector<lake::DiffReport::Item>& items) {
  nb::list list;
  for (const auto& item : items)
    list.append(nb::make_tuple(item.path, item.raw_bytes, item.shared_bytes));
  return list;
}

PyLake OpenLake(const std::string& location, uint32_t cpu_threads, uint64_t memory_bytes,
                bool compress, bool single_writer) {
  lake::LakeOptions options;
  options.cpu_threads = cpu_threads;
  options.memory_bytes = memory_bytes;
  options.compress = compress;
  options.single_writer = single_writer;
  return {Handle(Get<std::unique_ptr<lake::Lake>>(
      [&](const OpContext& ctx) -> Result<std::unique_ptr<lake::Lake>> {
        VARVE_TRY(auto store, cli::OpenStore(location));
        return lake::Lake::Open(ctx, std::move(store), options);
      }))};
}

nb::list Artifacts(PyLake& self) {
  lake::Lake& lake = self.lake.Use();
  nb::list rows;
  for (const auto& info : Get<std::vector<lake::ArtifactInfo>>(
           [&](const OpContext& ctx) { return lake.ListArtifacts(ctx); })) {
    nb::dict dict;
    dict["name"] = info.name;
    dict["type"] = info.artifact_type;
    dict["versions"] = info.versions;
    dict["last_version"] = info.last_version;
    dict["time_ms"] = info.time_ms;
    dict["logical_bytes"] = info.logical_bytes;
    dict["aliases"] = nb::cast(info.aliases);
    dict["tags"] = nb::cast(info.tags);
    rows.append(dict);
  }
  return rows;
}

nb::dict Diff(PyLake& self, const std::string& left, const std::string& right) {
  lake::Lake& lake = self.lake.Use();
  const auto report =
      Get<lake::DiffReport>([&](const OpContext& ctx) { return lake.Diff(ctx, left, right); });
  nb::dict dict;
  dict["added"] = ItemsList(report.added);
  dict["removed"] = ItemsList(report.removed);
  dict["changed"] = ItemsList(report.changed);
  dict["equal"] = ItemsList(report.equal);
  dict["bytes_shared"] = report.bytes_shared;
  dict["bytes_only_left"] = report.bytes_only_left;
  dict["bytes_only_right"] = report.bytes_only_right;
  return dict;
}

nb::dict Verify(PyLake& self, const std::string& address) {
  lake::Lake& lake = self.lake.Use();
  const auto report =
      Get<lake::VerifyReport>([&](const OpContext& ctx) { return lake.Verify(ctx, address); });
  nb::dict dict;
  dict["items"] = report.items;
  dict["chunks"] = report.chunks;
  dict["raw_bytes"] = report.raw_bytes;
  dict["read_bytes"] = report.read_bytes;
  dict["recorded"] = report.recorded;
  nb::list damage;
  for (const auto& row : report.damage) {
    damage.append(nb::make_tuple(row.item, row.chunk, row.pack_key, row.what));
  }
  dict["damage"] = damage;
  return dict;
}

nb::dict Fsck(PyLake& self, bool deep, uint64_t budget_bytes, const std::string& cursor,
              bool repair) {
  lake::Lake& lake = self.lake.Use();
  lake::FsckOptions options;
  options.deep = deep;
  options.budget_bytes = budget_bytes;
  options.cursor = cursor;
  const auto report = Get<lake::FsckReport>([&](const OpContext& ctx) {
    return repair ? lake.Repair(ctx, options, nullptr) : lake.Fsck(ctx, options);
  });
  nb::list findings;
  for (const lake::FsckFinding& row : report.findings) {
    const plan::DamageRule& rule = plan::RuleOf(row.kind);
    findings.append(nb::make_tuple(std::string(rule.name), std::string(plan::HarmName(rule.harm)),
                                   row.object, row.detail, row.affected, row.repaired, row.repair));
  }
  nb::dict dict;
  dict["versions"] = report.versions;
  dict["packs"] = report.packs;
  dict["packs_checked"] = report.packs_checked;
  dict["read_bytes"] = report.read_bytes;
  dict["cursor"] = report.cursor;
  dict["findings"] = findings;
  return dict;
}

}  // namespace

void BindLake(nb::module_& m) {
  m.def("init", [](const std::string& location, bool single_writer) {
    Do([&](const OpContext& ctx) -> Status {
      VARVE_TRY(const auto store, cli::OpenStore(location));
      return lake::Lake::Init(ctx, *store, single_writer);
    });
  });
  m.def("open", &OpenLake);

  nb::class_<PyHurry>(m, "Hurry").def("close", [](PyHurry& self) { self.hurry.Drop(); });

  nb::class_<PyLake>(m, "Lake")
      .def("lake_id", [](PyLake& self) { return self.lake.Use().lake_id(); })
      .def("describe", [](PyLake& self) { return self.lake.Use().Describe(); })
      .def(
          "begin_save",
          [](PyLake& self, const std::string& name, const nb::dict& options) {
            lake::Lake& lake = self.lake.Use();
            const lake::SaveOptions made = OptionsFrom(options);
            const CancelToken cancel;
            auto session = Get<std::unique_ptr<lake::SaveSession>>(
                [&](const OpContext& ctx) { return lake.BeginSave(ctx, name, made); }, cancel);
            return PySave{cancel, Handle(std::move(session))};
          },
          nb::keep_alive<0, 1>())
      .def("join_parts",
           [](PyLake& self, const std::string& name, const std::vector<std::string>& tokens) {
             lake::Lake& lake = self.lake.Use();
             return ReportDict(Get<lake::SaveReport>(
                 [&](const OpContext& ctx) { return lake.JoinParts(ctx, name, tokens); }));
           })
      .def(
          "open_at",
          [](PyLake& self, const std::string& address) {
            lake::Lake& lake = self.lake.Use();
            return PyVersion{Handle(Get<std::unique_ptr<lake::OpenVersion>>(
                [&](const OpContext& ctx) { return lake.OpenAt(ctx, address); }))};
          },
          nb::keep_alive<0, 1>())
      .def("warm", [](PyLake& self, uint64_t bytes) { self.lake.Use().Warm(bytes); })
      .def("put",
           [](PyLake& self, const std::string& name, const std::string& path,
              const nb::dict& options) {
             lake::Lake& lake = self.lake.Use();
             const lake::SaveOptions made = OptionsFrom(options);
             return ReportDict(Get<lake::SaveReport>(
                 [&](const OpContext& ctx) { return lake.PutPath(ctx, name, path, made); }));
           })
      .def("get",
           [](PyLake& self, const std::string& address, const std::string& destination) {
             lake::Lake& lake = self.lake.Use();
             Do([&](const OpContext& ctx) { return lake.GetPath(ctx, address, destination); });
           })
      .def("artifacts", &Artifacts)
      .def("history",
           [](PyLake& self, const std::string& name, size_t limit) {
             lake::Lake& lake = self.lake.Use();
             nb::list rows;
             for (const auto& info : Get<std::vector<lake::VersionInfo>>(
                      [&](const OpContext& ctx) { return lake.History(ctx, name, limit); })) {
               rows.append(InfoDict(info));
             }
             return rows;
           })
      .def("describe_version",
           [](PyLake& self, const std::string& address) {
             lake::Lake& lake = self.lake.Use();
             return InfoDict(Get<lake::VersionInfo>(
                 [&](const OpContext& ctx) { return lake.Describe(ctx, address); }));
           })
      .def("set_alias",
           [](PyLake& self, const std::string& name, const std::string& alias,
              const std::string& target) {
             lake::Lake& lake = self.lake.Use();
             Do([&](const OpContext& ctx) { return lake.SetAlias(ctx, name, alias, target); });
           })
      .def("remove_alias",
           [](PyLake& self, const std::string& name, const std::string& alias) {
             lake::Lake& lake = self.lake.Use();
             Do([&](const OpContext& ctx) { return lake.RemoveAlias(ctx, name, alias); });
           })
      .def("set_tag",
           [](PyLake& self, const std::string& name, const std::string& tag,
              const std::string& target) {
             lake::Lake& lake = self.lake.Use();
             Do([&](const OpContext& ctx) { return lake.SetTag(ctx, name, tag, target); });
           })
      .def("diff", &Diff)
      .def("verify", &Verify)
      .def("fsck", &Fsck)
      .def("copy_from",
           [](PyLake& self, PyLake& source, const std::string& address) {
             lake::Lake& lake = self.lake.Use();
             lake::Lake& from = source.lake.Use();
             const auto report = Get<lake::Lake::CopyReport>(
                 [&](const OpContext& ctx) { return lake.CopyFrom(ctx, from, address); });
             return nb::make_tuple(report.versions_copied, report.versions_skipped,
                                   report.bytes_sent, report.labels_set);
           })
      .def(
          "hurry_saves",
          [](PyLake& self) {
            lake::Lake& lake = self.lake.Use();
            std::unique_ptr<ThreadPool::Hurry> hurry;
            {
              const nb::gil_scoped_release released;
              hurry = lake.HurrySaves();
            }
            return PyHurry{Handle(std::move(hurry))};
          },
          nb::keep_alive<0, 1>())
      .def("close", [](PyLake& self) {
        lake::Lake& lake = self.lake.Use();
        const nb::gil_scoped_release released;
        lake.Close();
      });
}

}  // namespace varve::python
