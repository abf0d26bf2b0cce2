// One layer of an open model: its tensors and what its marker says.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <halfstep/core/buffer.hpp>
#include <halfstep/core/dtype.hpp>
#include <halfstep/core/error.hpp>
#include <halfstep/core/extents.hpp>
#include <halfstep/core/source.hpp>
#include <halfstep/core/text.hpp>
#include <halfstep/recipe/comfy_quant.hpp>
#include <halfstep/recipe/load_numbers.hpp>
#include <halfstep/recipe/stored_layer.hpp>
#include <halfstep/recipe/stored_marker.hpp>
#include <halfstep/safetensors/header.hpp>
#include <halfstep/safetensors/lent_bytes.hpp>

namespace halfstep {

/// The tensors `P.*` of the layer P and its marker, wherever the file keeps that. Valid as long as the model.
class layer_source {
 public:
  /// Takes a `safetensors::reader` or a `safetensors::mapped_file`. Throws format_error where a marker is none.
  template <class Model>
  layer_source(Model const& model, std::string name, std::optional<extents2> original = std::nullopt)
      : head_(&model.head()),
        model_(&model),
        read_(&read_from<Model>),
        lend_(&lend_from<Model>),
        name_(std::move(name)),
        original_(original),
        marker_(find_marker()) {}

  std::string const& name() const { return name_; }

  /// Returns the shape of its weight before anything was added to it, where the program knows it.
  std::optional<extents2> original() const { return original_; }

  /// Returns the tensor `P` + `ending`, such as ".weight_scale", or null.
  safetensors::tensor const* find(std::string_view ending) const { return head_->find(name_ + std::string(ending)); }

  /// Returns the tensor `P` + `ending`. Throws format_error where there is none.
  safetensors::tensor const& at(std::string_view ending) const {
    auto const* const found = find(ending);
    if (found == nullptr)
      fail(stated("layer.no_tensor", "the model has no tensor {'tensor}", {{"tensor", name_ + std::string(ending)}}));
    return *found;
  }

  /// Returns the endings of all tensors of the layer itself; those of layers inside it, such as ".0.weight", are none.
  std::vector<std::string> endings() const {
    std::vector<std::string> all;
    for (auto const& t : head_->tensors())
      if (t.name.size() > name_.size() + 1 && t.name.starts_with(name_) && t.name[name_.size()] == '.' &&
          t.name.find('.', name_.size() + 1) == std::string::npos)
        all.push_back(t.name.substr(name_.size()));
    return all;
  }

  /// Returns the scales, by any of their names, or null. Throws format_error where it has them by two names.
  safetensors::tensor const* scales() const {
    safetensors::tensor const* found = nullptr;
    for (auto const ending : scale_endings) {
      auto const* const one = find(ending);
      if (one != nullptr && found != nullptr)
        fail(stated("layer.two_scales", "it has both `{scales}` and `{other}`", {{"scales", found->name}, {"other", one->name}}));
      if (one != nullptr) found = one;
    }
    return found;
  }

  /// Returns the keys and values of its marker; the object in the header's metadata goes before the tensor's.
  std::optional<marker_pairs> const& marker() const { return marker_; }

  /// Returns the value of a key of its marker, or null.
  std::string const* marked(std::string_view key) const { return marker_ ? find_in(*marker_, key) : nullptr; }

  /// Returns whether its marker says true of `key`.
  bool is_marked(std::string_view key) const {
    auto const* const value = marked(key);
    return value != nullptr && *value == "true";
  }

  /// Returns the number that its marker gives `key`, from 0. Throws format_error where it gives none.
  index_t marked_number(std::string_view key) const {
    auto const* const value = marked(key);
    auto const number = value == nullptr ? std::nullopt : safetensors::plain_unsigned(*value);
    if (!number || *number > std::uint64_t{1} << 40)
      fail(stated("marker.no_number", "its marker gives no number for {'key}", {{"key", key}}));
    return static_cast<index_t>(*number);
  }

  /// Fills `into`, plain data, with all bytes of `t`. Throws format_error where the sizes differ, what the model throws.
  template <class T>
  void read(safetensors::tensor const& t, std::span<T> into) const {
    if (into.size_bytes() != t.bytes())
      fail(stated("layer.size", "`{tensor}` has {bytes} bytes, not {wanted}",
                  {{"tensor", t.name}, {"bytes", t.bytes()}, {"wanted", into.size_bytes()}}));
    read_(model_, t, std::as_writable_bytes(into));
  }

  /// Returns the elements of `t`, plain data, as they are stored: the memory of a mapped file where that is aligned, else a copy.
  /// Throws as `read` does.
  template <class T>
  host_buffer<T> elements(safetensors::tensor const& t) const {
    auto const count = static_cast<index_t>(t.bytes() / sizeof(T));
    if (auto const lent = lend_(model_, t); !lent.bytes.empty() && lent.bytes.size() % sizeof(T) == 0)
      if (reinterpret_cast<std::uintptr_t>(lent.bytes.data()) % alignof(T) == 0)
        return {reinterpret_cast<T*>(lent.bytes.data()), count, lent.lender};
    host_buffer<T> all(count);
    read(t, std::span<T>(all.data(), static_cast<std::size_t>(count)));
    return all;
  }

  /// Returns the numbers of `t`, of any type that weights come in, as `T`.
  template <source T>
  host_buffer<T> numbers(safetensors::tensor const& t) const {
    return detail::numbers_of<T>(t, [&](auto into) { read(t, into); });
  }

  [[noreturn]] void fail(message why) const {
    throw format_error(within(std::move(why), "cannot load layer {'layer}: {why}", {{"layer", name_}}));
  }

 private:
  template <class Model>
  static void read_from(void const* model, safetensors::tensor const& t, std::span<std::byte> into) {
    detail::read_tensor(*static_cast<Model const*>(model), t, into);
  }

  template <class Model>
  static safetensors::lent_bytes lend_from(void const* model, safetensors::tensor const& t) {
    if constexpr (requires(Model const& m) { m.lend(t); })
      return static_cast<Model const*>(model)->lend(t);
    else
      return {};
  }

  std::optional<marker_pairs> find_marker() const {
    std::string_view const path[] = {"layers", name_};
    for (auto const& [key, text] : head_->metadata())
      if (key == quant_metadata_key)
        if (auto found = parsed(text, path)) return found;
    auto const* const t = find(".comfy_quant");
    if (t == nullptr) return std::nullopt;
    if (t->type != dtype::u8 || t->bytes() > 4096) fail(stated("marker.no_text", "its marker is no text"));
    std::string text(static_cast<std::size_t>(t->bytes()), '\0');
    read(*t, std::span(text));
    auto found = parsed(text);
    if (!found) fail(stated("marker.no_json", "its marker is no JSON object"));
    return found;
  }

  std::optional<marker_pairs> parsed(std::string_view text, std::span<std::string_view const> path = {}) const {
    try {
      return pairs_in_json(text, path);
    } catch (format_error const& e) {
      fail(within(e.said(), "in its marker, {why}"));
    }
  }

  safetensors::header const* head_;
  void const* model_;
  void (*read_)(void const*, safetensors::tensor const&, std::span<std::byte>);
  safetensors::lent_bytes (*lend_)(void const*, safetensors::tensor const&);
  std::string name_;
  std::optional<extents2> original_;
  std::optional<marker_pairs> marker_;
};

}  // namespace halfstep
