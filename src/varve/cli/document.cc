#include "varve/cli/document.h"

#include <yaml.h>

#include <fstream>
#include <memory>

namespace varve::cli {
namespace {

using plan::At;
using plan::Document;
using plan::Position;

Position PlaceOf(const yaml_mark_t& mark) {
  return {static_cast<uint32_t>(mark.line + 1), static_cast<uint32_t>(mark.column + 1)};
}

class Reader {
 public:
  explicit Reader(const std::string& text) {
    yaml_parser_initialize(&parser_);
    yaml_parser_set_encoding(&parser_, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&parser_, reinterpret_cast<const unsigned char*>(text.data()),
                                 text.size());
  }
  ~Reader() { yaml_parser_delete(&parser_); }
  Reader(const Reader&) = delete;
  Reader& operator=(const Reader&) = delete;

  Result<Document> Read() {
    VARVE_TRY(EventPtr event, Next());  // The stream's start.
    VARVE_TRY(event, Next());
    if (event->type != YAML_DOCUMENT_START_EVENT) return At({}, "the document is empty");
    VARVE_TRY(event, Next());
    VARVE_TRY(Document document, Node(*event, 0));
    VARVE_TRY(event, Next());  // The document's end.
    VARVE_TRY(event, Next());
    if (event->type != YAML_STREAM_END_EVENT) {
      return At(PlaceOf(event->start_mark), "the file has more than one document");
    }
    return document;
  }

 private:
  struct Drop {
    void operator()(yaml_event_t* event) const {
      yaml_event_delete(event);
      delete event;
    }
  };
  using EventPtr = std::unique_ptr<yaml_event_t, Drop>;

  Result<EventPtr> Next() {
    auto event = std::make_unique<yaml_event_t>();
    if (yaml_parser_parse(&parser_, event.get()) == 0) {
      const std::string why = parser_.problem == nullptr ? "it is no YAML" : parser_.problem;
      return At(PlaceOf(parser_.problem_mark), why);
    }
    return EventPtr(event.release());
  }

  Result<Document> Node(const yaml_event_t& event, size_t depth) {
    Document node;
    node.at = PlaceOf(event.start_mark);
    if (++nodes_ > plan::kDocumentNodesMax) return At(node.at, "the document has too many parts");
    if (depth > plan::kDocumentDepthMax) return At(node.at, "the document is nested too deep");
    switch (event.type) {
      case YAML_SCALAR_EVENT: {
        const auto& scalar = event.data.scalar;
        if (scalar.anchor != nullptr || scalar.tag != nullptr)
          return At(node.at, "anchors and tags are not read");
        node.text.assign(reinterpret_cast<const char*>(scalar.value), scalar.length);
        // Where the text begins, for the places of what is wrong in it.
        if (scalar.style == YAML_DOUBLE_QUOTED_SCALAR_STYLE ||
            scalar.style == YAML_SINGLE_QUOTED_SCALAR_STYLE)
          ++node.at.column;
        if (scalar.style == YAML_LITERAL_SCALAR_STYLE || scalar.style == YAML_FOLDED_SCALAR_STYLE)
          node.at = {node.at.line + 1, 1};
        return node;
      }
      case YAML_SEQUENCE_START_EVENT: {
        if (event.data.sequence_start.anchor != nullptr || event.data.sequence_start.tag != nullptr)
          return At(node.at, "anchors and tags are not read");
        node.kind = Document::Kind::kList;
        VARVE_TRY(EventPtr next, Next());
        while (next->type != YAML_SEQUENCE_END_EVENT) {
          VARVE_TRY(Document item, Node(*next, depth + 1));
          node.items.push_back(std::move(item));
          VARVE_TRY(next, Next());
        }
        return node;
      }
      case YAML_MAPPING_START_EVENT: {
        if (event.data.mapping_start.anchor != nullptr || event.data.mapping_start.tag != nullptr)
          return At(node.at, "anchors and tags are not read");
        node.kind = Document::Kind::kMap;
        VARVE_TRY(EventPtr next, Next());
        while (next->type != YAML_MAPPING_END_EVENT) {
          VARVE_TRY(Document key, Node(*next, depth + 1));
          if (key.kind != Document::Kind::kText) return At(key.at, "a key must be text");
          VARVE_TRY(next, Next());
          VARVE_TRY(Document value, Node(*next, depth + 1));
          node.fields.emplace_back(std::move(key), std::move(value));
          VARVE_TRY(next, Next());
        }
        return node;
      }
      case YAML_ALIAS_EVENT:
      case YAML_NO_EVENT:
      case YAML_STREAM_START_EVENT:
      case YAML_STREAM_END_EVENT:
      case YAML_DOCUMENT_START_EVENT:
      case YAML_DOCUMENT_END_EVENT:
      case YAML_SEQUENCE_END_EVENT:
      case YAML_MAPPING_END_EVENT:
        break;
    }
    return At(node.at, "aliases are not read");
  }

  yaml_parser_t parser_;
  size_t nodes_ = 0;
};

}  // namespace

Result<plan::Document> ReadDocument(const std::string& text) { return Reader(text).Read(); }

Result<std::string> ReadLocalFile(const std::string& path, size_t bytes_max) {
  std::ifstream file(path, std::ios::binary);
  if (!file) return Error(ErrorCode::kNotFound, "cannot read '" + path + "'");
  std::string text;
  char block[65536];
  while (file.read(block, sizeof block), file.gcount() > 0) {
    text.append(block, static_cast<size_t>(file.gcount()));
    if (text.size() > bytes_max) {
      return Error(ErrorCode::kInvalidArgument,
                   "'" + path + "' has more than " + std::to_string(bytes_max) + " bytes");
    }
  }
  if (file.bad())
    return Error(ErrorCode::kInvalidArgument, "cannot read '" + path + "'; is it a file?");
  return text;
}

Result<plan::PolicySet> ReadPolicyFile(const std::string& path) {
  VARVE_TRY(const std::string text, ReadLocalFile(path, plan::kPolicyBytesMax));
  // A document begins with a brace, or with one of its two keys and a colon.
  bool document = false;
  for (size_t at = 0; at < text.size();) {
    const size_t end = std::min(text.find('\n', at), text.size());
    std::string_view line(text.data() + at, end - at);
    at = end + 1;
    line.remove_prefix(std::min(line.find_first_not_of(" \t\r"), line.size()));
    if (line.empty() || line[0] == '#') continue;
    document = line[0] == '{' || line.starts_with("---") || line.starts_with("policies:") ||
               line.starts_with("protect:");
    break;
  }
  Result<plan::PolicySet> set = plan::PolicySet{};
  if (document) {
    VARVE_TRY(const plan::Document read, ReadDocument(text));
    set = plan::PoliciesOf(read);
  } else {
    set = plan::ParsePolicies(text);
  }
  if (!set.ok()) return std::move(set.error().Prefix(path));
  return set;
}

}  // namespace varve::cli
