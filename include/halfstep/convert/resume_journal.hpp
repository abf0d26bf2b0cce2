// What of an output is done, while it is made: written down so that another run can go on with it.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <halfstep/convert/fingerprint.hpp>
#include <halfstep/convert/finished_tensor.hpp>
#include <halfstep/convert/settings.hpp>
#include <halfstep/convert/workspace.hpp>
#include <halfstep/core/digest.hpp>
#include <halfstep/core/error.hpp>
#include <halfstep/core/text.hpp>
#include <halfstep/file/file_identity.hpp>
#include <halfstep/file/journal_file.hpp>
#include <halfstep/plan/plan.hpp>
#include <halfstep/plan/plan_remarks.hpp>
#include <halfstep/report/layer_quality.hpp>
#include <halfstep/safetensors/writer.hpp>

namespace halfstep {

/// What an interrupted run left of an output.
class interrupted_run {
 public:
  /// Nothing.
  interrupted_run() = default;

  /// Reads the whole journal of `output`, a path. Throws what `require_same_run` throws.
  interrupted_run(std::string const& output, fingerprint const& now) {
    auto const found = file::journal_file::read(output);
    if (found.texts.empty()) return;
    require_same(output, found.texts.front(), now);
    for (std::size_t i = 1; i < found.texts.size(); ++i)
      if (auto done = parse_finished_tensor(found.texts[i])) tensors_.insert_or_assign(done->name, std::move(*done));
    journal_bytes_ = found.bytes;
  }

  /// Returns whether there is a journal of `output`, without reading all of it. Throws io_error where it cannot be read; io_error
  /// (input_changed) where an input is not the file that it was; usage_error where the run that `now` is makes another output.
  /// Each with everything that differs.
  static bool require_same_run(std::string const& output, fingerprint const& now) {
    auto const found = file::journal_file::read(output, 1);
    if (!found.texts.empty()) require_same(output, found.texts.front(), now);
    return !found.texts.empty();
  }

  /// Returns what began an interrupted run to `output`; nothing where there is none. Throws io_error.
  static std::optional<fingerprint> began(std::string const& output) {
    auto const found = file::journal_file::read(output, 1);
    return found.texts.empty() ? std::nullopt : parse_fingerprint(found.texts.front());
  }

  /// Returns what was finished, by tensor: the last record of each.
  std::map<std::string, finished_tensor, std::less<>> const& tensors() const { return tensors_; }

  /// Returns how many bytes of the journal hold the records; 0 where there is no journal.
  std::uint64_t journal_bytes() const { return journal_bytes_; }

 private:
  static void require_same(std::string const& output, std::string const& record, fingerprint const& now) {
    std::string const what = "cannot resume " + quoted(output) + ": ";
    auto const before = parse_fingerprint(record);
    if (!before)
      throw usage_error(message{"resume.unreadable_journal",
                                what + "this version cannot read its journal; begin anew without `unfinished keep`",
                                {{"output", output}}});
    if (auto const changed = before->changed_inputs(now); !changed.empty())
      throw io_error(io_stage::input_changed,
                     what + "since it was begun, " + joined(changed, "; ") +
                         "; give the file that it was begun with, or begin anew without `unfinished keep`");
    if (auto const changed = before->changed_choices(now); !changed.empty())
      throw usage_error(message{"resume.other_choices",
                                what + "since it was begun, " + joined(changed, "; ") +
                                    "; say what was said then, or begin anew without `unfinished keep`",
                                {{"output", output}, {"changed", joined(changed, "; ")}}});
  }

  std::map<std::string, finished_tensor, std::less<>> tensors_;
  std::uint64_t journal_bytes_ = 0;
};

/// The journal of an output that is being made.
///
/// A record is added as soon as a tensor is done, so a run that is killed loses what was under way. The output's part and the
/// journal are flushed when a tensor is done and `flush_bytes` or `flush_seconds` have passed, or the tensor took `long_seconds`:
/// that bounds what is lost where the machine stops. Records may then speak of bytes that never reached the disk; the digests
/// tell. A journal that cannot be written is not written any more: the output matters more. Members may be called on several
/// threads at once.
class resume_journal {
 public:
  static constexpr std::uint64_t flush_bytes = std::uint64_t{1} << 30;
  static constexpr std::chrono::seconds flush_seconds{5};
  static constexpr double long_seconds = 1.0;
  static constexpr std::uint64_t least_bytes = std::uint64_t{1} << 16;  ///< of a copied tensor that is worth a record

