// What an interrupted run left of an output, held so that nobody else goes on with it.
#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <utility>

#include <halfstep/convert/resume/fingerprint.hpp>
#include <halfstep/convert/resume/fingerprint_record.hpp>
#include <halfstep/convert/resume/finished_record.hpp>
#include <halfstep/convert/resume/finished_tensor.hpp>
#include <halfstep/core/error.hpp>
#include <halfstep/core/text.hpp>
#include <halfstep/file/file_identity.hpp>
#include <halfstep/file/journal_file.hpp>
#include <halfstep/file/locked_part.hpp>
#include <halfstep/plan/plan_remarks.hpp>

namespace halfstep {

/// What an interrupted run left of an output: its part, locked, and its journal, read once the part was. All stays as it is until
/// a run takes both.
class interrupted_run {
 public:
  /// Returns what lies beside `output`, a path; nothing where no run began there.
  ///
  /// Throws io_error: busy where another run holds it, create_output where the output cannot be made or its journal not be used,
  /// transfer where it cannot be read; usage_error where another version wrote the journal.
  static std::optional<interrupted_run> find(std::string const& output, std::span<file::file_identity const> inputs) {
    auto part = file::locked_part::find(output, inputs);
    if (!part) return std::nullopt;
    auto journal = file::journal_file::find(output, inputs);
    if (!journal) return std::nullopt;
    return interrupted_run(std::move(*part), std::move(*journal));
  }

  /// Returns whether a run began that was to write `output`, without keeping others out. Throws io_error.
  static bool lies_beside(std::string const& output) { return !file::journal_file::read(output, 1).texts.empty(); }

  /// Returns the path of the output.
  std::string const& output() const { return output_; }

  /// Returns what the run was made of.
  fingerprint const& made_of() const { return made_of_; }

  /// Returns what was finished: the last record of each tensor.
  finished_tensors const& tensors() const { return tensors_; }

  /// Throws io_error (input_changed) where an input is not the file that it was, and usage_error where the run that `now` is
  /// makes another output. Each with everything that differs.
  void require_same(fingerprint const& now) const {
    std::string const what = "cannot resume " + quoted(output()) + ": ";
    if (auto const changed = made_of_.changed_inputs(now); !changed.empty())
      throw io_error(io_stage::input_changed,
                     stated("resume.input_changed",
                            "{what}since it was begun, {changed}; give the file that it was begun with, or begin anew without "
                            "`unfinished keep`",
                            {{"what", what}, {"changed", joined(changed, "; ")}, {"output", output()}}));
    if (auto const changed = made_of_.changed_choices(now); !changed.empty())
      throw usage_error(message{"resume.other_choices",
                                what + "since it was begun, " + joined(changed, "; ") +
                                    "; say what was said then, or begin anew without `unfinished keep`",
                                {{"output", output()}, {"changed", joined(changed, "; ")}}});
  }

  /// Gives up the part, for a run that goes on with it.
  file::locked_part take_part() { return std::move(part_); }

  /// Gives up the journal.
  file::journal_file take_journal() { return std::move(journal_); }

 private:
  interrupted_run(file::locked_part part, file::journal_file journal)
      : output_(part.path()), part_(std::move(part)), journal_(std::move(journal)) {
    auto const records = journal_.take_records();
    auto made_of = parse_fingerprint(records.front());
    if (!made_of)
      throw usage_error(message{
          "resume.unreadable_journal",
          "cannot resume " + quoted(output()) + ": its journal was made by another version; begin anew without `unfinished keep`",
          {{"output", output()}}});
    made_of_ = std::move(*made_of);
    for (std::size_t i = 1; i < records.size(); ++i)
      if (auto done = parse_finished_tensor(records[i])) tensors_.insert_or_assign(done->name, std::move(*done));
  }

  std::string output_;
  file::locked_part part_;
  file::journal_file journal_;
  fingerprint made_of_;
  finished_tensors tensors_;
};

}  // namespace halfstep
