// Goal: names, ids and JSON control objects are accepted exactly as documented and never silently
// changed by a rewrite.
// Method: a table of names; round trips; every field taken away or given another type; hostile
// text.
#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <limits>
#include <nlohmann/json.hpp>
#include <set>

#include "varve/format/json.h"
#include "varve/format/names.h"
#include "varve/format/sample_records.h"

namespace varve::format {
namespace {

TEST(NamesTest, ArtifactTable) {
  const std::string long_segment(100, 'a');
  for (const std::string& name :
       {std::string("llama"), std::string("a/b/c/d/e/f/g/h"), std::string("A.b_c+d=e,f-9"),
        std::string("mod\xC3\xA8le"), long_segment, std::string("v17"), std::string("...")}) {
    EXPECT_TRUE(CheckArtifactName(name).ok()) << name;
  }
  for (const std::string& name :
       {std::string(), std::string("/a"), std::string("a/"), std::string("a//b"), std::string("."),
        std::string("a/.."), std::string("a b"), std::string("a@b"), std::string("a~b"),
        std::string("a\\b"), std::string("a\nb"), std::string("a\0b", 3), std::string("\xC0\x80"),
        std::string("\xED\xA0\x80"), std::string("\xF4\x90\x80\x80"), std::string("a\xC3"),
        long_segment + "a", long_segment + "/" + long_segment, std::string("a/b/c/d/e/f/g/h/i")}) {
    const Status status = CheckArtifactName(name);
    ASSERT_FALSE(status.ok()) << name;
    EXPECT_EQ(status.error().code(), ErrorCode::kInvalidArgument);
    EXPECT_TRUE(ValidUtf8(status.error().message())) << status.error().message();
    EXPECT_EQ(status.error().message().find('\n'), std::string::npos);
  }
  EXPECT_NE(CheckArtifactName("a\nb").error().message().find("\\x0a"), std::string::npos);
}

TEST(NamesTest, LabelsAndPaths) {
  for (const char* label : {"best", "v1-final", "1", "v", "version", "\xE6\x9C\x80"}) {
    EXPECT_TRUE(CheckLabel(label).ok()) << label;
  }
  for (const char* label :
       {"", "latest", "v1", "v007", "v99999999999999999999", "a/b", ".", "a b"}) {
    EXPECT_FALSE(CheckLabel(label).ok()) << label;
  }
  for (const char* path : {"a", "model/layers.0.weight", "a b/c:d", "x@y", "\xC3\xA9"}) {
    EXPECT_TRUE(CheckPath(path).ok()) << path;
  }
  const std::string deep = [] {
    std::string path = "a";
    for (int i = 0; i < 64; ++i) path += "/a";
    return path;
  }();
  for (const std::string& path :
       {std::string(), std::string("/a"), std::string("a/"), std::string("a//b"),
        std::string("../a"), std::string("a/./b"), std::string("a\\b"), std::string("a\tb"),
        std::string("a\x7f"), std::string("\xFF"), std::string(1025, 'a'), deep}) {
    EXPECT_FALSE(CheckPath(path).ok()) << path;
  }
  EXPECT_TRUE(CheckPath(std::string_view(deep).substr(2)).ok());
}

TEST(NamesTest, Addresses) {
  const auto plain = ParseAddress("team/llama");
  ASSERT_TRUE(plain.ok());
  EXPECT_EQ(plain->name, "team/llama");
  EXPECT_FALSE(plain->version.has_value());
  EXPECT_TRUE(plain->label.empty());
  EXPECT_TRUE(ParseAddress("a@latest")->label.empty());
  EXPECT_EQ(ParseAddress("a@v17")->version, std::optional<uint64_t>(17));
  EXPECT_EQ(ParseAddress("a@best")->label, "best");
  for (const char* text : {"", "@", "a@", "@v1", "a@v0", "a@v01", "a@v18446744073709551616",
                           "a@b@c", "a@b/c", "a@ best"}) {
    const auto address = ParseAddress(text);
    ASSERT_FALSE(address.ok()) << text;
    EXPECT_EQ(address.error().code(), ErrorCode::kInvalidArgument);
  }
}

TEST(ObjectIdTest, TextRoundTripAndEveryMangledLetterIsNoticed) {
  SeededRandom random(1);
  for (int i = 0; i < 200; ++i) {
    const ObjectId id = SampleId(random);
    const std::string text = id.Text();
    ASSERT_EQ(text.size(), 26U);
    ASSERT_TRUE(ObjectId::FromText(text).ok());
    EXPECT_EQ(*ObjectId::FromText(text), id);
    EXPECT_EQ(*ObjectId::FromBytes(id.bytes), id);
    EXPECT_EQ(ObjectId::Make(id.session(), id.counter()), id);
  }
  const std::string text = ObjectId::Make(0x0123456789ABCDEF, 42).Text();
  for (size_t at = 0; at < text.size(); ++at) {
    for (int letter = 0; letter < 256; ++letter) {
      std::string mangled = text;
      mangled[at] = static_cast<char>(letter);
      EXPECT_EQ(ObjectId::FromText(mangled).ok(), mangled == text) << mangled;
    }
  }
  EXPECT_FALSE(ObjectId::FromText(text.substr(1)).ok());
  EXPECT_FALSE(ObjectId::FromText(text + "0").ok());
  EXPECT_FALSE(ObjectId::FromText("").ok());
  EXPECT_FALSE(ObjectId::FromBytes(ByteView()).ok());
}

TEST(KeysTest, HeadKeysAreReversibleAndCanonical) {
  for (const std::string& name : {std::string("llama"), std::string("team/llama"),
                                  std::string("mod\xC3\xA8le"), std::string(200, '\xC3')}) {
    const std::string key = HeadKey(name);
    EXPECT_LE(key.size(), 900U);
    EXPECT_EQ(key.find_first_not_of("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
                                    "._%=+,-~/",
                                    kHeadPrefix.size()),
              std::string::npos);
    for (size_t at = 0, end = 0; end < key.size(); at = end + 1) {
      end = std::min(key.find('/', at), key.size());
      EXPECT_LE(end - at, 255U) << "a file name ends there";
    }
    const auto back = NameFromHeadKey(key);
    ASSERT_TRUE(back.ok()) << key;
    EXPECT_EQ(*back, name);
  }
  EXPECT_EQ(HeadKey("a/b"), "ref/b/a%2Fb");
  const std::string piece(200, 'a');
  EXPECT_EQ(HeadKey(piece), "ref/b/" + piece);
  EXPECT_EQ(HeadKey(piece + "bc"), "ref/b/" + piece + "~/bc");
  EXPECT_FALSE(NameFromHeadKey("ref/b/" + piece + "~/").ok());
  EXPECT_FALSE(NameFromHeadKey("ref/b/" + piece + "bc").ok()) << "another spelling";
  for (const char* key : {"ref/b/a~/b", "ref/b/a~b", "ref/b/~/a", "ref/b/a%2fb", "ref/b/%61",
                          "ref/b/a%2", "ref/b/a%", "ref/b/a%zz", "ref/t/a", "ref/b/a/b", "a"}) {
    EXPECT_FALSE(NameFromHeadKey(key).ok()) << key;
  }
}

TEST(JsonTest, DepthCountsBracketsOutsideOfStringsOnly) {
  EXPECT_TRUE(ValidJson(R"(["\"[[[[", "\\", "]]"])", 1));
  EXPECT_TRUE(ValidJson(R"(["\\\"", [1]])", 2));
  EXPECT_FALSE(ValidJson(R"(["\"", [[1]]])", 2));
  EXPECT_FALSE(ValidJson(R"(["\\", [[1]]])", 2));
  EXPECT_FALSE(ValidJson(std::string(1'000'000, '['), 32));
  EXPECT_FALSE(ParseObject("[]", 32).ok());
  EXPECT_FALSE(ParseObject("{\"a\":1e999}", 32).ok());
  EXPECT_FALSE(ParseObject("{\"a\":\"\xFF\"}", 32).ok());
  EXPECT_FALSE(ParseObject("{} x", 32).ok());
}

// The library is the judge of what JSON is and means.
TEST(JsonTest, ParsesWhatTheLibraryParsesToTheSameTree) {
  SeededRandom random(11);
  const auto head = EncodeHead(SampleHead(random));
  ASSERT_TRUE(head.ok());
  const std::string texts[] = {
      *head, R"({"a": [1, -2.5e3, true, null, "x\u00e9\n"], "b" : {"": {}}, "a": [ ], "\"": 0})",
      "{\"\xC3\xA9\": \"\xF0\x9F\x8C\x8A\", \"z\":[[],{}],\"k\":[\"\\ud83c\\udf0a\"]}"};
  constexpr std::string_view kLetters = "{}[]\",:\\ \n\t0-1.9eEtruefalsn\xC3\xA9\x7F\x01u";
  int accepted = 0;
  for (int round = 0; round < 60'000; ++round) {
    std::string text = texts[random.Next64() % 3];
    for (uint64_t edits = random.Next64() % 4; edits > 0; --edits) {
      const size_t at = random.Next64() % text.size();
      const char letter = kLetters[random.Next64() % kLetters.size()];
      switch (random.Next64() % 4) {
        case 0:
          text[at] = letter;
          break;
        case 1:
          text.insert(at, 1, letter);
          break;
        case 2:
          text.erase(at, 1 + random.Next64() % 3);
          break;
        default:
          text.insert(at, text.substr(random.Next64() % text.size(), random.Next64() % 8));
      }
      if (text.empty()) text = "{";
    }
    const auto ours = ParseObject(text, 6);
    const Json theirs = ValidJson(text, 6) ? Json::parse(text, nullptr, false) : Json();
    ASSERT_EQ(ours.ok(), theirs.is_object()) << "round " << round << ": " << text;
    if (!ours.ok()) continue;
    ASSERT_EQ(*ours, theirs) << "round " << round << ": " << text;
    ++accepted;
  }
  EXPECT_GT(accepted, 15'000);
}

TEST(JsonTest, ADecimalHasOneSpelling) {
  EXPECT_EQ(DecimalFrom<uint64_t>("0"), 0U);
  EXPECT_EQ(DecimalFrom<uint64_t>("18446744073709551615"), UINT64_MAX);
  EXPECT_EQ(DecimalFrom<int64_t>("-9223372036854775808"), INT64_MIN);
  for (const char* text : {"", "-", "00", "01", "+1", " 1", "1 ", "1.0", "0x1", "-0", "-01", "--1",
                           "18446744073709551616"}) {
    EXPECT_FALSE(DecimalFrom<uint64_t>(text).has_value()) << text;
    EXPECT_FALSE(DecimalFrom<int64_t>(text).has_value()) << text;
  }
  EXPECT_FALSE(DecimalFrom<uint64_t>("-1").has_value());
}

// What was taken is gone, what was not is kept, and the last of equal names counts.
TEST(JsonTest, FieldsAreTakenOnce) {
  JsonText json;
  const auto root = json.Parse(R"({"z":1.50,"b":"x","a":"old","b":"y","\u0061":"new","n":{}})", 2);
  ASSERT_TRUE(root.ok());
  Fields fields(**root, "it");
  EXPECT_EQ(fields.Text("a"), "new");
  EXPECT_EQ(fields.Text("b"), "y");
  EXPECT_FALSE(fields.Has("b"));
  EXPECT_TRUE(fields.status().ok());
  EXPECT_EQ(fields.Unknown(), R"({"n":{},"z":1.5})");
  EXPECT_EQ(fields.Text("n"), "") << "of another kind";
  EXPECT_FALSE(fields.status().ok());
}

TEST(HeadTest, RoundTripKeepsEverythingAndWhatItDoesNotKnow) {
  SeededRandom random(2);
  const Head head = SampleHead(random);
  const auto text = EncodeHead(head);
  ASSERT_TRUE(text.ok()) << text.error().ToString();
  const auto decoded = DecodeHead(*text);
  ASSERT_TRUE(decoded.ok()) << decoded.error().ToString();
  EXPECT_EQ(decoded->name, head.name);
  EXPECT_EQ(decoded->seq, head.seq);
  EXPECT_EQ(decoded->versions, head.versions);
  EXPECT_EQ(decoded->history, head.history);
  EXPECT_EQ(decoded->forgotten, head.forgotten);
  EXPECT_EQ(decoded->aliases, head.aliases);
  EXPECT_EQ(decoded->tags, head.tags);
  EXPECT_EQ(decoded->pins, head.pins);
  EXPECT_EQ(decoded->holds, head.holds);
  EXPECT_EQ(decoded->layouts, head.layouts);
  EXPECT_EQ(decoded->verified, head.verified);
  EXPECT_EQ(decoded->late_metrics, head.late_metrics);
  EXPECT_EQ(decoded->run, head.run);
  EXPECT_NE(text->find("\"7-9\":"), std::string::npos) << "neighbours share a row";
  EXPECT_EQ(decoded->unknown_json, head.unknown_json);
  EXPECT_EQ(decoded->last_version(), 4163U);
  EXPECT_EQ(*EncodeHead(*decoded), *text);
}

TEST(HeadTest, MetricsThatAreNotFiniteSurvive) {
  SeededRandom random(2);
  Head head = SampleHead(random);
  head.versions[0].metrics = {{"a", std::numeric_limits<double>::infinity()},
                              {"b", -std::numeric_limits<double>::infinity()},
                              {"c", -0.0},
                              {"d", 5e-324},
                              {"e", 3.0},
                              {"f", 0.1}};
  const auto text = EncodeHead(head);
  ASSERT_TRUE(text.ok());
  EXPECT_EQ(DecodeHead(*text)->versions[0].metrics, head.versions[0].metrics);
  EXPECT_TRUE(std::signbit(DecodeHead(*text)->versions[0].metrics["c"]));
  head.versions[0].metrics = {{"n", std::numeric_limits<double>::quiet_NaN()}};
  EXPECT_TRUE(std::isnan(DecodeHead(*EncodeHead(head))->versions[0].metrics["n"]));
}

TEST(HeadTest, ATombstoneOfAnImpossibleRangeCostsNothing) {
  SeededRandom random(2);
  Head head = SampleHead(random);
  head.history[0].last_version = (uint64_t{1} << 53) - 100;
  head.history.pop_back();
  head.versions.clear();
  head.verified.clear();
  head.late_metrics.clear();
  head.forgotten = {{1, {}}, {2, {}}};
  head.layouts.clear();
  head.aliases.clear();
  const std::string text = *EncodeHead(head);
  for (const char* range :
       {"1-9007199254740890", "2-1", "1-1", "0-3", "1-", "-1", "1-2-3", "01-2"}) {
    std::string mangled = text;
    const std::string row = "\"1-2\":";
    mangled.replace(mangled.find(row), row.size(), "\"" + std::string(range) + "\":");
    EXPECT_FALSE(DecodeHead(mangled).ok()) << range;
  }
  EXPECT_TRUE(DecodeHead(text).ok());
}

TEST(HeadTest, WhatMustStayAliveIsSaidByTheHeadAlone) {
  SeededRandom random(2);
  Head head = SampleHead(random);
  head.forgotten.clear();
  VersionEntry entry = SampleEntry(random, 20);
  const auto live = [&](int64_t now_ms) { return LiveCommitObjects(head, entry, now_ms); };
  const std::vector<ObjectId> own{entry.meta_id};
  EXPECT_EQ(live(1000), own);
  head.forgotten[20] = {1, "", "", "", 500, 3};
  EXPECT_EQ(live(499), own) << "it may be brought back";
  EXPECT_TRUE(live(500).empty());
  for (const auto& name : std::vector<std::function<void(Head&)>>{
           [](Head& h) { h.aliases["best"] = 20; }, [](Head& h) { h.tags["paper"] = 20; },
           [](Head& h) { h.holds = {{20, "legal", 1, ""}}; },
           [](Head& h) { h.pins = {{20, "eval", false, 1, 1, ""}}; }}) {
    const Head before = head;
    name(head);
    EXPECT_EQ(live(1000), own) << "named, and so alive, its pin's date notwithstanding";
    head = before;
  }
  head.forgotten.clear();
  entry.version = 10;
  const Layout& layout = head.layouts.at(10);
  EXPECT_EQ(live(76), (std::vector<ObjectId>{layout.meta_id, *layout.full_meta_id}));
  EXPECT_EQ(live(77), std::vector<ObjectId>{layout.meta_id});
  EXPECT_EQ(NamedBy(head, 5, 12), "the lease of 'host:1'");
  EXPECT_EQ(NamedBy(head, 5, 13), "");
  EXPECT_EQ(NamedBy(head, 6, 1000), "the hold of 'legal'");
}

TEST(HeadTest, WhatAReaderWouldRefuseIsNeverWritten) {
  const auto refused = [](const std::function<void(Head&)>& change) {
    SeededRandom random(2);
    Head head = SampleHead(random);
    change(head);
    return !EncodeHead(head).ok();
  };
  EXPECT_FALSE(refused([](Head&) {}));
  EXPECT_TRUE(refused([](Head& h) { h.versions[1].version = 9; }));
  EXPECT_TRUE(refused([](Head& h) { h.versions.erase(h.versions.begin()); }));
  EXPECT_TRUE(refused([](Head& h) { h.history[0].first_version = 2; }));
  EXPECT_TRUE(refused([](Head& h) { h.history[1].last_version = ~uint64_t{0}; }));
  EXPECT_TRUE(refused([](Head& h) { h.aliases["ghost"] = 5000; }));
  EXPECT_TRUE(refused([](Head& h) { h.tags["v3"] = 1; }));
  EXPECT_TRUE(refused([](Head& h) { h.forgotten[5000] = {}; }));
  EXPECT_TRUE(refused([](Head& h) { h.pins[1] = h.pins[0]; }));
  EXPECT_TRUE(refused([](Head& h) { std::swap(h.pins[0], h.pins[1]); }));
  EXPECT_TRUE(refused([](Head& h) { h.pins[1].version = 5000; }));
  EXPECT_TRUE(refused([](Head& h) { h.holds[0].version = 0; }));
  EXPECT_TRUE(refused([](Head& h) { h.holds.resize(kKeepersMax + 1, h.holds[0]); }));
  EXPECT_TRUE(refused([](Head& h) { h.layouts[5000] = h.layouts[10]; }));
  EXPECT_TRUE(refused([](Head& h) { h.layouts[10].let_go = {"rng", "optimizer"}; }));
  EXPECT_TRUE(refused([](Head& h) { h.layouts[10].let_go = {"../x"}; }));
  EXPECT_TRUE(refused([](Head& h) { h.verified[5000] = 1; }));
  EXPECT_TRUE(refused([](Head& h) { h.late_metrics[5000] = {{"loss", 1}}; }));
  EXPECT_TRUE(refused([](Head& h) { h.run.owner.assign(kRunTextMax + 1, 'x'); }));
  EXPECT_TRUE(refused([](Head& h) { h.name = "a//b"; }));
  EXPECT_TRUE(refused([](Head& h) {
    for (uint32_t i = 0; i <= kLabelsMax; ++i) h.aliases["l" + std::to_string(i)] = 1;
  }));
  EXPECT_TRUE(refused([](Head& h) {
    SeededRandom random(3);
    for (uint64_t i = 0; i < kInlineVersionsMax; ++i) {
      h.versions.push_back(SampleEntry(random, h.last_version() + 1));
    }
  }));
}

// Takes every field away, and gives it every other type, at every depth.
void ExpectEveryFieldChecked(const std::string& text, const std::set<std::string>& optional,
                             const std::function<Status(std::string_view)>& decode) {
  const Json sound = Json::parse(text);
  ASSERT_TRUE(decode(text).ok()) << decode(text).error().ToString();
  const Json flat = sound.flatten();
  for (const auto& [path, value] : flat.items()) {
    const Json::json_pointer at(path);
    for (Json wrong :
         {Json(nullptr), Json(true), Json(-1), Json("\n"), Json::array({1}), Json{{"x", 1}}}) {
      if (wrong == value) continue;
      if (value.is_string() && wrong == "\n") continue;  // Free text may hold it.
      Json changed = sound;
      changed[at] = wrong;
      const Status status = decode(changed.dump());
      if (status.ok()) {
        EXPECT_TRUE(optional.contains(path.substr(0, path.find('/', 1))) || value.is_number())
            << path << " = " << wrong;
      }
    }
  }
  for (const auto& [field, value] : sound.items()) {
    Json missing = sound;
    missing.erase(field);
    EXPECT_TRUE(!decode(missing.dump()).ok() || optional.contains("/" + field)) << field;
  }
  for (size_t bytes = 0; bytes < text.size(); ++bytes) {
    EXPECT_FALSE(decode(std::string_view(text).substr(0, bytes)).ok());
  }
  EXPECT_FALSE(decode("[]").ok());
  EXPECT_FALSE(decode("{}").ok());
  EXPECT_FALSE(decode(std::string(100'000, '[')).ok());
}

template <typename T>
std::function<Status(std::string_view)> Only(Result<T> (*decode)(std::string_view)) {
  return [decode](std::string_view text) {
    const auto decoded = decode(text);
    if (decoded.ok()) return OkStatus();
    EXPECT_TRUE(decoded.error().code() == ErrorCode::kCorrupt ||
                decoded.error().code() == ErrorCode::kUnsupported);
    return Status(decoded.error());
  };
}

TEST(ControlTest, EveryFieldIsCheckedForPresenceAndType) {
  SeededRandom random(6);
  ExpectEveryFieldChecked(*EncodeHead(SampleHead(random)),
                          {"/newer", "/text_crc", "/aliases", "/tags", "/pins", "/holds",
                           "/layouts", "/verified", "/late_metrics", "/run"},
                          Only(DecodeHead));
  ExpectEveryFieldChecked(*EncodeDescriptor(SampleDescriptor()),
                          {"/text_crc", "/retention", "/probe", "/probe/reason", "/features_read",
                           "/features_write", "/features_gc", "/features_fsck"},
                          Only(DecodeDescriptor));
  ExpectEveryFieldChecked(*EncodeGcState(SampleGcState()), {"/refs", "/text_crc"},
                          Only(DecodeGcState));
  ExpectEveryFieldChecked(*EncodeSessionBlock(SampleSession()), {}, Only(DecodeSessionBlock));
}

// Every bit of the text in turn.
void ExpectNoBitBelieved(std::string text, const std::function<Status(std::string_view)>& decode) {
  ASSERT_TRUE(decode(text).ok());
  for (size_t bit = 0; bit < 8 * text.size(); ++bit) {
    const auto mask = static_cast<char>(1 << (bit % 8));
    text[bit / 8] = static_cast<char>(text[bit / 8] ^ mask);
    const Status status = decode(text);
    ASSERT_FALSE(status.ok()) << "bit " << bit << ": " << text.substr(0, 40);
    ASSERT_EQ(status.error().code(), ErrorCode::kCorrupt) << status.error().ToString();
    text[bit / 8] = static_cast<char>(text[bit / 8] ^ mask);
  }
}

TEST(ControlTest, AFlippedBitOfWhatIsRewrittenIsNeverBelieved) {
  SeededRandom random(6);
  ExpectNoBitBelieved(*EncodeHead(SampleHead(random)), Only(DecodeHead));
  Head born;
  born.name = "llama";
  born.artifact_type = "model";
  ExpectNoBitBelieved(*EncodeHead(born), Only(DecodeHead));
  ExpectNoBitBelieved(*EncodeGcState(SampleGcState()), Only(DecodeGcState));
  ExpectNoBitBelieved(*EncodeGcState({}), Only(DecodeGcState));
  // A flip in "features_gc" would let collectors loose that must not collect.
  ExpectNoBitBelieved(*EncodeDescriptor(SampleDescriptor()), Only(DecodeDescriptor));
  ExpectNoBitBelieved(*EncodeDescriptor({}), Only(DecodeDescriptor));
}

TEST(ControlTest, WritersOfBeforeTheChecksumAreRead) {
  SeededRandom random(6);
  const std::string head = *EncodeHead(SampleHead(random)), state = *EncodeGcState(SampleGcState());
  Json old_head = Json::parse(head), old_state = Json::parse(state);
  const std::string lake = *EncodeDescriptor(SampleDescriptor());
  Json old_lake = Json::parse(lake);
  for (Json* old : {&old_head, &old_state, &old_lake}) old->erase("text_crc");
  EXPECT_EQ(*EncodeHead(*DecodeHead(old_head.dump())), head);
  EXPECT_EQ(*EncodeGcState(*DecodeGcState(old_state.dump())), state);
  EXPECT_EQ(*EncodeDescriptor(*DecodeDescriptor(old_lake.dump())), lake);
  // They keep a checksum that they do not know, and it no longer holds.
  old_head["text_crc"] = old_state["text_crc"] = old_lake["text_crc"] = "00000000";
  EXPECT_EQ(*EncodeDescriptor(*DecodeDescriptor(old_lake.dump())), lake);
  EXPECT_EQ(*EncodeHead(*DecodeHead(old_head.dump())), head);
  EXPECT_EQ(*EncodeGcState(*DecodeGcState(old_state.dump())), state);
  EXPECT_FALSE(DecodeHead(" " + old_head.dump()).ok());
}

TEST(ControlTest, RoundTrips) {
  const Descriptor descriptor = SampleDescriptor();
  const auto lake = DecodeDescriptor(*EncodeDescriptor(descriptor));
  ASSERT_TRUE(lake.ok());
  EXPECT_EQ(lake->lake_id, descriptor.lake_id);
  EXPECT_EQ(lake->features_gc, descriptor.features_gc);
  ASSERT_TRUE(lake->probe.has_value());
  EXPECT_EQ(lake->probe->reason, descriptor.probe->reason);
  EXPECT_EQ(lake->probe->time_ms, descriptor.probe->time_ms);
  EXPECT_FALSE(lake->probe->shared_writing);
  EXPECT_EQ(lake->unknown_json, descriptor.unknown_json);
  const GcState state = SampleGcState();
  const auto gc = DecodeGcState(*EncodeGcState(state));
  ASSERT_TRUE(gc.ok());
  EXPECT_EQ(gc->epoch, state.epoch);
  EXPECT_EQ(gc->phase, state.phase);
  EXPECT_EQ(gc->lists, state.lists);
  EXPECT_TRUE(DecodeGcState(*EncodeGcState({})).ok());
  const auto session = DecodeSessionBlock(*EncodeSessionBlock(SampleSession()));
  ASSERT_TRUE(session.ok());
  EXPECT_EQ(session->session, SampleSession().session);
  EXPECT_EQ(session->last_counter, 255U);
}

TEST(ControlTest, GatesStopWhatThisBuildDoesNotKnow) {
  Descriptor descriptor = SampleDescriptor();
  ASSERT_TRUE(CheckGates(descriptor).ok());
  EXPECT_EQ(*CheckGates(descriptor), Gate::kReadWrite);  // A gc feature stops the collector alone.
  descriptor.features_write = {"future"};
  EXPECT_EQ(*CheckGates(descriptor), Gate::kReadOnly);
  descriptor.features_read = {"strange"};
  const auto gate = CheckGates(descriptor);
  ASSERT_FALSE(gate.ok());
  EXPECT_EQ(gate.error().code(), ErrorCode::kUnsupported);
  EXPECT_NE(gate.error().message().find("strange"), std::string::npos);
  descriptor = SampleDescriptor();
  descriptor.format = 2;
  EXPECT_FALSE(CheckGates(descriptor).ok());
}

TEST(ObjectKeyTest, EveryKeyOfOursIsReadBackAndNothingElseIs) {
  SeededRandom random(21);
  const ObjectId id = SampleId(random);
  const std::vector<std::pair<KeyKind, std::string>> keys = {
      {KeyKind::kDescriptor, "lake.json"},
      {KeyKind::kGcState, "gc/state"},
      {KeyKind::kGcList, GcListKey(18, true, id, 3)},
      {KeyKind::kGcMark, GcMarkKey(18, id)},
      {KeyKind::kHead, HeadKey("team/llama")},
      {KeyKind::kPack, PackKey(id)},
      {KeyKind::kMeta, MetaKey(id)},
      {KeyKind::kHistory, HistoryKey(id)},
      {KeyKind::kSession, SessionKey(0x12, 4'294'967'295)}};
  for (const auto& [kind, key] : keys) {
    EXPECT_EQ(ParseKey(key).kind, kind) << key;
    // Other spellings, neighbours and halves name nothing of ours: no prefix ever matches.
    for (const std::string& other : {"/" + key, key + "/", key + "0", key.substr(0, key.size() - 1),
                                     "x/" + key, key + ".tmp", std::string(" ") + key}) {
      const ObjectKey parsed = ParseKey(other);
      EXPECT_TRUE(parsed.kind == KeyKind::kForeign || parsed.kind == KeyKind::kHead ||
                  (parsed.kind == kind && parsed.id != ParseKey(key).id) ||
                  parsed.kind == KeyKind::kGcList)
          << other;
    }
  }
  EXPECT_EQ(ParseKey(GcListKey(18, true, id, 3)).epoch, 18U);
  EXPECT_EQ(ParseKey(PackKey(id)).id, id);
  std::string wrong_shard = PackKey(id);
  wrong_shard[5] = wrong_shard[5] == '0' ? '1' : '0';
  EXPECT_EQ(ParseKey(wrong_shard).kind, KeyKind::kForeign);
  EXPECT_EQ(ParseKey("sess/0000000000000012-04").kind, KeyKind::kForeign);
  EXPECT_EQ(ParseKey("gc/list/018-d-" + id.Text() + "-3").kind, KeyKind::kForeign);
}

TEST(ControlTest, NumbersHaveOneSpelling) {
  const std::string text = *EncodeGcState(SampleGcState());
  for (const char* spelled : {"05", "+5", " 5", "5 ", "5.0", "-5", "", "18446744073709551616"}) {
    Json json = Json::parse(text);
    json["epoch"] = spelled;
    EXPECT_FALSE(DecodeGcState(json.dump()).ok()) << spelled;
  }
}

TEST(HistoryTest, RoundTripAndShape) {
  SeededRandom random(7);
  for (const uint32_t level : {0U, 1U, 3U}) {
    const HistoryNode node = SampleNode(random, level);
    const auto object = EncodeHistoryNode(node);
    ASSERT_TRUE(object.ok()) << object.error().ToString();
    const auto decoded = DecodeHistoryNode(*object);
    ASSERT_TRUE(decoded.ok());
    EXPECT_EQ(decoded->entries, node.entries);
    EXPECT_EQ(decoded->links, node.links);
    for (size_t i = 0; i < object->size(); ++i) {
      Bytes flipped = *object;
      flipped[i] ^= std::byte{1};
      EXPECT_FALSE(DecodeHistoryNode(flipped).ok()) << i;
    }
  }
  EXPECT_FALSE(EncodeHistoryNode({}).ok());
  HistoryNode gap = SampleNode(random, 0);
  gap.entries.erase(gap.entries.begin() + 1);
  EXPECT_FALSE(EncodeHistoryNode(gap).ok());
  HistoryNode upwards = SampleNode(random, 1);
  upwards.links[0].level = 1;
  EXPECT_FALSE(EncodeHistoryNode(upwards).ok());
}

}  // namespace
}  // namespace varve::format
