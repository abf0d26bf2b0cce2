// A LoRA file: what it holds for which layers.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <halfstep/core/error.hpp>
#include <halfstep/core/text.hpp>
#include <halfstep/lora/adapter_checks.hpp>
#include <halfstep/lora/adapter_key.hpp>
#include <halfstep/lora/adapter_layer.hpp>
#include <halfstep/lora/other_methods.hpp>
#include <halfstep/safetensors/reader.hpp>

namespace halfstep {

/// A LoRA file, open. Its layers are in the order of their names.
///
/// Tensors have the names that `parse_adapter_key` knows; what scales the products is told by `training_scales`; `X.diff` and
/// `X.diff_b` are added to weight and bias as they are.
class adapter {
 public:
  /// Opens the file and checks what it holds for every layer. Throws io_error; format_error for half a pair, tensors whose shapes
  /// do not go together, and a type that is none of F32, F16, BF16.
  explicit adapter(std::string const& path) : file_(path) {
    std::map<std::string, adapter_layer, std::less<>> found;
    for (auto const& t : file_.head().tensors()) place(t, found);
    for (auto& [name, layer] : found) {
      layer.name = name;
      require_sound(layer);
      layers_.push_back(std::move(layer));
    }
  }

  std::string const& path() const { return file_.path(); }
  safetensors::reader const& file() const { return file_; }
  std::vector<adapter_layer> const& layers() const { return layers_; }

  /// Returns a tensor's name for a message.
  std::string described(safetensors::tensor const& t) const { return "LoRA " + quoted(path()) + ": " + quoted(t.name); }

 private:
  using layer_map = std::map<std::string, adapter_layer, std::less<>>;

  void place(safetensors::tensor const& t, layer_map& found) const {
    auto const key = parse_adapter_key(t.name);
    if (!key) return found[std::string(owner_of(t.name))].strangers.push_back(&t);
    auto& held = found[key->layer].at(key->part);
    if (held != nullptr)
      throw format_error(
          stated("lora.twice", "{tensor} and {'other} are the same part", {{"tensor", described(t)}, {"other", held->name}}));
    held = &t;
  }

  /// Returns the layer that a tensor of an unknown ending belongs to: its name without what follows the mark of a method, or
  /// without its last part.
  static std::string_view owner_of(std::string_view name) {
    if (auto const* const method = find_method(name)) return name.substr(0, name.find(method->text));
    for (std::string_view const mark : {".lora_", ".hada_", ".lokr_"})
      if (auto const at = name.find(mark); at != std::string_view::npos) return name.substr(0, at);
    return name.substr(0, name.rfind('.'));
  }

  void require_sound(adapter_layer& layer) const {
    if (layer.alpha() != nullptr && &layer.any() == layer.alpha()) layer.strangers.push_back(layer.alpha());
    if (!layer.strangers.empty()) return;
    detail::adapter_checks(path(), layer).settle();
  }

  safetensors::reader file_;
  std::vector<adapter_layer> layers_;
};

}  // namespace halfstep
