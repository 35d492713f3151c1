// s3_files put FOLDER s3://bucket/prefix | get s3://bucket/prefix FOLDER
//
// Moves plain files with the transfer layer alone, as s5cmd and rclone do: what bench/s3/run.py
// measures. Prints one JSON object: bytes, files, seconds and the memory budget's peak.
// Options: --connections N, --part-mib N, --memory-mib N, --resume FOLDER (where an upload that was
// interrupted is taken up again).
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <string>

#include "varve/base/clock.h"
#include "varve/plan/pacing.h"
#include "varve/store/retry/retry_store.h"
#include "varve/store/s3/s3_store.h"
#include "varve/transfer/files.h"

namespace {

using namespace varve;

struct Settings {
  std::string verb, from, to;
  transfer::EngineOptions engine{.connections = 0, .target_gbps = 0, .memory_bytes = 256 * kMiB};
  transfer::FileOptions files;
};

int Fail(const Error& error) {
  std::fprintf(stderr, "%s\n", error.ToString().c_str());
  return ExitCode(error.code());
}

Status Put(const OpContext& ctx, transfer::Engine& engine, const Settings& settings) {
  std::vector<transfer::FileUpload> files;
  for (const auto& entry : std::filesystem::directory_iterator(settings.from)) {
    files.push_back({entry.path().string(), store::Key(entry.path().filename().string())});
  }
  return transfer::UploadFiles(ctx, engine, files, settings.files);
}

Status Get(const OpContext& ctx, transfer::Engine& engine, const Settings& settings) {
  VARVE_TRY(const auto objects, store::ListAll(ctx, engine.store(), ""));
  std::vector<transfer::FileDownload> files;
  for (const store::ListedObject& object : objects) {
    files.push_back({object.key, settings.to + "/" + object.key.str(), object.bytes});
  }
  return transfer::DownloadFiles(ctx, engine, files, settings.files);
}

}  // namespace

int main(int argc, char** argv) {
  Settings settings;
  int at = 1;
  for (; at + 1 < argc && std::strncmp(argv[at], "--", 2) == 0; at += 2) {
    const auto number = static_cast<uint64_t>(std::atoll(argv[at + 1]));
    if (std::strcmp(argv[at], "--connections") == 0)
      settings.engine.connections = static_cast<uint32_t>(number);
    if (std::strcmp(argv[at], "--part-mib") == 0) settings.files.part_bytes = number * kMiB;
    if (std::strcmp(argv[at], "--resume") == 0) settings.files.resume_folder = argv[at + 1];
    if (std::strcmp(argv[at], "--memory-mib") == 0) settings.engine.memory_bytes = number * kMiB;
  }
  if (argc - at != 3) {
    std::fprintf(stderr, "usage: s3_files put FOLDER s3://bucket/prefix | get s3://... FOLDER\n");
    return 2;
  }
  settings.verb = argv[at];
  settings.from = argv[at + 1];
  settings.to = argv[at + 2];
  const bool put = settings.verb == "put";
  auto opened = store::S3Store::Open(put ? settings.to : settings.from);
  if (!opened.ok()) return Fail(opened.error());
  auto connections = transfer::Connections(settings.engine);
  if (!connections.ok()) return Fail(connections.error());
  settings.engine.connections_max =
      settings.engine.connections == 0 ? plan::kConnectionsMax : settings.engine.connections;
  settings.engine.connections = *connections;
  const OpContext ctx;
  uint64_t files = 0, bytes = 0;
  settings.files.on_progress = [&](const transfer::FileProgress& progress) {
    files = progress.files_done;
    bytes = progress.bytes_done;
  };
  const int64_t begun_ns = ctx.clock().SteadyNs();
  transfer::Engine engine(std::make_shared<store::RetryStore>(std::move(opened).value()),
                          settings.engine);
  const Status moved = put ? Put(ctx, engine, settings) : Get(ctx, engine, settings);
  if (!moved.ok()) return Fail(moved.error());
  engine.Stop(transfer::Engine::StopHow::kDrain);
  const double seconds = static_cast<double>(ctx.clock().SteadyNs() - begun_ns) / 1e9;
  std::printf("{\"files\": %llu, \"bytes\": %llu, \"seconds\": %.3f, \"ticket_mib\": %llu}\n",
              static_cast<unsigned long long>(files), static_cast<unsigned long long>(bytes),
              seconds, static_cast<unsigned long long>(engine.memory().peak_bytes() / kMiB));
  return 0;
}
