// fake_s3 [PORT]: a FakeS3 with its own bucket `fake`, until SIGTERM. Prints the port on a line.
// The credentials are AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY where set, else fakekey,
// fakesecret; FAKE_S3_CLOCK_S: how many seconds its clock is ahead.
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <string>

#include "varve/testing/fake_s3/fake_s3.h"

int main(int argc, char** argv) {
  sigset_t ends;
  sigemptyset(&ends);
  sigaddset(&ends, SIGTERM);
  sigaddset(&ends, SIGINT);
  pthread_sigmask(SIG_BLOCK, &ends, nullptr);  // Before any thread starts, so that all inherit it.
  varve::fake::FakeS3::Options options;
  if (argc > 1) options.port = static_cast<uint16_t>(std::atoi(argv[1]));
  if (const char* key = std::getenv("AWS_ACCESS_KEY_ID")) options.access_key = key;
  if (const char* secret = std::getenv("AWS_SECRET_ACCESS_KEY")) options.secret_key = secret;
  if (const char* ahead = std::getenv("FAKE_S3_CLOCK_S"))
    options.clock_offset_ms = std::atoll(ahead) * 1000;
  const auto fake = varve::fake::FakeS3::Start(std::move(options));
  if (!fake.ok()) return varve::ExitCode(fake.error().code());
  const std::string line = std::to_string((*fake)->port()) + "\n";
  if (write(STDOUT_FILENO, line.data(), line.size()) < 0) return 1;
  int signal = 0;
  sigwait(&ends, &signal);
  return 0;
}
