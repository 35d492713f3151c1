#include "varve/testing/liar/lies.h"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <ctime>

#include "varve/base/random.h"

namespace varve::liar {
namespace {

std::string HttpTime(int64_t wall_ms) {
  const std::time_t seconds = static_cast<std::time_t>(wall_ms / 1000);
  std::tm utc{};
  gmtime_r(&seconds, &utc);
  char text[64];
  return {text, std::strftime(text, sizeof text, "%a, %d %b %Y %H:%M:%S GMT", &utc)};
}

Message Refusal(const std::string& start, const std::string& code, int64_t wall_ms) {
  Message answer;
  answer.start = "HTTP/1.1 " + start;
  answer.body = "<?xml version=\"1.0\"?><Error><Code>" + code +
                "</Code><Message>told by the liar</Message></Error>";
  answer.Set("Content-Type", "application/xml");
  answer.Set("Date", HttpTime(wall_ms));
  answer.Set("x-amz-request-id", "liar");
  return answer;
}

// The <TAG>...</TAG> elements of an answer, as [begin, end) in its body.
std::vector<std::pair<size_t, size_t>> Elements(const std::string& body, const std::string& tag) {
  std::vector<std::pair<size_t, size_t>> found;
  const std::string open = "<" + tag + ">", close = "</" + tag + ">";
  for (size_t at = 0; (at = body.find(open, at)) != std::string::npos;) {
    const size_t end = body.find(close, at);
    if (end == std::string::npos) break;
    found.emplace_back(at, end + close.size());
    at = end;
  }
  return found;
}

void Replace(std::string& text, const std::string& what, const std::string& with) {
  const size_t at = text.find(what);
  if (at != std::string::npos) text.replace(at, what.size(), with);
}

// One to three small damages to the bytes of an answer; never one that makes a refusal a success,
// since nothing but the transport's own checksums stands against that.
Telling Damage(const Message& request, const Message& answer, uint64_t seed) {
  SeededRandom random(seed);
  Telling telling;
  Message told = answer;
  const bool body_matters = ClassOf(request) == 'R' || ClassOf(request) == 'L';
  const uint64_t damages = random.Between(1, 3);
  for (uint64_t i = 0; i < damages; ++i) {
    const auto any_header = [&]() -> std::pair<std::string, std::string>& {
      return told.headers[random.Between(0, told.headers.size() - 1)];
    };
    const auto size = [&] { return told.body.size(); };
    switch (random.Between(0, 11)) {
      case 0:
        any_header().second += "\x01";
        break;
      case 1:
        told.headers.push_back(any_header());
        break;
      case 2:
        told.headers.erase(told.headers.begin() +
                           static_cast<std::ptrdiff_t>(random.Between(0, told.headers.size() - 1)));
        break;
      case 3:
        any_header().second = std::to_string(random.Next64());
        break;
      case 4:
        any_header().first = "x-other";
        break;
      case 5:
        if (size() > 0)
          told.body[random.Between(0, size() - 1)] ^= static_cast<char>(1 << random.Between(0, 7));
        break;
      case 6:
        if (size() > 0) told.body.erase(random.Between(0, size() - 1), random.Between(1, 9));
        break;
      case 7:
        told.body.insert(random.Between(0, size()), std::string(random.Between(1, 9), 'A'));
        break;
      case 8:
        telling.piece_bytes = random.Between(1, 64);
        break;
      case 9:
        if (body_matters)
          Replace(told.start, "200", "206");
        else
          Replace(told.start, "200", "500");
        break;
      case 10:
        Replace(told.start, "HTTP/1.1", "HTTP/1.0");
        break;
      default:
        telling.reset = true;
        break;
    }
    if (told.headers.empty()) told.Set("x-empty", "1");
  }
  telling.bytes = told.Bytes();
  if (telling.reset || random.Between(0, 2) == 0) {
    telling.bytes.resize(random.Between(0, telling.bytes.size()));
    telling.close = !telling.reset;
  }
  if (telling.bytes.size() > 64 * 64) telling.piece_bytes = SIZE_MAX;
  telling.close = telling.close || !telling.reset;
  return telling;
}

Telling Twisted(Message answer) {
  Telling telling;
  telling.bytes = answer.Bytes();
  return telling;
}

std::string TwistList(Lie lie, const std::string& body) {
  auto contents = Elements(body, "Contents");
  if (contents.empty()) return body;
  std::vector<std::string> texts;
  for (const auto& [begin, end] : contents) texts.push_back(body.substr(begin, end - begin));
  if (lie == Lie::kListDrops) texts.pop_back();
  if (lie == Lie::kListRepeats) texts.push_back(texts.front());
  if (lie == Lie::kListReorders) std::reverse(texts.begin(), texts.end());
  std::string all;
  for (const std::string& text : texts) all += text;
  return body.substr(0, contents.front().first) + all + body.substr(contents.back().second);
}

std::string TwistDelete(Lie lie, std::string body) {
  const auto deleted = Elements(body, "Deleted");
  if (deleted.empty()) return body;
  const auto [begin, end] = deleted.back();
  std::string key = body.substr(begin, end - begin);
  Replace(key, "<Deleted>", "");
  Replace(key, "</Deleted>", "");
  const std::string error =
      "<Error>" + key + "<Code>InternalError</Code><Message>m</Message></Error>";
  body.replace(begin, end - begin, lie == Lie::kSomeKeysFail ? error : "");
  return body;
}

}  // namespace

char ClassOf(const Message& request) {
  const std::string method = request.start.substr(0, request.start.find(' '));
  const auto asks = [&](const char* word) { return request.start.find(word) != std::string::npos; };
  if (asks("uploadId=") || asks("?uploads") || asks("&uploads")) return 'M';
  if (method == "POST" && asks("?delete")) return 'D';
  if (method == "DELETE") return 'D';
  if (asks("list-type=")) return 'L';
  if (method == "GET" || method == "HEAD") return 'R';
  if (method != "PUT") return '?';
  return request.Find("if-match") != nullptr || request.Find("if-none-match") != nullptr ? 'C'
                                                                                         : 'W';
}

const std::vector<LieInfo> kLies = {
#define VARVE_LIE(name, row, classes, when) {Lie::name, #name, row, classes, When::when},
    VARVE_LIES(VARVE_LIE)
#undef VARVE_LIE
};

const LieInfo& InfoOf(Lie lie) { return kLies[static_cast<size_t>(lie)]; }

Telling Invent(Lie lie, const Message& request, int64_t wall_ms) {
  const auto tell = [&](const char* start, const char* code) {
    Message answer = Refusal(start, code, wall_ms);
    if (request.start.starts_with("HEAD ")) answer.body.clear();
    return Twisted(std::move(answer));
  };
  switch (lie) {
    case Lie::kSlowDown:
      return tell("503 Slow Down", "SlowDown");
    case Lie::kTooManyRequests:
      return tell("429 Too Many Requests", "TooManyRequests");
    case Lie::kError500Before:
      return tell("500 Internal Server Error", "InternalError");
    case Lie::kError502Before:
      return tell("502 Bad Gateway", "");
    case Lie::kError504Before:
      return tell("504 Gateway Timeout", "");
    case Lie::kConflict409:
      return tell("409 Conflict", "ConditionalRequestConflict");
    case Lie::kVanished404:
      return tell("404 Not Found", "NoSuchKey");
    case Lie::kNoChecksum501:
      return tell("501 Not Implemented", "NotImplemented");
    case Lie::kNoChecksum400:
      return tell("400 Bad Request", "InvalidRequest");
    case Lie::kExpiredToken:
      return tell("400 Bad Request", "ExpiredToken");
    case Lie::kAccessDenied:
      return tell("403 Forbidden", "AccessDenied");
    case Lie::kInvalidAccessKey:
      return tell("403 Forbidden", "InvalidAccessKeyId");
    case Lie::kSkewed:
      return tell("403 Forbidden", "RequestTimeTooSkewed");
    case Lie::kLocked:
      return tell("403 Forbidden", "AccessDenied");
    case Lie::kKeyServiceThrottles:
      return tell("503 Service Unavailable", "KMS.ThrottlingException");
    case Lie::kKeyDisabled:
      return tell("400 Bad Request", "KMS.DisabledException");
    case Lie::kOtherRegion301:
    case Lie::kElsewhere307:
    case Lie::kRegionMalformed: {
      const bool moved = lie == Lie::kOtherRegion301;
      Message answer = lie == Lie::kElsewhere307
                           ? Refusal("307 Temporary Redirect", "TemporaryRedirect", wall_ms)
                       : moved
                           ? Refusal("301 Moved Permanently", "PermanentRedirect", wall_ms)
                           : Refusal("400 Bad Request", "AuthorizationHeaderMalformed", wall_ms);
      if (lie == Lie::kElsewhere307) answer.Set("Location", "http://evil.invalid/");
      if (lie != Lie::kElsewhere307) answer.Set("x-amz-bucket-region", "mars-1");
      Replace(answer.body, "</Message>",
              "</Message><Region>mars-1</Region><Endpoint>evil.invalid</Endpoint>");
      if (request.start.starts_with("HEAD ")) answer.body.clear();
      return Twisted(std::move(answer));
    }
    default: {
      Telling telling;  // kZombie, kResetBefore.
      telling.reset = true;
      return telling;
    }
  }
}

Telling Twist(Lie lie, const Message& request, Message answer, uint64_t seed) {
  Telling telling;
  const bool head = request.start.starts_with("HEAD ");
  switch (lie) {
    case Lie::kError500After:
      return Twisted(Refusal("500 Internal Server Error", "InternalError", 0));
    case Lie::kSilenceAfter:
      telling.hold = true;
      return telling;
    case Lie::kResetAfter:
      telling.reset = true;
      return telling;
    case Lie::kCloseAfter:
      telling.close = true;
      return telling;
    case Lie::kErrorIn200:
      answer.body = Refusal("", "InternalError", 0).body;
      break;
    case Lie::kEmpty200:
      answer.body.clear();
      break;
    case Lie::kHtml200:
      answer.body = "<html><body>Welcome to the portal</body></html>";
      break;
    case Lie::kWrongRoot:
      answer.body = "<?xml version=\"1.0\"?><Result/>";
      break;
    case Lie::kCutXml:
      answer.body.resize(answer.body.size() * 2 / 3);
      break;
    case Lie::kBlanks: {
      const std::string body = answer.body;
      answer.Drop("content-length");
      answer.Set("Transfer-Encoding", "chunked");
      answer.body.clear();
      std::string wire = answer.start + "\r\n";
      for (const auto& [name, value] : answer.headers) wire += name + ": " + value + "\r\n";
      wire += "\r\n";
      for (int i = 0; i < 20; ++i) wire += "1\r\n \r\n";
      char size[32];
      std::snprintf(size, sizeof size, "%zx\r\n", body.size());
      telling.bytes = wire + size + body + "\r\n0\r\n\r\n";
      telling.piece_bytes = 60;
      telling.pause_ms = 5;
      return telling;
    }
    case Lie::kResetInAnswer:
    case Lie::kShortBody: {
      telling.bytes = answer.Bytes();
      if (!head) telling.bytes.resize(telling.bytes.size() - (answer.body.size() + 1) / 2);
      telling.reset = lie == Lie::kResetInAnswer;
      telling.close = !telling.reset;
      return telling;
    }
    case Lie::kShortLength:  // Whole as HTTP, short as an object.
      answer.body.resize(answer.body.size() / 2);
      answer.Set("Content-Length", std::to_string(answer.body.size()));
      break;
    case Lie::kLongBody:
      answer.body += "and more";
      answer.Set("Content-Length", std::to_string(answer.body.size()));
      break;
    case Lie::kOtherRange:
      if (const std::string* range = answer.Find("content-range"); range != nullptr) {
        std::string other = *range;
        Replace(other, "bytes ", "bytes 1");
        answer.Set("Content-Range", other);
      }
      break;
    case Lie::kWhole:
      Replace(answer.start, "206", "200");
      answer.Drop("content-range");
      answer.body += answer.body;
      answer.Set("Content-Length", std::to_string(answer.body.size()));
      break;
    case Lie::kFlipAnswer:
      if (!answer.body.empty()) answer.body[answer.body.size() / 2] ^= 1;
      break;
    case Lie::kNoEtag:
      answer.Drop("etag");
      break;
    case Lie::kWeakEtag:
      if (const std::string* etag = answer.Find("etag"); etag != nullptr)
        answer.Set("ETag", "W/" + *etag);
      break;
    case Lie::kOddEtag:
      answer.Set("ETag", "\"\x01 \xff\"");
      break;
    case Lie::kDrip:
      telling.bytes = answer.Bytes();
      telling.piece_bytes = 1;
      telling.pause_ms = 100;
      return telling;
    case Lie::kCloseKept:
      telling.bytes = answer.Bytes();
      telling.close = true;
      return telling;
    case Lie::kNoToken: {
      for (const auto& [begin, end] : Elements(answer.body, "NextContinuationToken"))
        answer.body.erase(begin, end - begin);
      break;
    }
    case Lie::kListDrops:
    case Lie::kListRepeats:
    case Lie::kListReorders:
      answer.body = TwistList(lie, answer.body);
      break;
    case Lie::kSomeKeysFail:
    case Lie::kSomeKeysUnsaid:
      answer.body = TwistDelete(lie, answer.body);
      break;
    case Lie::kEndlessHeaders:
      telling.bytes = answer.start + "\r\n" + std::string(kEndlessBytes - 2, 'h') + "\r\n";
      Replace(telling.bytes, "hh", "h:");
      telling.endless = true;
      return telling;
    case Lie::kEndlessBody:
      answer.Drop("content-length");
      answer.Set("Transfer-Encoding", "chunked");
      telling.bytes = answer.start + "\r\nTransfer-Encoding: chunked\r\n\r\n";
      // One chunk that fills the repeated tail exactly.
      telling.bytes += "ff9\r\n" + std::string(0xff9, 'e') + "\r\n";
      telling.endless = true;
      return telling;
    case Lie::kGarbageStatus:
      answer.start = "HTTP/1.1 2x0 \x01\xfe";
      break;
    case Lie::kNotHttp:
      telling.bytes = "SSH-2.0-OpenSSH_9.2\r\n";
      telling.close = true;
      return telling;
    case Lie::kBadLength:
      answer.Set("Content-Length", "-1");
      break;
    case Lie::kBadChunks:
      telling.bytes = answer.start + "\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nnot a length\r\n";
      telling.close = true;
      return telling;
    case Lie::kSeeded:
      return Damage(request, answer, seed);
    default:
      break;
  }
  if (head || answer.Find("content-length") == nullptr) {
    if (head) answer.body.clear();
    return Twisted(std::move(answer));
  }
  // The true length belongs to the true body.
  const bool keeps = lie == Lie::kBadLength;
  if (!keeps && answer.status() != 204)
    answer.Set("Content-Length", std::to_string(answer.body.size()));
  return Twisted(std::move(answer));
}

}  // namespace varve::liar
