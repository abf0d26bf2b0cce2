// A file beside an unfinished output that remembers, line by line, what of it is done.
#pragma once

#include <cerrno>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <halfstep/core/digest.hpp>
#include <halfstep/core/error.hpp>
#include <halfstep/safetensors/descriptor.hpp>
#include <halfstep/safetensors/file_identity.hpp>
#include <halfstep/safetensors/output_place.hpp>
#include <halfstep/safetensors/text.hpp>

namespace halfstep::safetensors {

/// The most bytes of a journal that are read: far more than one for the largest models.
inline constexpr std::uint64_t max_journal_bytes = std::uint64_t{1} << 30;

/// The records of a journal, each whole, and how many bytes of the file they take; behind them lies what an interruption tore.
struct journal_records {
  std::vector<std::string> texts;
  std::uint64_t bytes = 0;
};

namespace detail {

inline constexpr std::size_t journal_digest_digits = 16;

inline std::string journal_line(std::string_view text) {
  char digits[journal_digest_digits];
  auto const end = std::to_chars(digits, digits + sizeof(digits), digest(std::as_bytes(std::span(text))), 16).ptr;
  auto const count = static_cast<std::size_t>(end - digits);
  return std::string(journal_digest_digits - count, '0') + std::string(digits, count) + ' ' + std::string(text) + '\n';
}

inline journal_records parse_journal(std::string_view bytes) {
  journal_records found;
  for (auto end = bytes.find('\n'); end != std::string_view::npos; end = bytes.find('\n', found.bytes)) {
    auto const line = bytes.substr(found.bytes, end + 1 - found.bytes);
    if (line.size() < journal_digest_digits + 2) break;
    auto const text = line.substr(journal_digest_digits + 1, line.size() - journal_digest_digits - 2);
    if (line != journal_line(text)) break;
    found.texts.emplace_back(text);
    found.bytes = end + 1;
  }
  return found;
}

}  // namespace detail

/// A journal at `<output>.part.journal`: records of text without line breaks, each on a line with its own checksum, only ever
/// added to. Whoever holds the output's part writes it; reading needs no lock.
class journal_file {
 public:
  static constexpr std::string_view ending = ".part.journal";

  /// Returns the records of the journal of an output, up to the first that is torn or changed; none where there is no journal.
  ///
  /// Throws io_error: create_output where the output's directory is missing or the journal is no regular file or cannot be
  /// opened, transfer where it cannot be read.
  static journal_records read(std::string const& output) {
    output_place const place(output);
    auto const file = open(place, O_RDONLY);
    if (!file && errno == ENOENT) return {};
    struct ::stat const s = require_regular(output, file.get());
    if (static_cast<std::uint64_t>(s.st_size) > max_journal_bytes) refuse(output, "it is too large for a journal; remove it");
    std::string bytes(static_cast<std::size_t>(s.st_size), '\0');
    auto const n = detail::read_fully(file.get(), 0, std::as_writable_bytes(std::span(bytes)));
    if (n < 0)
      detail::fail(io_stage::transfer, "cannot read", output + std::string(ending),
                   detail::errno_text(errno) + "; check the disk it lies on");
    return detail::parse_journal(std::string_view(bytes).substr(0, static_cast<std::size_t>(n)));
  }

  /// Opens the journal of an output to add to it, behind the first `bytes` of what is there; 0 begins a new one.
  ///
  /// Throws io_error (create_output) where it cannot be opened, is no regular file, has a second name, or is one of `inputs`.
  journal_file(std::string const& output, std::uint64_t bytes, std::span<file_identity const> inputs)
      : place_(output), file_(open(place_, O_WRONLY | O_CREAT | O_APPEND)) {
    struct ::stat const s = require_regular(output, file_.get());
    if (s.st_nlink != 1) refuse(output, "it has a second name; remove it");
    for (file_identity const& input : inputs)
      if (input.same_file(detail::identity_of(s)))
        refuse(output, "it is an input of this run; choose another name for the output");
    if (static_cast<std::uint64_t>(s.st_size) == bytes) return;
    if (detail::retry([&] { return ::ftruncate(file_.get(), static_cast<off_t>(bytes)); }) != 0)
      refuse(output, detail::errno_text(errno) + "; check the file system");
  }

  /// Adds a record. Returns whether that went well; where it did not, nothing more is to be added.
  [[nodiscard]] bool append(std::string_view text) {
    std::string const line = detail::journal_line(text);
    for (std::size_t done = 0; done < line.size();) {
      auto const n = detail::retry([&] { return ::write(file_.get(), line.data() + done, line.size() - done); });
      if (n <= 0) return false;
      done += static_cast<std::size_t>(n);
    }
    return true;
  }

  /// Flushes the records. Returns whether that went well.
  [[nodiscard]] bool flush() { return ::fdatasync(file_.get()) == 0; }

  /// Removes the journal. Its object is of no more use.
  void remove() noexcept {
    ::unlinkat(place_.directory(), place_.name(ending).c_str(), 0);
    file_ = {};
  }

 private:
  static detail::descriptor open(output_place const& place, int flags) {
    flags |= O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY;
    return detail::descriptor(
        detail::retry([&] { return ::openat(place.directory(), place.name(ending).c_str(), flags, 0666); }));
  }

  static struct ::stat require_regular(std::string const& output, int file) {
    struct ::stat s;
    if (file < 0 || ::fstat(file, &s) != 0) refuse(output, detail::errno_text(errno) + "; check its permissions, or remove it");
    if (!S_ISREG(s.st_mode)) refuse(output, "it is not a regular file; remove it");
    return s;
  }

  [[noreturn]] static void refuse(std::string const& output, std::string const& why) {
    detail::fail(io_stage::create_output, "cannot use", output + std::string(ending), why);
  }

  output_place place_;
  detail::descriptor file_;
};

}  // namespace halfstep::safetensors
