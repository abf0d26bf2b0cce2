// calibrate: from captured activations of a model to the statistics that convert_to_quant takes.
//
// Exit codes are those of convert_to_quant; the output appears under its name when it is complete, or not at all.
#include <atomic>

#include <halfstep/exec/any_host.hpp>
#include <halfstep/exec/serial.hpp>
#include <halfstep/exec/threads.hpp>
#include <halfstep/file/process.hpp>

#include "captured.hpp"
#include "options.hpp"
#include "program/in_flags.hpp"
#include "program/run.hpp"
#include "stoppable.hpp"
#include "synthetic.hpp"

int main(int count, char** values) {
  return program::run(
      "calibrate",
      [&](std::atomic<bool> const& stop) {
        auto const asked = calibrate::parse(count, values);
        if (!asked) return;
        if (asked->synthetic) return calibrate::write_synthetic(*asked);
        auto const work = [&](auto const& ex) {
          calibrate::stoppable const team(ex, stop);
          calibrate::write_captured(*asked, halfstep::any_host(team));
        };
        int const threads = asked->threads.value_or(halfstep::file::usable_cores());
        if (threads == 1) return work(halfstep::serial{});
        halfstep::threads const team(threads);
        team.start();
        work(team);
      },
      [](std::string_view text) {
        static constexpr program::option_name names[] = {{"no hessian", "--no-hessian"}, {"overwrite", "--force"}};
        return program::in_flags(text, names);
      });
}
