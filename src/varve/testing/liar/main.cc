// liar UPSTREAM_PORT [PORT [SEED PER_MILLE]]: the proxy alone, in front of 127.0.0.1:UPSTREAM_PORT,
// until SIGTERM. Prints its port on a line. With a seed it storms: PER_MILLE of the requests meet a
// lie. SIGUSR1 sends the zombies.
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <string>

#include "varve/testing/liar/liar.h"

int main(int argc, char** argv) {
  sigset_t signals;
  sigemptyset(&signals);
  for (const int each : {SIGTERM, SIGINT, SIGUSR1}) sigaddset(&signals, each);
  pthread_sigmask(SIG_BLOCK, &signals,
                  nullptr);  // Before any thread starts, so that all inherit it.
  if (argc < 2) return 2;
  varve::liar::Liar::Options options;
  options.upstream_port = static_cast<uint16_t>(std::atoi(argv[1]));
  if (argc > 2) options.port = static_cast<uint16_t>(std::atoi(argv[2]));
  const auto liar = varve::liar::Liar::Start(options);
  if (!liar.ok()) return varve::ExitCode(liar.error().code());
  if (argc > 4) {
    (*liar)->Storm(std::strtoull(argv[3], nullptr, 10), static_cast<uint32_t>(std::atoi(argv[4])));
  }
  const std::string line = std::to_string((*liar)->port()) + "\n";
  if (write(STDOUT_FILENO, line.data(), line.size()) < 0) return 1;
  for (int signal = 0; sigwait(&signals, &signal) == 0;) {
    if (signal != SIGUSR1) return 0;
    static_cast<void>((*liar)->WakeZombies());
  }
  return 1;
}
