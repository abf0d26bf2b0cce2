// How files in an older form are written again with markers. For one unit of a program.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include <halfstep/convert/blocks_beside.hpp>
#include <halfstep/convert/copied_tensor.hpp>
#include <halfstep/convert/legacy.hpp>
#include <halfstep/convert/settings.hpp>
#include <halfstep/core/error.hpp>
#include <halfstep/core/source.hpp>
#include <halfstep/plan/legacy_plan.hpp>
#include <halfstep/plan/stored_layers.hpp>
#include <halfstep/recipe/contract.hpp>
#include <halfstep/recipe/format.hpp>
#include <halfstep/safetensors/open_model.hpp>
#include <halfstep/safetensors/reader.hpp>
#include <halfstep/safetensors/writer.hpp>

namespace halfstep {

/// What such a conversion knows between its steps.
class legacy_conversion::state {
 public:
  /// Throws io_error, format_error and usage_error.
  state(std::string const& path, std::span<format const> formats, marker_style markers)
      : model_(safetensors::open_model(path)), input_(model_.file), plan_(planned_for(input_, formats, markers)) {
    plan_.notes.insert(plan_.notes.begin(), model_.notes.begin(), model_.notes.end());
    plan_.notes.insert(plan_.notes.begin(), model_.warnings.begin(), model_.warnings.end());
  }
  state(state const&) = delete;
  state& operator=(state const&) = delete;

  legacy_summary summary() const { return {plan_.notes, plan_.marked, plan_.repaired, plan_.needs, plan_.since}; }

  /// Returns the path of the file that is read, or of the index of shards.
  std::string const& input_path() const { return input_.path(); }

  /// Writes the file and publishes it under `path`. Throws io_error, contract_error, value_error for a scale that is no number
  /// above zero, and `cancelled` when the observer says so; nothing is left then.
  void publish_as(std::string const& path, file::overwrite existing, observer const& watcher) {
    auto const inputs = input_.identities();
    safetensors::writer output(path, plan_.output, existing, inputs);
    for (auto const& t : plan_.tensors) {
      auto const to = output.at(t.spec.name);
      if (t.what == legacy_content::marker)
        output.write(to, 0, std::as_bytes(std::span(t.text)));
      else if (t.what == legacy_content::copy)
        copy_tensor(input_, *input_.head().find(t.from), output, to, watcher);
      else
        write_scales(*input_.head().find(t.from), to, output);
    }
    check_contract(output.head(), plan_.expected,
                   [&](safetensors::tensor const& t, std::uint64_t offset, std::span<std::byte> into) {
                     output.read_back(output.at(t.name), offset, into);
                   });
    input_.require_unchanged();
    require_going(watcher);
    output.commit();
  }

 private:
  static legacy_plan planned_for(safetensors::reader const& input, std::span<format const> formats, marker_style markers) {
    auto const read = [&](safetensors::tensor const& t, std::uint64_t offset, std::span<std::byte> into) {
      input.read(t, offset, into);
    };
    return plan_legacy(input.head(), stored_layers(input.head(), formats, read, blocks_beside(input.path())), formats, markers,
                       read);
  }

  void write_scales(safetensors::tensor const& from, safetensors::slot const& to, safetensors::writer& output) {
    std::vector<float> numbers(from.count());
    with_source_type(from.type, [&]<class Source>(std::type_identity<Source>) {
      std::vector<Source> stored(from.count());
      input_.read(from, 0, std::as_writable_bytes(std::span(stored)));
      std::transform(stored.begin(), stored.end(), numbers.begin(), [](Source x) { return widen(x); });
    });
    if (!std::ranges::all_of(numbers, [](float x) { return std::isfinite(x) && x > 0.0f; }))
      throw value_error(stated(
          "legacy.bad_scale",
          "cannot take over the scales '{tensor}': one of them is not a number above zero; get the file again from its source",
          {{"tensor", from.name}}));
    output.write(to, 0, std::as_bytes(std::span(numbers)));
  }

  safetensors::opened_model model_;
  safetensors::reader const& input_;
  legacy_plan plan_;
};

legacy_conversion::legacy_conversion(std::string const& path, std::span<format const> formats, marker_style markers)
    : state_(std::make_unique<state>(path, formats, markers)) {}

legacy_conversion::~legacy_conversion() = default;

legacy_summary legacy_conversion::summary() const { return state_->summary(); }

std::string const& legacy_conversion::input_path() const { return state_->input_path(); }

void legacy_conversion::publish_as(std::string const& path, file::overwrite existing, observer const& watcher) {
  state_->publish_as(path, existing, watcher);
}

}  // namespace halfstep
