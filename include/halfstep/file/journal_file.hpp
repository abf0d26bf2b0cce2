// A file beside an unfinished output that remembers, line by line, what of it is done.
#pragma once

#include <cerrno>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <optional>
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
#include <halfstep/core/text.hpp>
#include <halfstep/file/descriptor.hpp>
#include <halfstep/file/file_identity.hpp>
#include <halfstep/file/output_place.hpp>

namespace halfstep::file {

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

// Takes whole records from the start of `bytes`, at most `most`; false where something else lies there.
inline bool take_records(std::string_view bytes, std::size_t most, journal_records& found, std::size_t& taken) {
  taken = 0;
  while (found.texts.size() < most) {
    auto const end = bytes.find('\n', taken);
    if (end == std::string_view::npos) return true;
    auto const line = bytes.substr(taken, end + 1 - taken);
    if (line.size() < journal_digest_digits + 2) return false;
    auto const text = line.substr(journal_digest_digits + 1, line.size() - journal_digest_digits - 2);
    if (line != journal_line(text)) return false;
    found.texts.emplace_back(text);
    found.bytes += line.size();
    taken = end + 1;
  }
  return true;
}

}  // namespace detail

/// A journal at `<output>.part.journal`: records of text without line breaks, each on a line with its own checksum, only ever
/// added to. Whoever holds the output's part opens it; `read`, which needs no lock, is for those who only look.
class journal_file {
 public:
  static constexpr std::string_view ending = ".part.journal";

  /// Returns the records of the journal of an output, up to the first that is torn or changed and at most `most`; none where
  /// there is no journal, or no part that it could speak of.
  ///
  /// Throws io_error: create_output where the output's directory is missing or the journal is no regular file or cannot be
  /// opened, transfer where it cannot be read.
  static journal_records read(std::string const& output, std::size_t most = std::size_t(-1)) {
    output_place const place(output);
    struct ::stat part;
    if (::fstatat(place.directory(), place.name(".part").c_str(), &part, AT_SYMLINK_NOFOLLOW) != 0) return {};
    auto const file = open(place, O_RDONLY);
    if (!file && errno == ENOENT) return {};
    require_regular(output, file.get());
    return read(output, file.get(), most);
  }

  /// Opens the journal that an earlier run left, and reads it; nothing where there is none, or none with a whole record. It is as
  /// it was until something is added.
  ///
  /// Throws io_error: create_output where it cannot be opened, is no regular file, has a second name, or is one of `inputs`,
  /// transfer where it cannot be read.
  static std::optional<journal_file> find(std::string const& output, std::span<file_identity const> inputs) {
    output_place place(output);
    auto file = open(place, O_RDWR | O_APPEND);
    if (!file && errno == ENOENT) return std::nullopt;
    journal_file found(std::move(place), std::move(file));
    static_cast<void>(found.require_usable(output, inputs));
    found.records_ = read(output, found.file_.get(), std::size_t(-1));
    found.size_ = found.records_.bytes;
    if (found.records_.texts.empty()) return std::nullopt;
    return found;
  }

  /// Begins a journal anew, whatever is there.
  ///
  /// Throws io_error (create_output) where it cannot be opened, is no regular file, holds something else than records, has a
  /// second name, or is one of `inputs`.
  journal_file(std::string const& output, std::span<file_identity const> inputs) : place_(output) {
    file_ = open(place_, O_RDWR | O_CREAT | O_APPEND);
    auto const s = require_usable(output, inputs);
    if (s.st_size != 0 && read(output, file_.get(), 1).texts.empty())
      refuse(output, stated("file.no_journal", "it is not a journal of this program; remove it"));
    if (s.st_size != 0 && !cut()) refuse(output, detail::refused_by_system(errno, "check the file system"));
    is_cut_ = true;
  }
  journal_file(journal_file&&) = default;
  journal_file& operator=(journal_file&&) = default;

  /// Returns the records that `find` found, once.
  std::vector<std::string> take_records() { return std::exchange(records_.texts, {}); }

  /// Returns whether there is no record.
  bool is_empty() const { return size_ == 0; }

