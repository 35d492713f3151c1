#include "varve/lake/tensor_files.h"

#include <fcntl.h>
#include <fnmatch.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <set>
#include <utility>

#include "varve/base/errno.h"
#include "varve/format/names.h"
#include "varve/format/safetensors.h"
#include "varve/format/state_tree.h"
#include "varve/lake/local_files.h"
#include "varve/plan/nearest.h"
#include "varve/transfer/disk_file.h"

namespace varve::lake {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;

constexpr const char* kMetadataField = "safetensors";

// A freshly made file, mapped into memory to be written.
class Mapping {
 public:
  // The blocks are reserved here, so that a full disk is an error and not a signal.
  static Result<Mapping> ForWrite(const std::string& path, uint64_t bytes) {
    Mapping mapping(path);
    mapping.fd_ = ::open(path.c_str(), O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0666);
    if (mapping.fd_ < 0) return ErrnoError(errno, "create", path);
    int failure = EINTR;
    while (failure == EINTR) {
      failure = ::posix_fallocate(mapping.fd_, 0, static_cast<off_t>(bytes));
    }
    if (failure != 0) return ErrnoError(failure, "reserve room for", path);
    VARVE_CHECK_OK(mapping.Map(bytes, PROT_READ | PROT_WRITE));
    return mapping;
  }

  Mapping(Mapping&& other) noexcept
      : path_(std::move(other.path_)),
        fd_(std::exchange(other.fd_, -1)),
        data_(std::exchange(other.data_, nullptr)),
        bytes_(std::exchange(other.bytes_, 0)) {}
  Mapping& operator=(Mapping&&) = delete;
  ~Mapping() {
    if (data_ != nullptr) ::munmap(data_, bytes_);
    if (fd_ >= 0) ::close(fd_);
  }

  const std::string& path() const { return path_; }
  MutableByteView view() const { return {static_cast<std::byte*>(data_), bytes_}; }

  Status Sync() const {
    if (bytes_ != 0 && ::msync(data_, bytes_, MS_SYNC) != 0)
      return ErrnoError(errno, "write", path_);
    return ::fsync(fd_) == 0 ? OkStatus() : ErrnoError(errno, "write", path_);
  }

 private:
  explicit Mapping(std::string path) : path_(std::move(path)) {}

  Status Map(size_t bytes, int protection) {
    if (bytes == 0) return OkStatus();  // An empty file has no mapping, and no header either.
    void* data = ::mmap(nullptr, bytes, protection, MAP_SHARED, fd_, 0);
    if (data == MAP_FAILED) return ErrnoError(errno, "map", path_);
    data_ = data;
    bytes_ = bytes;
    return OkStatus();
  }

