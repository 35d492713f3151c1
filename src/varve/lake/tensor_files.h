// Safetensors files in and out of a lake, through nothing but the public interface of Lake.
//
// A file is read chunk by chunk into the save, so memory
// stays under the save's cap however large the file is. A file of the version's tensors is written
// into its final place on disk, verified, and appears under its name only when it is whole.
// Threads: any; both block. Cancel: no version, and no file, is left behind.
// A file that another process changes or cuts short while it is read is refused before the commit
// (kConflict).
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "varve/lake/lake.h"

namespace varve::lake {

// The tensors of all `files` as one version; no name may be in two of them. The texts that the
// files carry as metadata are kept in the version's metadata under "safetensors"; two files may
// not disagree about one. Everything is checked before a byte is sent.
Result<SaveReport> SaveTensorFiles(const OpContext& ctx, Lake& lake, const std::string& name,
                                   const std::vector<std::string>& files, SaveOptions options,
                                   const std::function<void(Progress)>& on_progress = {});

struct TensorFileReport {
  uint64_t tensors = 0, bytes = 0;
};
// The tensors that match one of `globs` ('*' matches '/'), or all, as one safetensors file at
// `destination`, which must not exist. Without globs, a version that holds anything else is refused
// by its path (kUnsupported), since the file could not say it.
Result<TensorFileReport> LoadTensorFile(const OpContext& ctx, Lake& lake, std::string_view address,
                                        const std::string& destination,
                                        const std::vector<std::string>& globs,
                                        const std::function<void(Progress)>& on_progress = {});

}  // namespace varve::lake