  /// Adds a record. Returns whether that went well; where it did not, nothing more is to be added. What was added before stays.
  [[nodiscard]] bool append(std::string_view text) {
    std::string const line = detail::journal_line(text);
    if (!std::exchange(is_cut_, true) && !cut()) return false;
    for (std::size_t done = 0; done < line.size();) {
      auto const n = detail::retry([&] { return ::write(file_.get(), line.data() + done, line.size() - done); });
      if (n <= 0) {
        static_cast<void>(cut());  // a torn record would be dropped all the same
        return false;
      }
      done += static_cast<std::size_t>(n);
    }
    size_ += line.size();
    return true;
  }

  /// Flushes the records, and the first time the directory. Returns whether that went well.
  [[nodiscard]] bool flush() {
    if (::fdatasync(file_.get()) != 0) return false;
    if (!std::exchange(is_entered_, true)) return ::fsync(place_.directory()) == 0;
    return true;
  }

  /// Removes the journal. Its object is of no more use.
  void remove() noexcept {
    struct ::stat mine, named;
    if (file_ && ::fstat(file_.get(), &mine) == 0 &&
        ::fstatat(place_.directory(), place_.name(ending).c_str(), &named, AT_SYMLINK_NOFOLLOW) == 0 &&
        detail::identity_of(mine).same_file(detail::identity_of(named)))
      ::unlinkat(place_.directory(), place_.name(ending).c_str(), 0);
    file_ = {};
  }

 private:
  static detail::descriptor open(output_place const& place, int flags) {
    flags |= O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY;
    return detail::descriptor(
        detail::retry([&] { return ::openat(place.directory(), place.name(ending).c_str(), flags, 0666); }));
  }

  static journal_records read(std::string const& output, int file, std::size_t most) {
    constexpr std::size_t step = std::size_t{1} << 20;
    constexpr std::size_t longest = std::size_t{4} << 20;  // record: more than one of the largest tensor takes
    journal_records found;
    std::string held;  // the start of a record that is not whole yet
    for (std::uint64_t at = 0; found.texts.size() < most && held.size() < longest; at += step) {
      std::size_t const before = held.size();
      held.resize(before + step);
      auto const n = detail::read_fully(file, at, std::as_writable_bytes(std::span(held).subspan(before)));
      if (n < 0)
        detail::fail(io_stage::transfer, "cannot read", output + std::string(ending),
                     detail::refused_by_system(errno, "check the disk it lies on"));
      held.resize(before + static_cast<std::size_t>(n));
      std::size_t taken = 0;
      if (!detail::take_records(held, most, found, taken) || static_cast<std::size_t>(n) < step) break;
      held.erase(0, taken);
    }
    return found;
  }

  journal_file(output_place place, detail::descriptor file) : place_(std::move(place)), file_(std::move(file)) {}

  // Cuts off what lies behind the records.
  bool cut() {
    return detail::retry([&] { return ::ftruncate(file_.get(), static_cast<off_t>(size_)); }) == 0;
  }

  struct ::stat require_usable(std::string const& output, std::span<file_identity const> inputs) const {
    struct ::stat const s = require_regular(output, file_.get());
    if (s.st_nlink != 1) refuse(output, stated("file.linked", "it has a second name; remove it"));
    for (file_identity const& input : inputs)
      if (input.same_file(detail::identity_of(s)))
        refuse(output, stated("file.is_input", "it is an input of this run; choose another name for the output"));
    return s;
  }

  static struct ::stat require_regular(std::string const& output, int file) {
    struct ::stat s;
    if (file < 0 || ::fstat(file, &s) != 0)
      refuse(output, detail::refused_by_system(errno, "check its permissions, or remove it"));
    if (!S_ISREG(s.st_mode)) refuse(output, stated("file.not_regular", "it is not a regular file; remove it"));
    return s;
  }

  [[noreturn]] static void refuse(std::string const& output, message why) {
    detail::fail(io_stage::create_output, "cannot use", output + std::string(ending), std::move(why));
  }

  output_place place_;
  detail::descriptor file_;
  journal_records records_;
  std::uint64_t size_ = 0;   ///< of the records
  bool is_cut_ = false;      ///< behind them
  bool is_entered_ = false;  ///< in its directory, on the disk
};

}  // namespace halfstep::file