  std::string path_;
  int fd_ = -1;
  void* data_ = nullptr;
  size_t bytes_ = 0;
};

struct Source {
  transfer::DiskFile file;
  std::string path;
  format::Safetensors content;
};

// The length, and so many bytes after it as it says and the format allows.
Result<Bytes> ReadHeader(transfer::DiskFile& file) {
  constexpr uint64_t kLengthBytes = 8;
  Bytes header(std::min(kLengthBytes, file.bytes()));
  VARVE_CHECK_OK(file.ReadAt(0, header));
  if (header.size() < kLengthBytes) return header;
  uint64_t bytes = 0;
  for (size_t i = 0; i < kLengthBytes; ++i) bytes |= std::to_integer<uint64_t>(header[i]) << 8 * i;
  if (bytes > std::min(format::kSafetensorsHeaderBytesMax, file.bytes() - kLengthBytes))
    return header;  // The decoder says what is wrong with it.
  header.resize(kLengthBytes + bytes);
  VARVE_CHECK_OK(file.ReadAt(kLengthBytes, MutableByteView(header).subspan(kLengthBytes)));
  return header;
}

Result<std::vector<Source>> ReadHeaders(const std::vector<std::string>& files) {
  std::vector<Source> sources;
  std::set<std::string_view> names;
  for (const std::string& path : files) {
    VARVE_TRY(transfer::DiskFile file, transfer::DiskFile::OpenForRead(path));
    VARVE_TRY(const Bytes header, ReadHeader(file));
    auto content = format::DecodeSafetensors(header, file.bytes());
    if (!content.ok()) return std::move(content.error().Prefix("'" + path + "'"));
    sources.push_back({std::move(file), path, std::move(*content)});
  }
  for (const Source& source : sources) {
    for (const format::SafetensorsRow& row : source.content.tensors) {
      if (auto status = format::CheckPath(row.name); !status.ok()) {
        return std::move(status.error().Prefix("'" + source.path + "'"));
      }
      if (!names.insert(row.name).second) {
        return Error(ErrorCode::kInvalidArgument,
                     "tensor '" + row.name + "' is in more than one of the files");
      }
    }
  }
  return sources;
}

// The version's metadata: what the caller gave, and the texts of the files beside it.
Result<std::string> MergeMetadata(const std::string& given, const std::vector<Source>& sources) {
  Json texts = Json::object();
  for (const Source& source : sources) {
    for (const auto& [key, value] : source.content.metadata) {
      if (texts.contains(key) && texts[key] != value) {
        return Error(ErrorCode::kInvalidArgument,
                     "the files disagree about their metadata '" + key + "'; save them apart");
      }
      texts[key] = value;
    }
  }
  if (texts.empty()) return given;
  Json all = given.empty() ? Json::object() : Json::parse(given, nullptr, false);
  if (!all.is_object()) return given;  // The save says what is wrong with it.
  if (all.contains(kMetadataField)) {
    return Error(ErrorCode::kInvalidArgument,
                 "metadata 'safetensors' is where the files' own metadata goes; rename yours");
  }
  all[kMetadataField] = std::move(texts);
  return all.dump(-1, ' ', false, Json::error_handler_t::replace);
}

std::map<std::string, std::string> MetadataOf(const format::Commit& commit) {
  std::map<std::string, std::string> texts;
  const Json all = Json::parse(commit.header.metadata_json, nullptr, false);
  if (!all.is_object() || !all.contains(kMetadataField) || !all[kMetadataField].is_object()) {
    return texts;
  }
  for (const auto& [key, value] : all[kMetadataField].items()) {
    if (value.is_string()) texts[key] = value.get<std::string>();
  }
  return texts;
}

bool Matches(const std::string& name, const std::vector<std::string>& globs) {
  if (globs.empty()) return true;
  for (const std::string& glob : globs) {
    if (::fnmatch(glob.c_str(), name.c_str(), FNM_NOESCAPE) == 0) return true;
  }
  return false;
}

// The ordinals of the tensors that go into the file.
Result<std::vector<size_t>> Choose(const format::Commit& commit, std::string_view address,
                                   const std::vector<std::string>& globs) {
  const std::string quoted = "'" + std::string(address) + "'";
  if (commit.tensors.empty()) {
    return Error(ErrorCode::kInvalidArgument,
                 quoted + " holds no tensors; fetch its files with: varve get");
  }
  if (globs.empty() && !commit.header.tree_json.empty()) {
    VARVE_TRY(const auto plain, format::FirstPlainValue(commit.header.tree_json));
    if (plain.has_value()) {
      return Error(ErrorCode::kUnsupported, "safetensors holds tensors only, and '" + plain->path +
                                                "' of " + quoted + " is " + plain->what +
                                                "; take the tensors alone with --only '*'");
    }
  }
  std::vector<size_t> chosen;
  std::vector<std::string> names;
  for (size_t i = 0; i < commit.tensors.size(); ++i) {
    names.push_back(commit.tensors[i].name);
    if (Matches(names.back(), globs)) chosen.push_back(i);
  }
  if (!chosen.empty()) return chosen;
  const std::string nearest = plan::Nearest(globs.front(), names);
  return Error(ErrorCode::kNotFound, "no tensor of " + quoted + " matches '" + globs.front() +
                                         "'; one of them is '" +
                                         (nearest.empty() ? names.front() : nearest) + "'");
}

// Moves a finished file to its name, never over another.
Status MoveIntoPlace(const std::string& from, const std::string& to) {
  int moved = ::renameat2(AT_FDCWD, from.c_str(), AT_FDCWD, to.c_str(), RENAME_NOREPLACE);
  if (moved != 0 && (errno == EINVAL || errno == ENOSYS)) {
    moved =
        ::link(from.c_str(), to.c_str());  // As strict, where the file system knows no such rename.
    if (moved == 0) ::unlink(from.c_str());
  }
  if (moved != 0) return ErrnoError(errno, "move into place", to);
  return SyncFolder(fs::path(to).parent_path().string());
}

// Removes the unfinished file unless it was moved away.
struct Unfinished {
  std::string path;
  ~Unfinished() {
    if (!path.empty()) ::unlink(path.c_str());
  }
};

}  // namespace