  /// Opens the journal of `output`, which is borrowed and locked, behind what `before` holds. Throws io_error (create_output).
  resume_journal(safetensors::writer& output, fingerprint const& now, interrupted_run const& before,
                 std::span<file::file_identity const> inputs)
      : output_(output), file_(output.path(), before.journal_bytes(), inputs), count_(before.tensors().size()) {
    output_.remember_ranges();
    if (before.journal_bytes() == 0) append(serialize(now));
  }

  /// Remembers that everything that the plan stores for `tensor` is written; of a quantized layer with `quality`. Throws io_error
  /// (transfer) where the output cannot be flushed.
  void finished(planned_tensor const& tensor, std::optional<layer_quality> quality) {
    bool const took_long = quality && quality->seconds >= long_seconds;
    finished_tensor done{tensor.input.name, {}, std::move(quality)};
    std::uint64_t bytes = 0;
    for (auto const& made : tensor.outputs) {
      if (made.role == artifact_role::marker) continue;
      auto const stored = output_.at(made.spec.name);
      done.ranges[made.spec.name] = output_.take_ranges(stored);
      bytes += stored.entry().bytes();
    }
    if (tensor.what == action::keep && bytes < least_bytes) return;
    auto const record = serialize(done);
    bool due = false;
    {
      std::scoped_lock const lock(guard_);
      append(record);
      if (is_broken_) return;
      ++count_;
      unflushed_ += bytes;
      due = took_long || unflushed_ >= flush_bytes || clock::now() - flushed_ >= flush_seconds;
    }
    if (due) flush();
  }

  /// Returns whether a tensor is finished by this run or by the one before.
  bool remembers() const {
    std::scoped_lock const lock(guard_);
    return count_ > 0;
  }

  /// Returns whether the journal could not be written: what was done since is not remembered.
  bool is_broken() const {
    std::scoped_lock const lock(guard_);
    return is_broken_;
  }

  /// Removes the journal: the output is published, or given up. Called while the output's part is still locked.
  void remove() noexcept { file_.remove(); }

 private:
  using clock = std::chrono::steady_clock;

  void append(std::string const& record) {
    if (!is_broken_ && !file_.append(record)) is_broken_ = true;
  }

  /// One thread flushes, the others go on.
  void flush() {
    std::unique_lock const turn(flushing_, std::try_to_lock);
    if (!turn) return;
    {
      std::scoped_lock const lock(guard_);
      unflushed_ = 0;
      flushed_ = clock::now();
    }
    output_.flush_data();
    std::scoped_lock const lock(guard_);
    flushed_ = clock::now();
    if (!file_.flush()) is_broken_ = true;
  }

  safetensors::writer& output_;
  mutable std::mutex guard_;
  file::journal_file file_;
  bool is_broken_ = false;
  std::size_t count_;  ///< of finished tensors
  std::uint64_t unflushed_ = 0;
  clock::time_point flushed_ = clock::now();
  std::mutex flushing_;
};

/// Returns whether the unfinished output holds what `done` says, and all of what `tensor` stores but its marker.
///
/// Reads every byte. Throws io_error (transfer), and `cancelled` when the observer says so.
inline bool holds_finished(safetensors::writer const& output, planned_tensor const& tensor, finished_tensor const& done,
                           observer const& watcher, workspace& memory) {
  if (done.quality.has_value() != (tensor.what == action::quantize)) return false;
  for (auto const& made : tensor.outputs) {
    if (made.role == artifact_role::marker) continue;
    auto const found = done.ranges.find(made.spec.name);
    if (found == done.ranges.end()) return false;
    auto ranges = found->second;
    auto const stored = output.at(made.spec.name);
    std::ranges::sort(ranges, {}, &safetensors::written_range::offset);
    std::uint64_t end = 0;
    for (auto const& range : ranges) {
      bool const follows = range.offset == end && range.bytes <= stored.entry().bytes() - end;
      if (!follows || range.bytes > safetensors::written_range::most_bytes) return false;
      end += range.bytes;
    }
    if (end != stored.entry().bytes()) return false;
    for (auto const& range : ranges) {
      require_going(watcher);
      auto const bytes = memory.codes(static_cast<index_t>(range.bytes));
      output.read_back(stored, range.offset, bytes);
      if (digest(bytes) != range.digest) return false;
    }
  }
  return true;
}

}  // namespace halfstep
