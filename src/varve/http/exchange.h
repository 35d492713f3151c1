// One request and its reply on one libcurl handle: what libcurl calls, and what it left behind.
//
// Not for other folders. Belongs to the thread that runs its multi handle.
#pragma once

#include <curl/curl.h>

#include <array>
#include <string>
#include <vector>

#include "varve/base/clock.h"
#include "varve/http/transport.h"

namespace varve::http {

inline constexpr long kConnectTimeoutMs = 3000;
inline constexpr long kLowSpeedBytes = 1024, kLowSpeedSeconds = 20;
inline constexpr long kIdleSeconds = 5;             // Servers drop idle connections about then.
inline constexpr long kConnectionSecondsMax = 300;  // So that a new address gets its share.

Error AlmostSilent(const std::string& host);  // For kLowSpeedSeconds.

class Exchange {
 public:
  struct Options {
    MutableByteView into;                // Where a good body goes; empty: to reply.body.
    bool take = false;                   // Instead to the request's own taker.
    std::vector<std::string> addresses;  // To try in this order; empty: libcurl asks the system.
    std::string ca_bundle;
    bool new_connection = false;  // One of its own, closed afterwards.
  };
  // `request` and `clock` must outlive it. The easy handle is borrowed, and reset.
  Exchange(CURL* easy, const Request& request, Clock& clock, Options options);
  ~Exchange();
  Exchange(const Exchange&) = delete;
  Exchange& operator=(const Exchange&) = delete;

  CURL* easy() const { return easy_; }
  void Finish(CURLcode code);  // Once, when libcurl says that it is done.

  bool done() const { return done_; }
  // An answer that asking again would hardly change: not an error of the network or of a moment.
  bool good() const;
  bool whole() const { return code_ == CURLE_OK && !too_large_; }  // Of any status.
  // Errors: see Transport::Send.
  Result<Reply> TakeReply();

  bool answering() const { return first_byte_ns_ != 0; }
  int64_t begun_ns() const { return begun_ns_; }
  int64_t first_byte_ns() const { return first_byte_ns_; }
  int64_t last_activity_ns() const { return last_activity_ns_; }
  int64_t done_ns() const { return done_ns_; }
  // When the last byte of the body left for the peer's side of the line; 0: not yet. Looks at the
  // socket's queue, since what lies there is no fault of a peer that does not answer.
  int64_t body_left_ns();
  int64_t answer_wait_ns() const;  // From the end of the body to the first byte of the answer.
  bool maybe_sent() const { return tries_ > 0; }
  bool connected_anew() const;
  std::string PeerAddress() const;  // IPv6 in brackets; empty when it never connected.
  // The failure says something about the address: nobody there, or silence.
  bool address_failed() const;
  uint64_t sent_bytes() const { return sent_bytes_; }
  uint64_t received_bytes() const { return received_bytes_; }
  uint64_t copied_bytes() const { return copied_bytes_; }

 private:
  void SetMethod();
  static size_t OnHeader(char* data, size_t, size_t bytes, void* self);
  static size_t OnBody(char* data, size_t, size_t bytes, void* self);
  static size_t OnRead(char* into, size_t, size_t room, void* self);
  static int OnSeek(void* self, curl_off_t offset, int);
  static int OnSend(void* self, char*, char*, int, int);
  bool TakeHeader(std::string_view line);
  bool TakeBody(ByteView piece);
  long ProxyStatus() const;  // Of its answer to CONNECT; 0 without.

  CURL* const easy_;
  const Request& request_;
  Clock& clock_;
  const Options options_;
  curl_slist* headers_ = nullptr;
  curl_slist* resolve_ = nullptr;

  std::array<char, CURL_ERROR_SIZE> detail_{};
  Reply reply_;
  Status taken_;  // The taker's error.
  CURLcode code_ = CURLE_OK;
  bool done_ = false, too_large_ = false;
  int tries_ = 0;            // Times the request was about to be written to a connection.
  uint64_t sent_bytes_ = 0;  // Of the body, in this try.
  uint64_t header_bytes_ = 0, dropped_bytes_ = 0, received_bytes_ = 0, copied_bytes_ = 0;
  int64_t begun_ns_ = 0, body_handed_ns_ = 0, body_left_ns_ = 0, first_byte_ns_ = 0,
          last_activity_ns_ = 0, done_ns_ = 0;
};

}  // namespace varve::http
