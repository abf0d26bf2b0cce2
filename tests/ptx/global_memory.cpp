#include "global_memory.hpp"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <new>

namespace ptx {

namespace {

constexpr std::size_t guard = 512;   // so that neighbours never touch
constexpr int never_written = 0xcd;  // whatever is computed from it is far from right

void* aligned_memory(std::size_t bytes) {
  std::size_t const whole = (bytes + 255) / 256 * 256 + guard;
  void* const p = std::aligned_alloc(256, whole);
  if (!p) throw std::bad_alloc();
  std::memset(p, never_written, whole);
  return p;
}

}  // namespace

void allocation::release::operator()(void* p) const { std::free(p); }

allocation::allocation(std::size_t bytes)
    : history(bytes), own_(aligned_memory(bytes)), begin_(reinterpret_cast<std::uintptr_t>(own_.get())) {}

allocation::allocation(void* host, std::size_t bytes) : history(bytes), begin_(reinterpret_cast<std::uintptr_t>(host)) {
  std::fill(history.is_initialized.begin(), history.is_initialized.end(), static_cast<unsigned char>(1));
}

void* global_memory::allocate(std::size_t bytes) {
  auto a = std::make_unique<allocation>(bytes);
  void* const p = reinterpret_cast<void*>(a->begin());
  by_address_[a->begin()] = std::move(a);
  return p;
}

void global_memory::adopt(void* host, std::size_t bytes) {
  auto a = std::make_unique<allocation>(host, bytes);
  by_address_[a->begin()] = std::move(a);
}

bool global_memory::release(void const* p) { return by_address_.erase(reinterpret_cast<std::uintptr_t>(p)) != 0; }

allocation* global_memory::find(std::uintptr_t address, std::size_t bytes) const {
  auto it = by_address_.upper_bound(address);
  if (it == by_address_.begin()) return nullptr;
  allocation* const a = (--it)->second.get();
  return a->holds(address, bytes) ? a : nullptr;
}

bool global_memory::is_initialized(void const* p, std::size_t bytes) const {
  allocation const* const a = find(reinterpret_cast<std::uintptr_t>(p), bytes);
  if (!a) return false;
  auto const first =
      a->history.is_initialized.begin() + static_cast<std::ptrdiff_t>(reinterpret_cast<std::uintptr_t>(p) - a->begin());
  return std::find(first, first + static_cast<std::ptrdiff_t>(bytes), static_cast<unsigned char>(0)) ==
         first + static_cast<std::ptrdiff_t>(bytes);
}

void global_memory::mark_initialized(void const* p, std::size_t bytes) {
  allocation* const a = find(reinterpret_cast<std::uintptr_t>(p), bytes);
  if (!a) return;
  auto const first =
      a->history.is_initialized.begin() + static_cast<std::ptrdiff_t>(reinterpret_cast<std::uintptr_t>(p) - a->begin());
  std::fill(first, first + static_cast<std::ptrdiff_t>(bytes), static_cast<unsigned char>(1));
}

}  // namespace ptx
