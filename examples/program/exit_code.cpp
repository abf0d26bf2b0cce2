// The exit codes of sysexits.h, by kind of error.
#include "exit_code.hpp"

#include <algorithm>
#include <new>
#include <system_error>

#include <halfstep/core/error.hpp>
#include <halfstep/recipe/contract_error.hpp>
#include <halfstep/report/quality_limit.hpp>

namespace program {

namespace {

enum code : int {
  quality = 3,
  usage = 2,
  bad_data = 65,
  no_input = 66,
  internal = 70,
  no_memory = 71,
  no_output = 73,
  transfer = 74,
  busy = 75,
  stopped = 130  // by a signal: the shell is told by the signal itself
};

int code_of(halfstep::io_stage stage) {
  switch (stage) {
    case halfstep::io_stage::open_input:
      return no_input;
    case halfstep::io_stage::create_output:
      return no_output;
    case halfstep::io_stage::transfer:
      return transfer;
    case halfstep::io_stage::busy:
      return busy;
    case halfstep::io_stage::input_changed:
      return bad_data;
  }
  return internal;
}

std::string one_line(std::string text) {
  std::replace(text.begin(), text.end(), '\n', ' ');
  return text;
}

}  // namespace

failure describe(std::exception_ptr const& error) {
  try {
    std::rethrow_exception(error);
  } catch (halfstep::quality_error const& e) {
    return {quality, one_line(e.what())};
  } catch (halfstep::usage_error const& e) {
    return {usage, one_line(e.what())};
  } catch (halfstep::unknown_option const& e) {
    return {usage, one_line(e.what())};
  } catch (halfstep::format_error const& e) {
    return {bad_data, one_line(e.what())};
  } catch (halfstep::value_error const& e) {
    return {bad_data, one_line(e.what())};
  } catch (halfstep::io_error const& e) {
    return {code_of(e.stage()), one_line(e.what())};
  } catch (halfstep::cancelled const& e) {
    return {stopped, one_line(e.what())};
  } catch (halfstep::contract_error const& e) {
    return {internal, "the finished file failed its check: " + one_line(e.what())};
  } catch (std::bad_alloc const&) {
    return {no_memory, "out of memory: nothing was published; try --low-memory or a smaller --threads"};
  } catch (std::system_error const& e) {
    return {no_memory, "the system refused a thread or a lock: " + one_line(e.what()) + "; try --threads 1"};
  } catch (std::exception const& e) {
    return {internal, "internal error: " + one_line(e.what()) + "; please report it"};
  }
}

}  // namespace program
