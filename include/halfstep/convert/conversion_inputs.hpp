// The files that a conversion reads.
#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include <halfstep/calibration/files.hpp>
#include <halfstep/convert/blocks_beside.hpp>
#include <halfstep/convert/lora_directions.hpp>
#include <halfstep/convert/options.hpp>
#include <halfstep/convert/pattern_keys.hpp>
#include <halfstep/convert/resume/file_stamp.hpp>
#include <halfstep/convert/resume/fingerprint.hpp>
#include <halfstep/convert/resume/sample_digest.hpp>
#include <halfstep/file/file_identity.hpp>
#include <halfstep/lora/matched_adapter.hpp>
#include <halfstep/lora/merge.hpp>
#include <halfstep/lora/options.hpp>
#include <halfstep/plan/stored_layers.hpp>
#include <halfstep/recipe/format.hpp>
#include <halfstep/recipe/stored_layer.hpp>
#include <halfstep/safetensors/open_model.hpp>
#include <halfstep/safetensors/reader.hpp>

namespace halfstep {

/// Everything that a conversion reads, open: the model, what is known of its layers' inputs, and adapters.
class conversion_inputs {
 public:
  /// Opens what `options` name. Throws io_error, format_error and usage_error.
  explicit conversion_inputs(conversion_options const& options)
      : model_(safetensors::open_model(options.input)),
        known_(options.calibration_data),
        others_(options.other_inputs),
        bases_(options.stored_bases),
        alphas_(options.merging.alpha) {
    if (!options.loras.empty())
      merge_.emplace(options.loras, options.merging, weights().head(), expression_keys()).measure_on(weights());
    if (!options.calibration_lora.empty()) directions_.emplace(options.calibration_lora, weights().head());
  }
  conversion_inputs(conversion_inputs const&) = delete;
  conversion_inputs& operator=(conversion_inputs const&) = delete;

  safetensors::opened_model const& model() const { return model_; }
  safetensors::reader const& weights() const { return model_.file; }
  calibration_files const& known() const { return known_; }
  lora_merge const* merge() const { return merge_ ? &*merge_ : nullptr; }                      ///< null where none is merged
  lora_directions const* directions() const { return directions_ ? &*directions_ : nullptr; }  ///< null where none informs

  /// Returns the adapters that are merged into the weights.
  std::vector<matched_adapter> merged() const { return merge_ ? merge_->adapters() : std::vector<matched_adapter>{}; }

  /// Returns the layers of the model that are quantized already, in any of `formats`. Throws format_error and io_error.
  stored_model stored(std::span<format const> formats) const {
    return stored_layers(
        weights().head(), formats,
        [this](safetensors::tensor const& t, std::uint64_t offset, std::span<std::byte> into) {
          weights().read(t, offset, into);
        },
        blocks_beside(weights().path()), bases_);
  }

  /// Returns what tells each file from every other: none of them may be the output.
  std::vector<file::file_identity> identities() const {
    auto all = known_.identities();
    auto const add = [&](std::vector<file::file_identity> const& more) { all.insert(all.end(), more.begin(), more.end()); };
    add(weights().identities());
    add(others_);
    if (directions_) add({directions_->identity()});
    if (merge_) add(merge_->identities());
    return all;
  }

  /// Adds to `made` what of the files decides the output.
  void add_facts(fingerprint& made) const {
    made.samples = sample_digest(weights());
    auto const add = [&](std::string const& name, std::vector<file::file_identity> const& files) {
      std::size_t number = 0;
      for (auto const& file : files)
        made.files.push_back({name + (files.size() == 1 ? "" : " " + std::to_string(++number)), stamp_of(file)});
    };
    add("the input", weights().identities());
    add("the calibration data", known_.identities());
    if (directions_) add("the calibration LoRA", {directions_->identity()});
    if (!merge_) return;
    add("the LoRA", merge_->identities());
    for (std::size_t i = 0; auto const& adapter : merge_->adapters())
      made.numbers.push_back({"the strength of LoRA " + std::to_string(++i), adapter.factor()});
    made.numbers.push_back({"the place of the LoRAs' alphas", static_cast<double>(alphas_)});
  }

  /// Throws io_error (input_changed) where weights or adapters were written to since they were opened.
  void require_unchanged() const {
    weights().require_unchanged();
    if (merge_) merge_->require_unchanged();
    if (directions_) directions_->require_unchanged();
  }

 private:
  safetensors::opened_model model_;
  calibration_files known_;
  std::vector<file::file_identity> others_;
  std::vector<basis_choice> bases_;
  alpha_source alphas_;
  std::optional<lora_merge> merge_;
  std::optional<lora_directions> directions_;
};

}  // namespace halfstep
