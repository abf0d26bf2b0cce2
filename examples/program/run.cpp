// Signal handlers set flags and nothing else; the work looks at one between its pieces.
#include "run.hpp"

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <exception>

#include <halfstep/core/error.hpp>

#include "exit_code.hpp"

namespace program {

namespace {

std::atomic<bool> stop_asked{false};
std::atomic<int> stopped_by{0};
static_assert(std::atomic<bool>::is_always_lock_free && std::atomic<int>::is_always_lock_free, "signal handlers set these");

extern "C" void note_signal(int signal) {
  stopped_by.store(signal);
  stop_asked.store(true);
}

void listen_to_signals() {
  struct sigaction action {};
  action.sa_handler = note_signal;
  sigemptyset(&action.sa_mask);
  sigaction(SIGINT, &action, nullptr);
  sigaction(SIGTERM, &action, nullptr);
  std::signal(SIGXFSZ, SIG_IGN);
  std::signal(SIGPIPE, SIG_IGN);
}

/// Opens /dev/null in place of standard streams that are closed: else the next file to be opened, the output maybe, would get
/// their number, and messages would be written into it.
void open_standard_streams() {
  for (int const stream : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO})
    if (::fcntl(stream, F_GETFD) == -1 && errno == EBADF) ::open("/dev/null", O_RDWR);
}

/// Throws where what was printed did not arrive, unless whoever read it went away: then nobody misses it.
void require_printed() {
  bool const failed = std::fflush(stdout) != 0 || std::ferror(stdout) != 0;
  int const why = errno;
  ::pollfd reader{STDOUT_FILENO, POLLOUT, 0};
  if (!failed || (::poll(&reader, 1, 0) == 1 && (reader.revents & POLLERR) != 0)) return;
  throw halfstep::io_error(halfstep::io_stage::transfer, std::string("cannot write to the standard output: ") +
                                                             std::strerror(why) +
                                                             "; what it holds is incomplete, files are not affected");
}

void say_error(std::string const& name, std::string const& text) {
  std::fputs((name + ": error: " + text + "\n").c_str(), stderr);
}

}  // namespace

int run(std::string const& name, std::function<void(std::atomic<bool> const& stop)> const& work,
        std::function<std::string(std::string_view text)> const& in_words) {
  auto const end = [&](std::string const& advice) {
    int const signal = stopped_by.load();
    say_error(name, "stopped by signal " + std::to_string(signal) + ": " + advice);
    std::signal(signal, SIG_DFL);
    std::raise(signal);
    return 128 + signal;
  };
  open_standard_streams();
  listen_to_signals();
  try {
    work(stop_asked);
    require_printed();
    return 0;
  } catch (stopped const& e) {
    return end(e.what());
  } catch (halfstep::cancelled const&) {
    return end("nothing was published; run it again");
  } catch (...) {
    auto const failure = describe(std::current_exception());
    say_error(name, in_words ? in_words(failure.text) : failure.text);
    return failure.code;
  }
}

}  // namespace program
