// Threads of the standard library are tried first: they throw where OpenMP would end the program.
#include "start_threads.hpp"

#include <latch>
#include <thread>
#include <vector>

namespace program {

void start(halfstep::threads const& team) {
  {
    std::latch all(team.count());
    std::vector<std::jthread> trial;
    for (int i = 1; i < team.count(); ++i) {
      try {
        trial.emplace_back([&all] { all.arrive_and_wait(); });
      } catch (...) {
        all.count_down(team.count() - i + 1);
        throw;
      }
    }
    all.arrive_and_wait();
  }
  team.for_each(team.count(), [](halfstep::index_t) {});
}

}  // namespace program
