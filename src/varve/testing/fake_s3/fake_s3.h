// An S3 server that does by the book what store/s3 relies on, and misbehaves when told to.
//
// Checks each signature by its own reading of the request as it came; refuses bodies that do not
// match their checksum; applies conditional writes atomically; pages its listings. One bucket name
// per server, in the path or in front of the host's name, objects in memory. Threads: any.
#pragma once

#include <atomic>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <string>

#include "varve/testing/fake_s3/fake_uploads.h"
#include "varve/testing/fake_s3/http_server.h"

namespace varve::fake {

enum class Fault {
  kWithholdAnswer,   // Serves the request, then closes without an answer.
  kWithholdRequest,  // Closes without serving it.
  kSlowDown,         // 503 SlowDown, not served.
  kServedButError,   // Serves the request, then answers 500.
  kTruncateBody,     // Announces the whole body, sends half.
  kOtherRange,       // A range that starts one byte later, and says so.
  kWholeObject,      // Ignores the range: 200 and all bytes.
  kBadListing,       // XML that is cut short.
};

class FakeS3 {
 public:
  struct Options {
    uint16_t port = 0;
    std::string bucket = "fake", region = "us-east-1";
    std::string access_key = "fakekey", secret_key = "fakesecret";
    int64_t clock_offset_ms = 0;  // Its clock is so much ahead.
  };
  static Result<std::unique_ptr<FakeS3>> Start(Options options);

  uint16_t port() const { return server_->port(); }
  std::string endpoint() const { return "http://127.0.0.1:" + std::to_string(port()); }
  // The next request that is signed well meets `fault`; several form a queue.
  void Inject(Fault fault);
  uint64_t requests() const { return requests_; }

 private:
  struct Object {
    std::shared_ptr<const Bytes> body;
    std::string etag;  // Quoted.
    int64_t modified_ms = 0;
  };
  explicit FakeS3(Options options) : options_(std::move(options)) {}
  HttpReply Handle(const HttpRequest& request);
  HttpReply Route(const HttpRequest& request, const std::string& key,
                  const std::map<std::string, std::string>& query);
  HttpReply Put(const HttpRequest& request, const std::string& key);
  HttpReply RouteUpload(const HttpRequest& request, const std::string& key,
                        const std::map<std::string, std::string>& query);
  HttpReply Complete(const HttpRequest& request, const std::string& key, const std::string& id);
  HttpReply Read(const HttpRequest& request, const std::string& key);
  HttpReply List(const std::map<std::string, std::string>& query);
  HttpReply DeleteMany(const HttpRequest& request);

  const Options options_;
  std::atomic<uint64_t> requests_{0};
  std::mutex mutex_;
  std::map<std::string, Object> objects_;  // Guarded by mutex_.
  std::deque<Fault> faults_;               // Guarded by mutex_.
  Uploads uploads_;                        // Guarded by mutex_.
  uint64_t writes_ = 0;                    // Guarded by mutex_.
  std::unique_ptr<HttpServer> server_;     // Last: its threads use the rest.
};

}  // namespace varve::fake
