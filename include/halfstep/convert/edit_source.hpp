// How markers, tensors and metadata of a quantized file are changed. For one unit of a program.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>

#include <halfstep/convert/copied_tensor.hpp>
#include <halfstep/convert/edit.hpp>
#include <halfstep/convert/settings.hpp>
#include <halfstep/core/edit_distance.hpp>
#include <halfstep/core/error.hpp>
#include <halfstep/core/text.hpp>
#include <halfstep/core/words.hpp>
#include <halfstep/plan/layer_pattern.hpp>
#include <halfstep/plan/plan_remarks.hpp>
#include <halfstep/plan/stored_layers.hpp>
#include <halfstep/recipe/comfy_quant.hpp>
#include <halfstep/recipe/format.hpp>
#include <halfstep/recipe/loader_faults.hpp>
#include <halfstep/recipe/marker_json.hpp>
#include <halfstep/safetensors/open_model.hpp>
#include <halfstep/safetensors/reader.hpp>
#include <halfstep/safetensors/shard_layout.hpp>
#include <halfstep/safetensors/writer.hpp>

namespace halfstep {

/// What an edit knows between its steps.
class file_edit::state {
 public:
  /// Throws io_error, format_error where the input is no such file or a marker no JSON object, and usage_error where the edit
  /// changes nothing, names a key, a tensor or layers that are not there, or adds a tensor that is there already.
  explicit state(edit_options options)
      : options_(std::move(options)), model_(safetensors::open_model(options_.input)), input_(model_.file) {
    if (!options_.added.empty()) added_.emplace(safetensors::open_model(options_.added));
    if (options_.output.empty()) options_.output = safetensors::shard_stem(input_.path()) + "_edited.safetensors";
    read_markers();
    choose_layers();
    sort_removals();
    edit_markers();
    add_tensors();
    edit_metadata();
    if (changes_.empty())
      throw usage_error(stated("edit.nothing_to_do", "nothing would change in '{path}': it is as the edit wants it already",
                               {{"path", input_.path()}}));
    layout_ = safetensors::arrange(specs(), metadata_);
    faults_ = loader_faults(
        layout_, options_.formats,
        [this](safetensors::tensor const& t, std::uint64_t offset, std::span<std::byte> into) { read(t, offset, into); });
    auto const before = loader_faults(
        input_.head(), options_.formats,
        [this](safetensors::tensor const& t, std::uint64_t offset, std::span<std::byte> into) { input_.read(t, offset, into); });
    std::erase_if(faults_,
                  [&](std::string const& fault) { return std::find(before.begin(), before.end(), fault) != before.end(); });
  }
  state(state const&) = delete;
  state& operator=(state const&) = delete;

  /// Returns where the result goes.
  std::string const& output_path() const { return options_.output; }

  /// Returns what is to be said of how the input was found, a sentence each.
  std::vector<std::string> const& notes() const { return model_.notes; }
  std::vector<std::string> const& warnings() const { return model_.warnings; }

  /// Returns what changes, a line each.
  std::vector<std::string> const& changes() const { return changes_; }

  /// Returns the rules of loaders that the edited file breaks and its input did not, a sentence each.
  std::vector<std::string> const& faults() const { return faults_; }

  std::uint64_t output_bytes() const { return safetensors::serialize(layout_).size() + 8 + layout_.data_bytes(); }

  /// Writes the new file, unpublished. Throws io_error, and `cancelled` within one piece after the observer said so.
  void write(observer const& watcher) {
    auto inputs = input_.identities();
    if (added_) {
      auto const more = added_->file.identities();
      inputs.insert(inputs.end(), more.begin(), more.end());
    }
    output_.emplace(options_.output, layout_, options_.existing, inputs);
    for (auto const& to : output_->slots()) {
      auto const& name = to.entry().name;
      if (auto const text = texts_.find(name); text != texts_.end())
        output_->write(to, 0, std::as_bytes(std::span(text->second)));
      else
        copy_tensor(owner_of(name), *owner_of(name).head().find(name), *output_, to, watcher);
    }
  }

