// Signal handlers set flags and nothing else; the work looks at one between its pieces.
#include "run.hpp"

#include <csignal>
#include <cstdio>
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

void say_error(std::string const& name, std::string const& text) {
  std::fputs((name + ": error: " + text + "\n").c_str(), stderr);
}

}  // namespace

int run(std::string const& name, std::function<void(std::atomic<bool> const& stop)> const& work) {
  auto const end = [&](std::string const& advice) {
    int const signal = stopped_by.load();
    say_error(name, "stopped by signal " + std::to_string(signal) + ": " + advice);
    std::signal(signal, SIG_DFL);
    std::raise(signal);
    return 128 + signal;
  };
  listen_to_signals();
  try {
    work(stop_asked);
    return 0;
  } catch (stopped const& e) {
    return end(e.what());
  } catch (halfstep::cancelled const&) {
    return end("nothing was published; run it again");
  } catch (...) {
    auto const failure = describe(std::current_exception());
    say_error(name, failure.text);
    return failure.code;
  }
}

}  // namespace program
