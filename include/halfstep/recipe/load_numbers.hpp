// Tensors of an open model as numbers: biases, norms, tables, and weights that are no codes.
#pragma once

#include <algorithm>
#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include <halfstep/core/buffer.hpp>
#include <halfstep/core/error.hpp>
#include <halfstep/core/extents.hpp>
#include <halfstep/core/source.hpp>
#include <halfstep/core/text.hpp>
#include <halfstep/safetensors/header.hpp>

namespace halfstep {

namespace detail {

/// Fills `into` with all bytes of `t`, a tensor of a reader or of a mapped file.
template <class Model>
void read_tensor(Model const& model, safetensors::tensor const& t, std::span<std::byte> into) {
  if constexpr (requires { model.bytes(t); }) {
    auto const bytes = model.bytes(t);
    std::copy(bytes.begin(), bytes.end(), into.begin());
  } else {
    model.read(t, 0, into);
  }
}

/// Returns the numbers of `t` as `T`; `read(span)` fetches all of its elements, in its own type.
template <source T, class Read>
host_buffer<T> numbers_of(safetensors::tensor const& t, Read const& read) {
  host_buffer<T> found(static_cast<index_t>(t.count()));
  std::span<T> const all(found.data(), static_cast<std::size_t>(found.size()));
  with_source_type(t.type, [&]<class Stored>(std::type_identity<Stored>) {
    if constexpr (std::is_same_v<Stored, T>) {
      read(all);
    } else {
      std::vector<Stored> stored(all.size());
      read(std::span<Stored>(stored));
      for (std::size_t i = 0; i < all.size(); ++i) all[i] = narrow<T>(widen(stored[i]));
    }
  });
  return found;
}

}  // namespace detail

/// Returns the numbers of the tensor `name` of a `safetensors::reader` or `safetensors::mapped_file` in FP32.
///
/// Throws format_error where there is no such tensor, value_error for a type that weights do not come in, what the model throws.
template <class Model>
host_buffer<float> load_numbers(Model const& model, std::string_view name) {
  auto const* const t = model.head().find(name);
  if (t == nullptr) throw format_error(stated("model.no_tensor", "the model has no tensor {'tensor}", {{"tensor", name}}));
  return detail::numbers_of<float>(*t, [&](auto into) { detail::read_tensor(model, *t, std::as_writable_bytes(into)); });
}

}  // namespace halfstep
