// Files in an older form, written again with markers.
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include <halfstep/convert/settings.hpp>
#include <halfstep/file/output_policy.hpp>
#include <halfstep/recipe/comfy_quant.hpp>
#include <halfstep/recipe/comfyui_version.hpp>
#include <halfstep/recipe/file_trait.hpp>
#include <halfstep/recipe/format.hpp>

namespace halfstep {

/// What becomes of a file of the older form, in figures.
struct legacy_summary {
  std::vector<std::string> notes;  ///< one sentence each
  std::size_t marked = 0;          ///< layers that get a marker
  std::size_t repaired = 0;        ///< markers that get a format
  loader needs = loader::any;      ///< the most particular program that any of these layers needs
  comfyui_version since = {};      ///< the first of stock ComfyUI that loads all of them that are its
};

/// Gives a file of the older form markers: codes byte for byte, scales under their newer names.
///
/// Construction opens the input and plans from names, shapes and scales of activations; `publish_as` writes, checks what loaders
/// demand, and gives the file its name. Destroyed before that, it leaves nothing behind. Prints nothing.
class legacy_conversion {
 public:
  /// `formats` are those that layers can be stored in. Throws io_error, format_error and usage_error.
  legacy_conversion(std::string const& path, std::span<format const> formats, marker_style markers);
  legacy_conversion(legacy_conversion const&) = delete;
  legacy_conversion& operator=(legacy_conversion const&) = delete;
  ~legacy_conversion();

  /// Returns what will be done.
  legacy_summary summary() const;

  /// Returns the path of the file that is read, or of the index of shards.
  std::string const& input_path() const;

  /// Writes the file and publishes it under `path`. Throws io_error, contract_error, value_error for a scale that is no number
  /// above zero, and `cancelled` when the observer says so; nothing is left then.
  void publish_as(std::string const& path, file::overwrite existing, observer const& watcher);

 private:
  class state;
  std::unique_ptr<state> state_;
};

}  // namespace halfstep