  /// Publishes what `write` wrote. Throws io_error: input_changed where the input was written to meanwhile.
  void publish() {
    input_.require_unchanged();
    if (added_) added_->file.require_unchanged();
    output_->commit();
  }

 private:
  static constexpr std::string_view marker_ending = ".comfy_quant";

  /// Reads every marker, and the objects that the header's metadata holds in their place.
  void read_markers() {
    for (auto const& t : input_.head().tensors()) {
      if (!t.name.ends_with(marker_ending)) continue;
      if (t.type != dtype::u8 || t.bytes() > 65536)
        throw format_error(stated("marker.no_text", "the marker {'tensor} is no text: it is {type} of {bytes} bytes",
                                  {{"tensor", t.name}, {"type", name_of(t.type)}, {"bytes", t.bytes()}}));
      std::string text(static_cast<std::size_t>(t.bytes()), '\0');
      input_.read(t, 0, std::as_writable_bytes(std::span(text)));
      markers_.emplace(t.name.substr(0, t.name.size() - marker_ending.size()), object_in(text, "the marker " + quoted(t.name)));
    }
    for (auto const& [layer, said] : detail::declarations_in(input_.head())) {
      if (!said.is_object())
        throw format_error(
            stated("metadata.no_layer",
                   "the metadata '{key}' of the input says nothing of the layer {'layer}: it holds no JSON object there",
                   {{"key", quant_metadata_key}, {"layer", layer}}));
      declared_.emplace(layer, said.get_object());
    }
  }

  static boost::json::object object_in(std::string const& text, std::string const& where) {
    boost::system::error_code why;
    auto const value = boost::json::parse(text, why);
    if (why || !value.is_object())
      throw format_error(stated("marker.no_json", "{where} is no JSON object{reason}",
                                {{"where", where}, {"reason", why ? ": " + why.message() : ""}}));
    return value.get_object();
  }

  void choose_layers() {
    if (markers_.empty() && declared_.empty() && !options_.markers.set.empty())
      throw usage_error(message{"edit.no_markers",
                                "`edit set` changes markers, and '" + input_.path() +
                                    "' holds none; `legacy_conversion` gives a file of the older form its markers",
                                {{"file", input_.path()}}});
    std::optional<layer_pattern> layers;
    if (!options_.layers.empty()) layers.emplace("`edit layers`", options_.layers);
    for (auto const* list : {&markers_, &declared_})
      for (auto const& [layer, marker] : *list)
        if (!layers || layers->matches(layer + ".weight")) chosen_.insert(layer);
    if (layers && chosen_.empty())
      throw usage_error(message{"edit.no_layer_matches",
                                layers->source() + " matches none of the " + layers_in_words(markers_.size()) + " with a marker",
                                {{"expression", layers->text()}, {"layers", std::to_string(markers_.size())}}});
  }

  /// Tells keys of markers from names of tensors; each must be there.
  void sort_removals() {
    std::vector<std::string> keys;
    std::set<std::string_view> seen;
    for (auto const& name : options_.markers.remove) {
      if (!seen.insert(name).second) continue;
      bool const is_tensor = input_.head().find(name) != nullptr;
      bool const is_key = std::any_of(chosen_.begin(), chosen_.end(), [&](std::string const& layer) {
        return holds(markers_, layer, name) || holds(declared_, layer, name);
      });
      if (!is_tensor && !is_key)
        throw usage_error(message{"edit.unknown_name",
                                  "`edit remove` got " + quoted(name) +
                                      ", which is neither a tensor nor a key of a marker: nearest is " + quoted(nearest(name)),
                                  {{"name", name}, {"nearest", nearest(name)}}});
      if (is_key) keys.push_back(name);
      if (!is_tensor) continue;
      removed_.insert(name);
      changes_.push_back("tensor " + quoted(name) + " removed");
    }
    options_.markers.remove = std::move(keys);
  }

