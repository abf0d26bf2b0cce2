// A device that executes PTX on the host, warp by warp, and tells what a device would not: races, wrong masks, reads of nothing.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "complaints.hpp"
#include "counters.hpp"
#include "global_memory.hpp"
#include "launch.hpp"
#include "program.hpp"

namespace ptx {

/// How a machine runs blocks and warps.
struct machine_options {
  std::uint64_t seed = 1;
  bool is_shuffled = true;  ///< false: blocks one after the other, warps in turn
};

/// One device: modules, memory, and what was found while kernels ran.
///
/// Launches are done when `run` returns. Everything that depends on an order is done in an order drawn from the seed.
class machine {
 public:
  explicit machine(machine_options options = {}) : options_(options), random_(options.seed) {}

  /// Loads a module; its kernels are decoded at their first launch. Throws unknown.
  void load(std::string text);

  /// Returns the kernel of that name. Throws unknown where there is none or where it holds what the machine does not know.
  executable const& find(std::string const& kernel);

  /// Runs a kernel; `arguments` points to its parameters, one after the other. Throws unknown; fault for what stops a device,
  /// which is among the complaints too.
  void run(std::string const& kernel, launch_shape shape, void const* const* arguments);

  global_memory& memory() { return memory_; }
  complaints& found() { return complaints_; }
  std::map<std::string, counters> const& counted() const { return counters_; }

 private:
  void check_shape(kernel const& k, launch_shape const& shape);

  machine_options options_;
  std::mt19937_64 random_;
  std::vector<std::unique_ptr<module_text>> modules_;
  std::map<std::string, module_text const*> by_kernel_;
  std::map<std::string, std::uint64_t> addresses_;  ///< of variables
  std::map<std::string, std::unique_ptr<executable>> executables_;
  global_memory memory_;
  complaints complaints_;
  std::map<std::string, counters> counters_;
  std::uint32_t next_block_ = 1;
};

}  // namespace ptx
