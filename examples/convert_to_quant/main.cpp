// convert_to_quant: quantizes the weights of a safetensors file.
#include <csignal>

#include <atomic>
#include <cstdio>
#include <exception>
#include <string>
#include <variant>
#include <vector>

#include "exit_code.hpp"
#include "parse.hpp"
#include "run.hpp"

namespace {

std::atomic<bool> stopped{false};
std::atomic<int> stopped_by{0};
static_assert(std::atomic<bool>::is_always_lock_free && std::atomic<int>::is_always_lock_free, "signal handlers set these");

extern "C" void note_signal(int signal) {
  stopped_by.store(signal);
  stopped.store(true);
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

int fail(int code, std::string const& text) {
  std::fputs(("convert_to_quant: error: " + text + "\n").c_str(), stderr);
  return code;
}

}  // namespace

int main(int count, char** values) {
  listen_to_signals();
  try {
    auto const asked = convert_to_quant::parse({values + 1, values + count});
    if (auto const* text = std::get_if<convert_to_quant::information>(&asked)) {
      std::fputs(text->text.c_str(), stdout);
      return 0;
    }
    convert_to_quant::run(std::get<convert_to_quant::options>(asked), stopped);
    return 0;
  } catch (halfstep::cancelled const&) {
    int const signal = stopped_by.load();
    fail(0, "stopped by signal " + std::to_string(signal) + ": nothing was published; run it again to convert");
    std::signal(signal, SIG_DFL);
    std::raise(signal);
    return 128 + signal;
  } catch (...) {
    auto const failure = convert_to_quant::describe(std::current_exception());
    return fail(failure.code, failure.text);
  }
}
