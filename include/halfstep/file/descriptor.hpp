// File descriptors, and what every call on them shares.
#pragma once

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <system_error>
#include <utility>

#include <unistd.h>

#include <halfstep/core/error.hpp>
#include <halfstep/core/text.hpp>

namespace halfstep::file {

namespace detail {

inline std::string errno_text(int code) { return std::generic_category().message(code); }

// What the system says of `code`, an errno, and what to do about it.
inline message refused_by_system(int code, std::string_view advice) {
  return stated("file.system", "{reason}; {advice}", {{"reason", errno_text(code)}, {"advice", advice}, {"errno", code}});
}

[[noreturn]] inline void fail(io_stage stage, std::string_view what, std::string_view path, message why) {
  throw io_error(stage, within(std::move(why), "{what} {'path}: {why}", {{"what", what}, {"path", path}}));
}

// A file descriptor, closed with its owner.
class descriptor {
 public:
  descriptor() = default;
  explicit descriptor(int number) : number_(number) {}
  descriptor(descriptor&& other) noexcept : number_(std::exchange(other.number_, -1)) {}
  descriptor& operator=(descriptor&& other) noexcept {
    std::swap(number_, other.number_);
    return *this;
  }
  ~descriptor() {
    if (number_ >= 0) ::close(number_);
  }

  int get() const { return number_; }
  int close() { return ::close(std::exchange(number_, -1)); }
  explicit operator bool() const { return number_ >= 0; }

 private:
  int number_ = -1;
};

// Repeats a call that a signal interrupted.
template <class Call>
auto retry(Call call) {
  for (;;) {
    auto const result = call();
    if (result != -1 || errno != EINTR) return result;
  }
}

// Fills `into` from `offset`; returns the bytes read, fewer only at the end of the file, or -1 with errno.
inline std::ptrdiff_t read_fully(int file, std::uint64_t offset, std::span<std::byte> into) {
  std::size_t done = 0;
  while (done < into.size()) {
    auto const n =
        retry([&] { return ::pread(file, into.data() + done, into.size() - done, static_cast<off_t>(offset + done)); });
    if (n < 0) return -1;
    if (n == 0) break;
    done += static_cast<std::size_t>(n);
  }
  return static_cast<std::ptrdiff_t>(done);
}

}  // namespace detail

}  // namespace halfstep::file
