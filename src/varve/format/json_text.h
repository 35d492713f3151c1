// One JSON text as a tree that points into it: control objects are read again and again, so a node
// is a few words in one block of memory, and a plain string is where it lies in the text.
// Private to format/. Hostile bytes: depth is checked while parsing, and memory stays within a
// small multiple of the text, which the caller bounds.
#pragma once

#include <array>
#include <cstdint>
#include <memory_resource>
#include <nlohmann/json.hpp>
#include <span>
#include <string_view>

#include "varve/result.h"

namespace varve::format {

using Json = nlohmann::json;

class JsonNode {
 public:
  enum class Kind : uint8_t { kNull, kBoolean, kNumber, kString, kArray, kObject };
  JsonNode() = default;
  explicit JsonNode(Kind kind) : kind_(kind) {}  // An empty one, or false.

  Kind kind() const { return kind_; }
  bool Is(Kind kind) const { return kind_ == kind; }
  std::string_view name() const { return {name_, name_bytes_}; }  // As a member of an object.
  // The letters of a string, or a number as it is spelled; empty for every other kind.
  std::string_view text() const { return leaf() ? std::string_view(text_, size_) : ""; }
  bool boolean() const { return Is(Kind::kBoolean) && size_ != 0; }
  // Items of an array in their order; members of an object by name, each name once.
  std::span<const JsonNode> children() const {
    return leaf() ? std::span<const JsonNode>() : std::span(children_, count());
  }
  const JsonNode* Find(std::string_view name) const;  // A member; null when there is none.
  Json Copy() const;
  // A reader's mark, for it to find what it did not know. A tree has one reader.
  void Take() const { taken_ = true; }
  bool taken() const { return taken_; }

 private:
  friend class JsonParser;
  bool leaf() const { return Is(Kind::kString) || Is(Kind::kNumber); }
  uint32_t count() const { return Is(Kind::kArray) || Is(Kind::kObject) ? size_ : 0; }

  const char* name_ = nullptr;
  union {
    const char* text_ = nullptr;
    const JsonNode* children_;
  };
  uint32_t name_bytes_ = 0, size_ = 0;  // Of the text, or how many children; true is 1.
  Kind kind_ = Kind::kNull;
  mutable bool taken_ = false;
};
static_assert(sizeof(JsonNode) == 32);

// Owns the nodes; the text must live as long.
class JsonText {
 public:
  JsonText() : memory_(first_.data(), first_.size()) {}
  JsonText(const JsonText&) = delete;
  JsonText& operator=(const JsonText&) = delete;
  // Once. kCorrupt unless the text is one object, nested no deeper than the limit.
  Result<const JsonNode*> Parse(std::string_view text, int depth_max);

 private:
  std::array<std::byte, 2048> first_;
  std::pmr::monotonic_buffer_resource memory_;
  JsonNode root_;
};

}  // namespace varve::format
