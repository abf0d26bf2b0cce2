// A library to preload: makes the N-th call of an I/O function fail, fall short, wait, or raise a signal.
//
// HALFSTEP_FAULTS holds rules CALL:WHICH:ACTION separated by commas. CALL: open, flock, fallocate, pread, pwrite, write, fsync,
// ftruncate, rename, unlinkat, close. WHICH: the number of the call, counted over all threads, or `every`. ACTION: an errno by name,
// `short` (half of the bytes, at least one), `interrupted` (EINTR, every second time), `signal=N`, `wait=MILLISECONDS`. A rule
// that strikes creates the file HALFSTEP_FAULTS_STRUCK.
#include <dlfcn.h>
#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstdarg>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <string>
#include <string_view>
#include <vector>

namespace {

enum class action { fail, fall_short, interrupt, raise_signal, wait };

struct rule {
  std::string call;
  long which;  // 0: every
  action what;
  long argument;  // errno, signal or milliseconds
};

long errno_named(std::string_view name) {
  struct entry {
    std::string_view name;
    int number;
  };
  for (entry const e :
       {entry{"EIO", EIO}, {"ENOSPC", ENOSPC}, {"EDQUOT", EDQUOT}, {"EFBIG", EFBIG}, {"EACCES", EACCES}, {"ENOLCK", ENOLCK}})
    if (e.name == name) return e.number;
  std::abort();
}

std::vector<rule> parse(char const* text) {
  std::vector<rule> rules;
  std::string rest = text == nullptr ? "" : text;
  while (!rest.empty()) {
    auto const comma = std::min(rest.find(','), rest.size());
    std::string const one = rest.substr(0, comma);
    rest.erase(0, comma + 1);
    auto const first = one.find(':');
    auto const second = one.find(':', first + 1);
    std::string const which = one.substr(first + 1, second - first - 1);
    std::string const what = one.substr(second + 1);
    rule r{one.substr(0, first), which == "every" ? 0 : std::atol(which.c_str()), action::fail, 0};
    if (what == "short") {
      r.what = action::fall_short;
    } else if (what == "interrupted") {
      r.what = action::interrupt;
    } else if (what.starts_with("signal=")) {
      r.what = action::raise_signal;
      r.argument = std::atol(what.c_str() + 7);
    } else if (what.starts_with("wait=")) {
      r.what = action::wait;
      r.argument = std::atol(what.c_str() + 5);
    } else {
      r.argument = errno_named(what);
    }
    rules.push_back(r);
  }
  return rules;
}

template <class Function>
Function* real(char const* name) {
  return reinterpret_cast<Function*>(::dlsym(RTLD_NEXT, name));
}

void note_struck() {
  if (char const* const path = std::getenv("HALFSTEP_FAULTS_STRUCK"); path != nullptr)
    if (int const file = real<int(char const*, int, ...)>("open")(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644); file >= 0)
      real<int(int)>("close")(file);
}

void wait_for(long milliseconds) {
  timespec left{milliseconds / 1000, milliseconds % 1000 * 1000000};
  while (::nanosleep(&left, &left) != 0) {
  }
}

struct verdict {
  int error = 0;
  bool shortened = false;
};

class site {
 public:
  explicit site(char const* call) {
    for (rule const& r : parse(std::getenv("HALFSTEP_FAULTS")))
      if (r.call == call) rules_.push_back(r);
  }

  verdict operator()() {
    long const number = ++calls_;
    verdict out;
    for (rule const& r : rules_) {
      if (r.which != 0 && r.which != number) continue;
      if (r.what == action::interrupt && number % 2 == 0) continue;
      note_struck();
      switch (r.what) {
        case action::fail:
          out.error = static_cast<int>(r.argument);
          break;
        case action::interrupt:
          out.error = EINTR;
          break;
        case action::fall_short:
          out.shortened = true;
          break;
        case action::raise_signal:
          ::kill(::getpid(), static_cast<int>(r.argument));
          break;
        case action::wait:
          wait_for(r.argument);
          break;
      }
    }
    return out;
  }

 private:
  std::vector<rule> rules_;
  std::atomic<long> calls_{0};
};

int failed(int error) {
  errno = error;
  return -1;
}

std::size_t halved(std::size_t count) { return count > 1 ? count / 2 : count; }

}  // namespace

