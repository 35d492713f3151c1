// Small texts of the protocol: numbers, base64, percent encoding, etags. Pure; bytes are hostile.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace varve::store {

bool ParseNumber(std::string_view text, uint64_t& value);  // All of it, decimal, without a sign.

std::optional<std::string> DecodeBase64(std::string_view text);

// As a listing encodes keys: "+" is a space in the form that some servers use.
std::optional<std::string> PercentDecode(std::string_view text);

std::string Unquoted(const std::string& etag);
// Whether it can go into a header of ours later.
bool ValidEtag(std::string_view etag);

// Foreign text on one line, cut, without control characters that a terminal would obey.
std::string OneLine(std::string text);

std::string XmlEscaped(std::string_view text);

}  // namespace varve::store
