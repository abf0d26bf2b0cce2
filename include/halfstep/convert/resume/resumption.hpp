// How a run goes on with an interrupted one, and leaves work for the next.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <halfstep/convert/resume/fingerprint.hpp>
#include <halfstep/convert/resume/finished_tensor.hpp>
#include <halfstep/convert/resume/interrupted_run.hpp>
#include <halfstep/convert/resume/resume_journal.hpp>
#include <halfstep/core/error.hpp>
#include <halfstep/core/text.hpp>
#include <halfstep/file/file_identity.hpp>
#include <halfstep/file/journal_file.hpp>
#include <halfstep/file/locked_part.hpp>
#include <halfstep/file/output_policy.hpp>
#include <halfstep/safetensors/writer.hpp>

namespace halfstep {

/// What a run has of the one before it, and what it leaves to the next: nothing, unless its output's part is to be kept.
class resumption {
 public:
  explicit resumption(file::unfinished part) : part_(part) {}

  /// Looks for what an interrupted run to `output` left, and keeps others out. Throws what `interrupted_run::find` throws.
  void look(std::string const& output, std::span<file::file_identity const> inputs) {
    if (part_ != file::unfinished::keep || (found_ && found_->output() == output)) return;
    found_.reset();
    found_ = interrupted_run::find(output, inputs);
  }

  /// Returns whether there is a run to go on with.
  bool goes_on() const { return found_.has_value(); }

  /// Returns the seed of the interrupted run, where it had one.
  std::optional<std::uint64_t> seed() const { return found_ ? found_->made_of().seed : std::nullopt; }

  /// Throws what `interrupted_run::require_same` throws.
  void require_same(fingerprint const& now) const {
    if (found_) found_->require_same(now);
  }

  /// Returns what becomes of what an interrupted run to `output` left, a sentence; empty where that is nothing.
  std::string note(std::string const& output) const {
    if (found_) return "`unfinished keep`: going on with what an interrupted run to " + quoted(output) + " has finished";
    if (part_ == file::unfinished::keep) return "`unfinished keep`: there is nothing to go on with, so this run begins anew";
    try {
      if (interrupted_run::lies_beside(output))
        return "beside " + quoted(output) +
               " lies what another run has finished: this one begins anew; `unfinished keep` would go on with it";
    } catch (io_error const&) {  // the run itself says what is wrong there
    }
    return {};
  }

  /// Gives up the part that is gone on with.
  std::optional<file::locked_part> take_part() { return found_ ? std::optional(found_->take_part()) : std::nullopt; }

  /// Begins to write down what of `output`, which is borrowed, is done, or goes on with it. Throws io_error (create_output) where
  /// a journal is asked for and cannot be made.
  void begin(safetensors::writer& output, fingerprint const& now, std::span<file::file_identity const> inputs) {
    output.leave(part_);
    try {
      if (found_)
        journal_.emplace(output, found_->take_journal(), now, before().size());
      else
        journal_.emplace(output, file::journal_file(output.path(), inputs), now, 0);
    } catch (io_error const&) {
      if (part_ == file::unfinished::keep) throw;
    }
  }

  /// Returns what the interrupted run has finished.
  finished_tensors const& before() const {
    static finished_tensors const none;
    return found_ ? found_->tensors() : none;
  }

  /// Returns where to write down what is done; null before `begin`, after `end`, and where that cannot be done.
  resume_journal* journal() { return journal_ ? &*journal_ : nullptr; }

  /// Says how many tensors of `before` were taken over: the others did not lie in the part as they were written.
  void took_over(std::size_t count) { taken_over_ = count; }
  std::size_t taken_over() const { return taken_over_; }

  /// Returns what is to be said at the end, a sentence each.
  std::vector<std::string> warnings() const {
    std::vector<std::string> all;
    if (auto const changed = before().size() - taken_over_; changed > 0)
      all.push_back(std::to_string(changed) + (changed == 1 ? " tensor" : " tensors") +
                    " of the interrupted run did not lie in the output's part as they were written, and were done again");
    if (journal_ && journal_->is_broken())
      all.push_back(
          "the journal of what is done could not be written to its end, so `unfinished keep` would have known a part of it");
    return all;
  }

  /// Returns whether another run can go on with what this one leaves of `output` where it ends now.
  bool leaves_work(safetensors::writer const& output) const {
    return part_ == file::unfinished::keep && journal_ && journal_->remembers() && output.is_kept();
  }

  /// Removes the journal: the output is published, or given up. Called while the output's part is still locked.
  void end() noexcept {
    if (journal_) journal_->remove();
    journal_.reset();
  }

 private:
  file::unfinished part_;
  std::optional<interrupted_run> found_;
  std::optional<resume_journal> journal_;
  std::size_t taken_over_ = 0;
};

}  // namespace halfstep