  using marker_list = std::map<std::string, boost::json::object, std::less<>>;

  static bool holds(marker_list const& list, std::string const& layer, std::string const& key) {
    auto const found = list.find(layer);
    return found != list.end() && found->second.contains(key);
  }

  std::string nearest(std::string const& name) const {
    std::string best;
    std::size_t least = std::string::npos;
    auto const consider = [&](std::string_view other) {
      auto const distance = edit_distance(name, other);
      if (distance >= least) return;
      least = distance;
      best = std::string(other);
    };
    for (auto const& layer : chosen_)
      for (auto const* list : {&markers_, &declared_})
        if (auto const found = list->find(layer); found != list->end())
          for (auto const& pair : found->second) consider(pair.key());
    for (auto const& t : input_.head().tensors()) consider(t.name);
    return best;
  }

  void edit_markers() {
    for (auto const& layer : chosen_) {
      bool differs = false;
      for (auto* list : {&markers_, &declared_}) {
        auto const found = list->find(layer);
        if (found == list->end()) continue;
        auto changed = edited(found->second, options_.markers);
        if (changed == found->second) continue;
        found->second = std::move(changed);
        differs = true;
        if (list == &markers_) texts_[layer + std::string(marker_ending)] = marker_json(found->second);
      }
      if (!differs) continue;
      auto const shown = markers_.find(layer);
      changes_.push_back("layer " + quoted(layer) + ": " +
                         marker_json(shown == markers_.end() ? declared_.at(layer) : shown->second));
    }
  }

  /// Returns the file that holds the tensor `name` of the edited one.
  safetensors::reader const& owner_of(std::string_view name) const {
    return added_ && added_->file.head().find(name) != nullptr ? added_->file : input_;
  }

  /// Takes in the tensors of the other file, and the markers among them.
  void add_tensors() {
    if (!added_) return;
    auto const& more = added_->file;
    if (more.head().tensors().empty())
      throw usage_error(stated("edit.nothing_to_add", "`edit add`: {'path} holds no tensor", {{"path", more.path()}}));
    std::vector<std::string> there;
    for (auto const& t : more.head().tensors()) {
      bool const replaces = removed_.contains(t.name);
      if (!replaces && input_.head().find(t.name) != nullptr) there.push_back(quoted(t.name));
      if (replaces) std::erase(changes_, "tensor " + quoted(t.name) + " removed");
      texts_.erase(t.name);
      changes_.push_back("tensor " + quoted(t.name) + (replaces ? " replaced: " : " added: ") + std::string(name_of(t.type)) +
                         " " + shape_text(t.shape));
      if (!t.name.ends_with(marker_ending)) continue;
      if (t.type != dtype::u8 || t.bytes() > 65536)
        throw format_error(
            stated("marker.no_text", "the marker {'tensor} of {'path} is no text", {{"tensor", t.name}, {"path", more.path()}}));
      std::string text(static_cast<std::size_t>(t.bytes()), '\0');
      more.read(t, 0, std::as_writable_bytes(std::span(text)));
      markers_.insert_or_assign(t.name.substr(0, t.name.size() - marker_ending.size()),
                                object_in(text, "the marker " + quoted(t.name) + " of " + quoted(more.path())));
    }
    if (!there.empty())
      throw usage_error(message{"edit.tensor_exists",
                                "`edit add` got " + quoted(more.path()) + ", and '" + input_.path() + "' holds " +
                                    some_of(there) + " already; to replace a tensor, name it in `edit remove` too",
                                {{"file", more.path()}, {"tensors", std::to_string(there.size())}}});
  }

