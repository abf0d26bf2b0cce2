// What of an output is done, while it is made: written down so that another run can go on with it.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <halfstep/convert/resume/fingerprint.hpp>
#include <halfstep/convert/resume/fingerprint_record.hpp>
#include <halfstep/convert/resume/finished_record.hpp>
#include <halfstep/convert/resume/finished_tensor.hpp>
#include <halfstep/convert/resume/written_range.hpp>
#include <halfstep/file/journal_file.hpp>
#include <halfstep/plan/planned.hpp>
#include <halfstep/recipe/artifact.hpp>
#include <halfstep/report/layer_quality.hpp>
#include <halfstep/safetensors/slot.hpp>
#include <halfstep/safetensors/writer.hpp>

namespace halfstep {

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

  /// Goes on with `records`, which say that `count` tensors are done; with none, `now` becomes the first. `output` is borrowed
  /// and watched.
  resume_journal(safetensors::writer& output, file::journal_file records, fingerprint const& now, std::size_t count)
      : output_(output), file_(std::move(records)), count_(count), written_(output.head().tensors().size()) {
    if (file_.is_empty()) append(serialize(now));
    output_.watch([this](safetensors::slot const& to, std::uint64_t offset, std::span<std::byte const> bytes) {
      remember(to, ranges_of(offset, bytes));
    });
  }
  resume_journal(resume_journal const&) = delete;
  resume_journal& operator=(resume_journal const&) = delete;
  ~resume_journal() { output_.watch({}); }

  /// Remembers that everything that the plan stores for `tensor` is written; of a quantized layer with `quality`. Throws io_error
  /// (transfer) where the output cannot be flushed.
  void finished(planned_tensor const& tensor, std::optional<layer_quality> quality) {
    bool const took_long = quality && quality->seconds >= long_seconds;
    finished_tensor done{tensor.input.name, {}, std::move(quality)};
    std::uint64_t bytes = 0;
    for (auto const& made : tensor.outputs) {
      if (made.role == artifact_role::marker) continue;
      auto const stored = output_.at(made.spec.name);
      done.ranges[made.spec.name] = take(stored);
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
  void remember(safetensors::slot const& to, std::vector<written_range> const& ranges) {
    std::scoped_lock const lock(writing_);
    auto& all = written_.at(to.index());
    all.insert(all.end(), ranges.begin(), ranges.end());
  }

  std::vector<written_range> take(safetensors::slot const& of) {
    std::scoped_lock const lock(writing_);
    return std::exchange(written_.at(of.index()), {});
  }

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
  std::mutex writing_;
  std::vector<std::vector<written_range>> written_;  ///< of tensors that are not finished, by their slots
};

}  // namespace halfstep
