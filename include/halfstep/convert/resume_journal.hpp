// What of an output is done, while it is made: written down so that another run can go on with it.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <halfstep/convert/fingerprint.hpp>
#include <halfstep/convert/finished_tensor.hpp>
#include <halfstep/convert/layer_quality.hpp>
#include <halfstep/convert/settings.hpp>
#include <halfstep/convert/workspace.hpp>
#include <halfstep/core/digest.hpp>
#include <halfstep/core/error.hpp>
#include <halfstep/plan/plan.hpp>
#include <halfstep/safetensors/file_identity.hpp>
#include <halfstep/safetensors/journal_file.hpp>
#include <halfstep/safetensors/text.hpp>
#include <halfstep/safetensors/writer.hpp>

namespace halfstep {

/// The records that an interrupted run left of an output.
class interrupted_run {
 public:
  /// None.
  interrupted_run() = default;

  /// Reads the journal of `output`, a path. Throws io_error where it cannot be read; usage_error, or io_error (input_changed),
  /// with everything that differs from `now` where it belongs to a run of another kind.
  interrupted_run(std::string const& output, fingerprint const& now) {
    auto const found = safetensors::journal_file::read(output);
    if (found.texts.empty()) return;
    auto const began = parse_fingerprint(found.texts.front());
    if (!began) refuse<usage_error>(output, {"its journal is of another version"});
    if (auto const changed = detail::changed_facts(began->inputs, now.inputs); !changed.empty())
      throw io_error(io_stage::input_changed, refusal(output, changed));
    if (auto const changed = began->differences(now); !changed.empty()) refuse<usage_error>(output, changed);
    for (std::size_t i = 1; i < found.texts.size(); ++i)
      if (auto done = parse_finished_tensor(found.texts[i])) tensors_.push_back(std::move(*done));
    journal_bytes_ = found.bytes;
  }

  /// Returns what was finished, a tensor once or more; the last record of one counts.
  std::vector<finished_tensor> const& tensors() const { return tensors_; }

  /// Returns how many tensors these are.
  std::size_t count() const {
    std::set<std::string_view> names;
    for (auto const& done : tensors_) names.insert(done.name);
    return names.size();
  }

  /// Returns how many bytes of the journal hold the records; 0 where there is no journal.
  std::uint64_t journal_bytes() const { return journal_bytes_; }

 private:
  static std::string refusal(std::string const& output, std::vector<std::string> const& changed) {
    return "cannot resume " + safetensors::quoted(output) + ": since it was begun, " + detail::joined(changed, "; ") +
           "; say what was said then, or begin anew without --resume";
  }

  template <class Error>
  [[noreturn]] static void refuse(std::string const& output, std::vector<std::string> const& changed) {
    throw Error(refusal(output, changed));
  }

  std::vector<finished_tensor> tensors_;
  std::uint64_t journal_bytes_ = 0;
};

/// The journal of an output that is being made.
///
/// A record is added as soon as a tensor is done, so a run that is killed loses what was under way. The output's part and the
/// journal are flushed every `flush_bytes` or `flush_seconds`: that bounds what a machine loses that goes down. Records may then
/// speak of bytes that never reached the disk; the digests tell. A journal that cannot be written is given up: the output matters
/// more. Members may be called on several threads at once.
class resume_journal {
 public:
  static constexpr std::uint64_t flush_bytes = std::uint64_t{1} << 30;
  static constexpr std::chrono::seconds flush_seconds{5};
  static constexpr std::uint64_t least_bytes = std::uint64_t{1} << 16;  ///< of a copied tensor that is worth a record

  /// Opens the journal of `output`, which is borrowed and locked, behind what `before` holds. Throws io_error (create_output).
  resume_journal(safetensors::writer& output, fingerprint const& now, interrupted_run const& before,
                 std::span<safetensors::file_identity const> inputs)
      : output_(output), file_(std::in_place, output.path(), before.journal_bytes(), inputs), count_(before.count()) {
    output_.remember_ranges();
    if (before.journal_bytes() == 0) append(serialize(now));
  }

  /// Remembers that everything that the plan stores for `tensor` is written; of a quantized layer with `quality`. Throws io_error
  /// (transfer) where the output cannot be flushed.
  void finished(planned_tensor const& tensor, std::optional<layer_quality> quality) {
    finished_tensor done{tensor.input.name, {}, std::move(quality)};
    std::uint64_t bytes = 0;
    for (auto const& made : tensor.outputs) {
      if (made.role == artifact_role::marker) continue;
      for (auto const& range : output_.take_ranges(*output_.head().find(made.spec.name))) {
        done.ranges.push_back({made.spec.name, range});
        bytes += range.bytes;
      }
    }
    if (tensor.what == action::keep && bytes < least_bytes) return;
    auto const record = serialize(done);
    bool due = false;
    {
      std::scoped_lock const lock(guard_);
      append(record);
      ++count_;
      unflushed_ += bytes;
      due = file_ && (unflushed_ >= flush_bytes || clock::now() - flushed_ >= flush_seconds);
    }
    if (due) flush();
  }

  /// Returns whether a tensor is finished by this run or by the one before.
  bool remembers() const {
    std::scoped_lock const lock(guard_);
    return file_ && count_ > 0;
  }

  /// Removes the journal: the output is published, or given up.
  void remove() noexcept {
    std::scoped_lock const lock(guard_);
    if (file_) file_->remove();
    file_.reset();
  }

 private:
  using clock = std::chrono::steady_clock;

  void append(std::string const& record) {
    if (file_ && !file_->append(record)) give_up();
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
    if (file_ && !file_->flush()) give_up();
  }

  void give_up() {
    file_->remove();
    file_.reset();
  }

  safetensors::writer& output_;
  mutable std::mutex guard_;
  std::optional<safetensors::journal_file> file_;
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
  std::map<std::string_view, std::vector<safetensors::written_range>> written;
  for (auto const& range : done.ranges) written[range.tensor].push_back(range.bytes);
  for (auto const& made : tensor.outputs) {
    if (made.role == artifact_role::marker) continue;
    auto& ranges = written[made.spec.name];
    auto const& stored = *output.head().find(made.spec.name);
    std::ranges::sort(ranges, {}, &safetensors::written_range::offset);
    std::uint64_t end = 0;
    for (auto const& range : ranges) {
      bool const follows = range.offset == end && range.bytes <= stored.bytes() - end;
      if (!follows || range.bytes > safetensors::written_range::most_bytes) return false;
      end += range.bytes;
    }
    if (end != stored.bytes()) return false;
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
