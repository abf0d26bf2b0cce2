#include "machine.hpp"

#include <algorithm>
#include <cstring>
#include <numeric>

#include "block.hpp"
#include "decoder.hpp"
#include "error.hpp"

namespace ptx {

namespace {

constexpr std::size_t most_shared = 227 * 1024;        // of a block, on sm_90
constexpr std::size_t most_static_shared = 48 * 1024;  // what a kernel may declare

}  // namespace

void machine::load(std::string text) {
  auto m = std::make_unique<module_text>(parse_module(std::move(text)));
  for (auto const& [name, at] : m->entries) by_kernel_.emplace(name, m.get());
  for (variable const& v : m->variables) {
    if (addresses_.count(v.name)) continue;
    void* const p = memory_.allocate(std::max<std::size_t>(v.content.size(), 1));
    if (!v.content.empty()) std::memcpy(p, v.content.data(), v.content.size());
    memory_.mark_initialized(p, v.content.size());
    addresses_[v.name] = reinterpret_cast<std::uintptr_t>(p);
  }
  modules_.push_back(std::move(m));
}

executable const& machine::find(std::string const& name) {
  if (auto const it = executables_.find(name); it != executables_.end()) return *it->second;
  auto const it = by_kernel_.find(name);
  if (it == by_kernel_.end()) throw unknown("no kernel " + name);
  auto e = std::make_unique<executable>();
  e->text = parse_kernel(*it->second, name, addresses_);
  for (instruction const& in : e->text.code) e->operations.push_back(decode(e->text, in));
  return *(executables_[name] = std::move(e));
}

void machine::check_shape(kernel const& k, launch_shape const& shape) {
  auto const refuse = [&](char const* kind) {
    complaints_.add(kind, [&] { return k.name; });
    throw fault(kind);
  };
  if (shape.blocks() == 0 || shape.threads() == 0) refuse("a launch without threads");
  if (shape.threads() > 1024 || shape.threads() > k.max_threads) refuse("more threads than the kernel allows");
  if (k.required_threads[0] != 0 && k.required_threads != shape.block) refuse("another block than the kernel requires");
  if (static_cast<std::size_t>(k.shared_bytes) > most_static_shared) refuse("more static shared memory than 48 KiB");
  if (static_cast<std::size_t>(k.shared_bytes) + shape.dynamic_shared > most_shared)
    refuse("more shared memory than a block can have");
  if (shape.threads() % warp_size != 0) complaints_.add("a block that is no multiple of 32 threads", [&] { return k.name; });
}

void machine::run(std::string const& name, launch_shape shape, void const* const* arguments) {
  executable const& program = find(name);
  check_shape(program.text, shape);
  std::vector<unsigned char> parameters(static_cast<std::size_t>(program.text.parameter_bytes));
  for (std::size_t i = 0; i < program.text.parameters.size(); ++i) {
    parameter const& p = program.text.parameters[i];
    std::memcpy(parameters.data() + p.offset, arguments[i], static_cast<std::size_t>(p.bytes));
  }
  counters& counts = counters_[name];
  ++counts.launches;
  launch l{program, shape, parameters, memory_, complaints_, counts, random_, next_block_, options_.is_shuffled};
  std::vector<std::uint64_t> order(shape.blocks());
  std::iota(order.begin(), order.end(), 0);
  if (options_.is_shuffled) std::shuffle(order.begin(), order.end(), random_);
  next_block_ += static_cast<std::uint32_t>(shape.blocks());
  for (std::uint64_t const index : order) {
    block(l, index).run();
    ++counts.blocks;
  }
}

}  // namespace ptx
