#include "ptx_device.hpp"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iterator>
#include <new>

#include "error.hpp"
#include "fat_binary.hpp"

namespace ptx {

namespace {

constexpr std::size_t most_bytes = std::size_t{1} << 34;  // of an allocation

std::uint64_t environment(char const* name, std::uint64_t otherwise) {
  char const* const text = std::getenv(name);
  return text && *text ? std::strtoull(text, nullptr, 0) : otherwise;
}

}  // namespace

/// Loads what `text` returns. It runs before main: who launches one of its kernels hears that it is not there.
template <class Text>
void ptx_device::load_text(Text text) {
  try {
    machine_.load(text());
  } catch (unknown const& e) {
    machine_.found().add("PTX that the machine does not know", [&] { return std::string(e.what()); });
  }
}

ptx_device::ptx_device()
    : capability_(static_cast<int>(environment("HALFSTEP_PTX_CAPABILITY", 90))),
      machine_({environment("HALFSTEP_PTX_SEED", 1), true}) {
  char const* const instead = std::getenv("HALFSTEP_PTX_INSTEAD");
  if (!instead || !*instead) return;
  load_text([&] {  // first: the machine keeps the first kernel of a name
    std::ifstream file(instead);
    if (!file) throw unknown(std::string("no file ") + instead);
    return std::string(std::istreambuf_iterator<char>(file), {});
  });
}

ptx_device::~ptx_device() {
  if (environment("HALFSTEP_PTX_COUNTERS", 0) == 0) return;
  for (auto const& [name, counted] : machine_.counted()) std::fprintf(stderr, "%s\n  %s\n", name.c_str(), counted.text().c_str());
}

void* ptx_device::allocate(std::size_t bytes) {
  if (bytes > most_bytes) return nullptr;
  try {
    return machine_.memory().allocate(bytes);
  } catch (std::bad_alloc const&) {
    return nullptr;
  }
}

void* ptx_device::allocate_pinned(std::size_t bytes) {
  void* const p = allocate(bytes);
  if (p) machine_.memory().mark_initialized(p, bytes);  // the host writes to it unseen
  return p;
}

void ptx_device::release(void* p) {
  if (p && !machine_.memory().release(p))
    machine_.found().add("memory is freed that was not allocated", [] { return std::string("cudaFree"); });
}

/// Whether all the bytes lie in one allocation, or none in any; complains where only some do.
bool ptx_device::is_within(void const* p, std::size_t bytes) {
  auto const address = reinterpret_cast<std::uintptr_t>(p);
  if (machine_.memory().find(address, bytes) || !machine_.memory().find(address, 1)) return true;
  machine_.found().add("a copy goes beyond an allocation", [&] { return std::to_string(bytes) + " bytes"; });
  return false;
}

cudaError_t ptx_device::copy(void* to, void const* from, std::size_t bytes) {
  if (bytes == 0) return cudaSuccess;
  if (!is_within(to, bytes) || !is_within(from, bytes)) return cudaErrorInvalidValue;
  global_memory& memory = machine_.memory();
  std::memcpy(to, from, bytes);
  allocation* const source = memory.find(reinterpret_cast<std::uintptr_t>(from), bytes);
  allocation* const target = memory.find(reinterpret_cast<std::uintptr_t>(to), bytes);
  if (source && target) {
    auto const first = source->history.is_initialized.begin() +
                       static_cast<std::ptrdiff_t>(reinterpret_cast<std::uintptr_t>(from) - source->begin());
    std::copy_n(first, bytes,
                target->history.is_initialized.begin() +
                    static_cast<std::ptrdiff_t>(reinterpret_cast<std::uintptr_t>(to) - target->begin()));
  } else if (source && !memory.is_initialized(from, bytes)) {
    machine_.found().add("uninitialized memory is copied to the host", [&] { return std::to_string(bytes) + " bytes"; });
  } else {
    memory.mark_initialized(to, bytes);
  }
  return cudaSuccess;
}

cudaError_t ptx_device::fill(void* p, int value, std::size_t bytes) {
  if (bytes == 0) return cudaSuccess;
  if (!is_within(p, bytes)) return cudaErrorInvalidValue;
  std::memset(p, value, bytes);
  machine_.memory().mark_initialized(p, bytes);
  return cudaSuccess;
}

void ptx_device::load(void const* fat_binary) {
  load_text([&] { return ptx_of(fat_binary, capability_); });
}

void ptx_device::name_kernel(void const* handle, char const* name) { names_[handle] = name; }

cudaError_t ptx_device::launch(void const* handle, dim3 grid, dim3 block, std::size_t shared, void** arguments) {
  if (status_ != cudaSuccess) return status_;
  auto const it = names_.find(handle);
  if (it == names_.end()) return cudaErrorInvalidDeviceFunction;
  if (environment("HALFSTEP_PTX_TRACE", 0) != 0)
    std::fprintf(stderr, "%s, %u x %u x %u blocks of %u threads\n", it->second.c_str(), grid.x, grid.y, grid.z,
                 block.x * block.y * block.z);
  try {
    machine_.run(it->second, {{grid.x, grid.y, grid.z}, {block.x, block.y, block.z}, shared}, arguments);
  } catch (fault const&) {
    status_ = cudaErrorIllegalAddress;  // and a complaint says what it was
  } catch (unknown const& e) {
    machine_.found().add("PTX that the machine does not know", [&] { return it->second + ": " + e.what(); });
    return cudaErrorInvalidDeviceFunction;
  }
  return cudaSuccess;
}

ptx_device& this_device() {
  static ptx_device one;
  return one;
}

}  // namespace ptx

fake_device& device() { return ptx::this_device(); }
