// What an S3 error reply means: a stable code, and what to do in words. Strict about nothing: a
// reply that is no S3 error is judged by its status. Pure.
#pragma once

#include <string>

#include "varve/error.h"
#include "varve/http/transport.h"

namespace varve::store {

// The <Code> of an error body; empty when there is none.
std::string S3Code(const http::Reply& reply);

// The error of a reply that is no success; it never quotes more than a line of the body.
Error S3Error(const http::Reply& reply, const std::string& method, const std::string& key,
              const std::string& bucket);
// The same for the parts of a reply that answers for many keys.
Error S3ErrorOfCode(const std::string& s3_code, const std::string& s3_message, int status,
                    const std::string& bucket);

}  // namespace varve::store
