// usage: measure FILE COMMAND..
// Runs the command, writes "SECONDS PEAK_KIB PROCESSOR_SECONDS" (wall time, peak resident memory, user and system time of all its
// threads) into FILE, and ends as the command ended.
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <cstdio>

int main(int count, char** arguments) {
  if (count < 3) {
    std::fprintf(stderr, "usage: measure FILE COMMAND..\n");
    return 2;
  }
  auto const start = std::chrono::steady_clock::now();
  pid_t const child = ::fork();
  if (child < 0) {
    std::perror("measure: fork");
    return 1;
  }
  if (child == 0) {
    ::execvp(arguments[2], arguments + 2);
    std::perror(arguments[2]);
    ::_exit(127);
  }
  int status = 0;
  rusage usage{};
  while (::wait4(child, &status, 0, &usage) < 0) {
  }
  double const seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  auto const in_seconds = [](timeval const& t) { return static_cast<double>(t.tv_sec) + 1e-6 * static_cast<double>(t.tv_usec); };
  double const processor = in_seconds(usage.ru_utime) + in_seconds(usage.ru_stime);
  std::FILE* const file = std::fopen(arguments[1], "w");
  if (file == nullptr || std::fprintf(file, "%.6f %ld %.6f\n", seconds, usage.ru_maxrss, processor) < 0 ||
      std::fclose(file) != 0) {
    std::perror(arguments[1]);
    return 1;
  }
  return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}
