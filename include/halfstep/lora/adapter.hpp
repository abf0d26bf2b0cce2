// A LoRA file: what it holds for which layers.
#pragma once

#include <charconv>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <halfstep/core/error.hpp>
#include <halfstep/core/source.hpp>
#include <halfstep/core/text.hpp>
#include <halfstep/core/words.hpp>
#include <halfstep/lora/adapter_checks.hpp>
#include <halfstep/lora/adapter_key.hpp>
#include <halfstep/lora/adapter_layer.hpp>
#include <halfstep/lora/other_methods.hpp>
#include <halfstep/safetensors/layer_name.hpp>
#include <halfstep/safetensors/reader.hpp>

namespace halfstep {

/// A LoRA file, open. Its layers are in the order of their names.
///
/// Tensors have the names that `parse_adapter_key` knows; alpha is `X.alpha`, else the metadata's
/// `<X with underscores for dots>_alpha`, else r; `X.diff` and `X.diff_b` are added to weight and bias as they are.
class adapter {
 public:
  /// Opens the file and checks what it holds for every layer. Throws io_error; format_error for half a pair, tensors whose shapes
  /// do not go together, a type that is none of F32, F16, BF16, and an alpha that is no number.
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
    if (held != nullptr) throw format_error(described(t) + " and " + quoted(held->name) + " are the same part");
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
    if (layer.rank == 0) return;
    auto const rank = static_cast<double>(layer.rank);
    layer.scale = alpha_of(layer).value_or(rank) / rank;
  }

  void require_type(safetensors::tensor const& t) const {
    if (t.type == dtype::f32 || t.type == dtype::f16 || t.type == dtype::bf16) return;
    throw format_error(described(t) + " is " + std::string(name_of(t.type)) + ", not F32, F16 or BF16");
  }

  std::optional<double> alpha_of(adapter_layer const& layer) const {
    if (layer.alpha() != nullptr) return stored_alpha(*layer.alpha());
    for (auto const& name : {layer.name, without_prefix(layer.name).text})
      for (auto const& [key, value] : file_.head().metadata())
        if (key == underscored(name) + "_alpha") return stated_alpha(key, value);
    return std::nullopt;
  }

  double stored_alpha(safetensors::tensor const& t) const {
    if (t.count() != 1) throw format_error(described(t) + " of the shape " + shape_text(t.shape) + " is no single number");
    double value = 0.0;
    if (t.type == dtype::i64 || t.type == dtype::i32) {
      std::int64_t whole = 0;  // little endian: the low half is the number of an I32
      file_.read(t, 0, std::as_writable_bytes(std::span(&whole, 1)).first(t.bytes()));
      value = t.type == dtype::i64 ? static_cast<double>(whole) : static_cast<double>(static_cast<std::int32_t>(whole));
    } else if (t.type == dtype::f64) {
      file_.read(t, 0, std::as_writable_bytes(std::span(&value, 1)));
    } else {
      require_type(t);
      with_source_type(t.type, [&]<class Source>(std::type_identity<Source>) {
        Source stored;
        file_.read(t, 0, std::as_writable_bytes(std::span(&stored, 1)));
        value = static_cast<double>(widen(stored));
      });
    }
    if (!std::isfinite(value)) throw value_error(described(t) + " is not finite");
    return value;
  }

  double stated_alpha(std::string const& key, std::string const& text) const {
    double value = 0.0;
    auto const [end, failure] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (failure == std::errc{} && end == text.data() + text.size() && std::isfinite(value)) return value;
    throw format_error("LoRA " + quoted(path()) + ": the metadata's " + quoted(key) + " is " + quoted(text) + ", not a number");
  }

  safetensors::reader file_;
  std::vector<adapter_layer> layers_;
};

}  // namespace halfstep
