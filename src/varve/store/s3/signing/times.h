// The three spellings of time in S3: of a signature, of an HTTP header, of an XML reply. By hand,
// since the C library's readers follow the process's locale. Pure.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace varve::store {

std::string AmzDate(int64_t wall_ms);  // "20130524T000000Z"

// Milliseconds since 1970; 0 for anything else than the form, which no reply needs to tell apart.
int64_t ParseHttpDate(std::string_view text);  // "Fri, 24 May 2013 00:00:00 GMT"
int64_t ParseIsoTime(std::string_view text);   // "2013-05-24T00:00:00Z", also ".000Z", "+00:00".

}  // namespace varve::store