extern "C" {

int openat(int directory, char const* path, int flags, ...) {
  static site here("open");
  std::va_list list;
  va_start(list, flags);
  mode_t const mode = (flags & O_CREAT) != 0 ? va_arg(list, mode_t) : 0;
  va_end(list);
  if (verdict const v = here(); v.error != 0) return failed(v.error);
  return real<int(int, char const*, int, ...)>("openat")(directory, path, flags, mode);
}

int open(char const* path, int flags, ...) {
  std::va_list list;
  va_start(list, flags);
  mode_t const mode = (flags & O_CREAT) != 0 ? va_arg(list, mode_t) : 0;
  va_end(list);
  return openat(AT_FDCWD, path, flags, mode);
}

int open64(char const* path, int flags, ...) {
  std::va_list list;
  va_start(list, flags);
  mode_t const mode = (flags & O_CREAT) != 0 ? va_arg(list, mode_t) : 0;
  va_end(list);
  return openat(AT_FDCWD, path, flags, mode);
}

int openat64(int directory, char const* path, int flags, ...) {
  std::va_list list;
  va_start(list, flags);
  mode_t const mode = (flags & O_CREAT) != 0 ? va_arg(list, mode_t) : 0;
  va_end(list);
  return openat(directory, path, flags, mode);
}

int flock(int file, int operation) noexcept {
  static site here("flock");
  if (verdict const v = here(); v.error != 0) return failed(v.error);
  return real<int(int, int)>("flock")(file, operation);
}

int posix_fallocate(int file, off_t offset, off_t count) {
  static site here("fallocate");
  if (verdict const v = here(); v.error != 0) return v.error;
  return real<int(int, off_t, off_t)>("posix_fallocate")(file, offset, count);
}

int posix_fallocate64(int file, off64_t offset, off64_t count) { return posix_fallocate(file, offset, count); }

ssize_t pread(int file, void* into, std::size_t count, off_t offset) {
  static site here("pread");
  verdict const v = here();
  if (v.error != 0) return failed(v.error);
  return real<ssize_t(int, void*, std::size_t, off_t)>("pread")(file, into, v.shortened ? halved(count) : count, offset);
}

ssize_t pread64(int file, void* into, std::size_t count, off64_t offset) { return pread(file, into, count, offset); }

ssize_t pwrite(int file, void const* from, std::size_t count, off_t offset) {
  static site here("pwrite");
  verdict const v = here();
  if (v.error != 0) return failed(v.error);
  return real<ssize_t(int, void const*, std::size_t, off_t)>("pwrite")(file, from, v.shortened ? halved(count) : count, offset);
}

ssize_t pwrite64(int file, void const* from, std::size_t count, off64_t offset) { return pwrite(file, from, count, offset); }

ssize_t write(int file, void const* from, std::size_t count) {
  static site here("write");
  verdict const v = here();
  if (v.error != 0) return failed(v.error);
  return real<ssize_t(int, void const*, std::size_t)>("write")(file, from, v.shortened ? halved(count) : count);
}

int unlinkat(int directory, char const* path, int flags) noexcept {
  static site here("unlinkat");
  if (verdict const v = here(); v.error != 0) return failed(v.error);
  return real<int(int, char const*, int)>("unlinkat")(directory, path, flags);
}

int fsync(int file) {
  static site here("fsync");
  if (verdict const v = here(); v.error != 0) return failed(v.error);
  return real<int(int)>("fsync")(file);
}

int ftruncate(int file, off_t size) noexcept {
  static site here("ftruncate");
  if (verdict const v = here(); v.error != 0) return failed(v.error);
  return real<int(int, off_t)>("ftruncate")(file, size);
}

int ftruncate64(int file, off64_t size) noexcept { return ftruncate(file, size); }

int renameat2(int from_directory, char const* from, int to_directory, char const* to, unsigned flags) noexcept {
  static site here("rename");
  if (verdict const v = here(); v.error != 0) return failed(v.error);
  return real<int(int, char const*, int, char const*, unsigned)>("renameat2")(from_directory, from, to_directory, to, flags);
}

int renameat(int from_directory, char const* from, int to_directory, char const* to) noexcept {
  return renameat2(from_directory, from, to_directory, to, 0);
}

int rename(char const* from, char const* to) noexcept { return renameat2(AT_FDCWD, from, AT_FDCWD, to, 0); }

int close(int file) {
  static site here("close");
  verdict const v = here();
  int const result = real<int(int)>("close")(file);
  return v.error != 0 ? failed(v.error) : result;
}

}  // extern "C"
