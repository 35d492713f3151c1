#include "varve/store/s3/credentials/run_command.h"

#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>

extern char** environ;

namespace varve::store {
namespace {

constexpr int kPollMs = 100;  // How late a cancel may reach the program.

Error Failed(const std::string& what) { return Error(ErrorCode::kPermissionDenied, what); }

// Everything until the end of the stream, the limit, or the end of the operation.
Result<std::string> ReadAll(const OpContext& ctx, int stream, size_t bytes_max) {
  std::string output;
  for (;;) {
    VARVE_CHECK_OK(ctx.Check());
    pollfd wait{stream, POLLIN, 0};
    const int ready = ::poll(&wait, 1, kPollMs);
    if (ready <= 0) continue;
    char piece[4096];
    const ssize_t got = ::read(stream, piece, sizeof piece);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return output;
    output.append(piece, static_cast<size_t>(got));
    if (output.size() > bytes_max) return Failed("it prints more than credentials");
  }
}

// The exit status, or -1 when a signal ended it.
Result<int> WaitFor(const OpContext& ctx, pid_t process) {
  for (;;) {
    int status = 0;
    const pid_t ended = ::waitpid(process, &status, WNOHANG);
    if (ended == process) return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
    if (ended < 0 && errno != EINTR) return 0;  // Another part of the program reaped it.
    VARVE_CHECK_OK(ctx.SleepMs(5));
  }
}

}  // namespace

Result<std::vector<std::string>> SplitCommand(const std::string& line) {
  std::vector<std::string> words;
  bool inside = false;
  char quote = 0;
  for (size_t i = 0; i < line.size(); ++i) {
    const char letter = line[i];
    if (quote == 0 && (letter == ' ' || letter == '\t')) {
      inside = false;
      continue;
    }
    if (!inside) words.emplace_back();
    inside = true;
    if (letter == quote && quote != 0) {
      quote = 0;
    } else if (quote == 0 && (letter == '"' || letter == '\'')) {
      quote = letter;
    } else if (letter == '\\' && quote != '\'' && i + 1 < line.size() &&
               (quote == 0 || line[i + 1] == '"' || line[i + 1] == '\\')) {
      words.back() += line[++i];
    } else {
      words.back() += letter;
    }
  }
  if (quote != 0) return Error(ErrorCode::kInvalidArgument, "a quote does not end");
  return words;
}

Result<std::string> RunCommand(const OpContext& ctx, const std::vector<std::string>& words,
                               size_t bytes_max) {
  if (words.empty()) return Failed("it names no program");
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return Failed("no pipe can be made");
  std::vector<char*> arguments;
  for (const std::string& word : words) arguments.push_back(const_cast<char*>(word.c_str()));
  arguments.push_back(nullptr);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
  posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
  pid_t process = 0;
  const int failed =
      ::posix_spawnp(&process, arguments[0], &actions, nullptr, arguments.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  ::close(ends[1]);
  if (failed != 0) {
    ::close(ends[0]);
    return Failed("'" + words[0] + "' cannot be started");
  }
  auto output = ReadAll(ctx, ends[0], bytes_max);
  ::close(ends[0]);
  auto status = output.ok() ? WaitFor(ctx, process) : Result<int>(output.error());
  if (!status.ok()) {
    ::kill(process, SIGKILL);
    ::waitpid(process, nullptr, 0);
    return std::move(status).error();
  }
  if (*status != 0) {
    return Failed("'" + words[0] + "' ended with status " + std::to_string(*status) +
                  "; run it by hand to see why");
  }
  return output;
}

}  // namespace varve::store
