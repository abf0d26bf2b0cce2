// Changes to the markers, tensors and metadata of a quantized file; its weights stay as they are.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include <halfstep/convert/settings.hpp>
#include <halfstep/file/output_policy.hpp>
#include <halfstep/recipe/comfy_quant.hpp>
#include <halfstep/recipe/format.hpp>
#include <halfstep/recipe/marker_edit.hpp>

namespace halfstep {

/// What to change in a file, and where the result goes.
struct edit_options {
  std::string input;
  std::string output = {};           ///< empty: beside the input, named after it
  marker_edit markers = {};          ///< what it removes may also be tensors, by their full names
  std::string added = {};            ///< a model, as `input` names one, whose tensors are added; empty for none
  std::vector<format> formats = {};  ///< that a loader may know
  std::string layers = {};           ///< a Perl expression over names: whose markers are changed; all where it is empty
  quant_metadata metadata = quant_metadata::omit;
  file::overwrite existing = file::overwrite::refuse;
};

/// An edit in its steps, for programs that show what will change before it does.
///
/// Construction opens the file, reads its markers and decides; `write` makes the new file beside its place; `publish` gives it
/// its name. Destroyed before that, it leaves nothing behind. Prints nothing.
class file_edit {
 public:
  /// Throws io_error, format_error where the input is no such file or a marker no JSON object, and usage_error where the edit
  /// changes nothing, names a key, a tensor or layers that are not there, or adds a tensor that is there already.
  explicit file_edit(edit_options options);
  file_edit(file_edit const&) = delete;
  file_edit& operator=(file_edit const&) = delete;
  ~file_edit();

  /// Returns where the result goes.
  std::string const& output_path() const;

  /// Returns what is to be said of how the input was found, a sentence each.
  std::vector<std::string> const& notes() const;
  std::vector<std::string> const& warnings() const;

  /// Returns what changes, a line each.
  std::vector<std::string> const& changes() const;

  /// Returns the rules of loaders that the edited file breaks and its input did not, a sentence each.
  std::vector<std::string> const& faults() const;

  /// Returns the size of the new file.
  std::uint64_t output_bytes() const;

  /// Writes the new file, unpublished. Throws io_error, and `cancelled` within one piece after the observer said so.
  void write(observer const& watcher);

  /// Publishes what `write` wrote. Throws io_error: input_changed where the input was written to meanwhile.
  void publish();

 private:
  class state;
  std::unique_ptr<state> state_;
};

}  // namespace halfstep