Result<SaveReport> SaveTensorFiles(const OpContext& ctx, Lake& lake, const std::string& name,
                                   const std::vector<std::string>& files, SaveOptions options,
                                   const std::function<void(Progress)>& on_progress) {
  VARVE_TRY(std::vector<Source> sources, ReadHeaders(files));
  VARVE_TRY(options.metadata_json, MergeMetadata(options.metadata_json, sources));
  std::vector<std::string> names;
  Progress progress;
  for (const Source& source : sources) {
    for (const format::SafetensorsRow& row : source.content.tensors) {
      names.push_back(row.name);
      progress.bytes_total += row.bytes;
    }
  }
  options.tree_json = format::TreeOfTensors(names);
  VARVE_TRY(const auto session, lake.BeginSave(ctx, name, std::move(options)));
  for (Source& source : sources) {
    for (const format::SafetensorsRow& row : source.content.tensors) {
      // Read once: what is hashed is what is stored, whatever another process does to the file.
      const auto read = [&](uint64_t offset, MutableByteView into) {
        return source.file.ReadAt(row.offset + offset, into);
      };
      VARVE_CHECK_OK(session->AddTensorFrom(ctx, row.name, row.dtype, row.shape, row.bytes, read));
      progress.bytes_done += row.bytes;
      if (on_progress) on_progress(progress);
    }
    VARVE_CHECK_OK(source.file.CheckUnchanged());
  }
  return session->Commit(ctx);
}

Result<TensorFileReport> LoadTensorFile(const OpContext& ctx, Lake& lake, std::string_view address,
                                        const std::string& destination,
                                        const std::vector<std::string>& globs,
                                        const std::function<void(Progress)>& on_progress) {
  std::error_code ignored;
  if (fs::exists(fs::symlink_status(destination, ignored))) {
    return Error(ErrorCode::kAlreadyExists, "'" + destination + "' exists; choose another place");
  }
  VARVE_TRY(const auto version, lake.OpenAt(ctx, address));
  const format::Commit& commit = version->commit();
  VARVE_TRY(const std::vector<size_t> chosen, Choose(commit, address, globs));
  format::Safetensors content;
  content.metadata = MetadataOf(commit);
  for (const size_t i : chosen) {
    content.tensors.push_back(
        {commit.tensors[i].name, commit.tensors[i].dtype, commit.tensors[i].shape, 0, 0});
  }
  VARVE_TRY(const format::SafetensorsLayout layout, format::LayOutSafetensors(content));

  Unfinished unfinished{destination + ".varve-" + std::to_string(ctx.random().Next64())};
  VARVE_TRY(const Mapping file, Mapping::ForWrite(unfinished.path, layout.file_bytes));
  std::memcpy(file.view().data(), layout.header.data(), layout.header.size());
  std::vector<OpenVersion::TensorRead> reads;
  TensorFileReport report{chosen.size(), 0};
  for (size_t k = 0; k < chosen.size(); ++k) {
    const format::SafetensorsRow& row = content.tensors[k];
    report.bytes += row.bytes;
    if (row.bytes != 0) reads.push_back({chosen[k], file.view().subspan(row.offset, row.bytes)});
  }
  VARVE_CHECK_OK(version->ReadTensors(ctx, reads, on_progress));
  VARVE_CHECK_OK(file.Sync());
  VARVE_CHECK_OK(MoveIntoPlace(unfinished.path, destination));
  unfinished.path.clear();
  return report;
}

}  // namespace varve::lake