  /// Brings the metadata that overrides the markers in line with them, or writes it where it is asked for.
  void edit_metadata() {
    std::optional<std::string> before;
    for (auto const& pair : input_.head().metadata()) {
      if (pair.first == quant_metadata_key)
        before = pair.second;
      else
        metadata_.push_back(pair);
    }
    if (!before && options_.metadata == quant_metadata::omit) return;
    for (auto const& [layer, marker] : markers_) declared_.insert_or_assign(layer, marker);
    auto const is_gone = [&](std::string const& name) {
      return removed_.contains(name) && !(added_ && added_->file.head().find(name) != nullptr);
    };
    std::erase_if(declared_, [&](auto const& pair) {
      return is_gone(pair.first + std::string(marker_ending)) || is_gone(pair.first + ".weight");
    });
    boost::json::object layers;
    for (auto const& [layer, marker] : declared_) layers.emplace(layer, marker);
    if (layers.empty() && !before)
      throw usage_error(
          stated("metadata.no_markers", "`metadata` repeats the markers, and '{path}' holds none", {{"path", input_.path()}}));
    std::string text = marker_json({{"format_version", "1.0"}, {"layers", layers}});
    if (before && boost::json::parse(*before) == boost::json::parse(text)) {
      metadata_.emplace_back(quant_metadata_key, *before);
      return;
    }
    metadata_.emplace_back(quant_metadata_key, std::move(text));
    changes_.push_back("metadata '" + std::string(quant_metadata_key) + "' " +
                       (before ? "brought in line with the markers" : "written") + ": " + layers_in_words(layers.size()));
  }

  std::vector<safetensors::tensor_spec> specs() const {
    std::vector<safetensors::tensor_spec> all;
    for (auto const& t : input_.head().tensors()) {
      if (removed_.contains(t.name)) continue;
      auto const text = texts_.find(t.name);
      all.push_back({t.name, t.type, text == texts_.end() ? t.shape : std::vector<std::uint64_t>{text->second.size()}});
    }
    if (added_)
      for (auto const& t : added_->file.head().tensors()) all.push_back({t.name, t.type, t.shape});
    return all;
  }

  /// Fills `into` with what the edited file holds of `t`.
  void read(safetensors::tensor const& t, std::uint64_t offset, std::span<std::byte> into) const {
    if (auto const text = texts_.find(t.name); text != texts_.end()) {
      auto const bytes = std::as_bytes(std::span(text->second)).subspan(static_cast<std::size_t>(offset), into.size());
      std::copy(bytes.begin(), bytes.end(), into.begin());
      return;
    }
    owner_of(t.name).read(*owner_of(t.name).head().find(t.name), offset, into);
  }

  edit_options options_;
  safetensors::opened_model model_;
  safetensors::reader const& input_;
  std::optional<safetensors::opened_model> added_;  ///< whose tensors are added
  marker_list markers_;
  marker_list declared_;  ///< by the header's metadata
  std::set<std::string, std::less<>> chosen_;
  std::set<std::string, std::less<>> removed_;
  std::map<std::string, std::string, std::less<>> texts_;  ///< of edited markers, by the names of their tensors
  std::vector<std::string> changes_;
  std::vector<std::string> faults_;
  safetensors::metadata_list metadata_;
  safetensors::header layout_;
  std::optional<safetensors::writer> output_;
};

file_edit::file_edit(edit_options options) : state_(std::make_unique<state>(std::move(options))) {}

file_edit::~file_edit() = default;

std::string const& file_edit::output_path() const { return state_->output_path(); }

std::vector<std::string> const& file_edit::notes() const { return state_->notes(); }

std::vector<std::string> const& file_edit::warnings() const { return state_->warnings(); }

std::vector<std::string> const& file_edit::changes() const { return state_->changes(); }

std::vector<std::string> const& file_edit::faults() const { return state_->faults(); }

std::uint64_t file_edit::output_bytes() const { return state_->output_bytes(); }

void file_edit::write(observer const& watcher) { state_->write(watcher); }

void file_edit::publish() { state_->publish(); }

}  // namespace halfstep
