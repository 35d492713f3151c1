// Whether a request may be served: its signature and its checksums, by a reading of the request
// that shares nothing with the client's signer. Pure but for the clock that is passed in.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "varve/testing/fake_s3/http_server.h"

namespace varve::fake {

std::string Header(const HttpRequest& request, const std::string& name);
std::string Crc64NvmeText(ByteView body);  // As x-amz-checksum-crc64nvme has it.
std::optional<std::string> PercentDecode(std::string_view text);

// The S3 error code that refuses the request, or an empty text.
std::string Refusal(const HttpRequest& request, const std::string& access_key,
                    const std::string& secret_key, const std::string& region, int64_t wall_ms);

}  // namespace varve::fake
