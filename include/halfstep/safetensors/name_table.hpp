// What is known of layers, found by any of the names that mean a layer.
#pragma once

#include <algorithm>
#include <functional>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <halfstep/safetensors/layer_name.hpp>

namespace halfstep {

/// Values under the names of layers, found by every name that means the same layer: without prefixes and wrappers, or with
/// underscores for dots.
///
/// A name that has its dots is a name as it stands first, and then one that was written with underscores.
template <class Value>
class name_table {
 public:
  /// Adds `value` under the name `name`, unless it is there. Names may mean several values.
  void add(std::string_view name, Value const& value) { add(without_prefix(name), value); }

  void add(bare_name const& name, Value const& value) {
    append(as_written_[name.text], value);
    append(underscored_[underscored(name.text)], value);
    if (name.form == name_form::underscored) append(only_underscored_[name.text], value);
  }

  /// Returns the values of the layer that `name` means; none where there is no such layer. Valid until the next `add`.
  std::span<Value const> find(std::string_view name) const { return find(without_prefix(name)); }

  std::span<Value const> find(bare_name const& name) const {
    if (name.form == name_form::underscored) return in(underscored_, name.text);
    auto const found = in(as_written_, name.text);
    return found.empty() ? in(only_underscored_, underscored(name.text)) : found;
  }

  /// Calls `f(text, values)` for every name, written as names of `form` are.
  template <class F>
  void for_each(name_form form, F const& f) const {
    for (auto const& [text, values] : form == name_form::underscored ? underscored_ : as_written_) f(text, values);
  }

 private:
  using values_by_text = std::map<std::string, std::vector<Value>, std::less<>>;

  static void append(std::vector<Value>& values, Value const& value) {
    if (std::find(values.begin(), values.end(), value) == values.end()) values.push_back(value);
  }

  static std::span<Value const> in(values_by_text const& values, std::string_view text) {
    auto const found = values.find(text);
    return found == values.end() ? std::span<Value const>() : found->second;
  }

  values_by_text as_written_;
  values_by_text underscored_;       ///< all of them
  values_by_text only_underscored_;  ///< those of programs that write no dots
};

}  // namespace halfstep
