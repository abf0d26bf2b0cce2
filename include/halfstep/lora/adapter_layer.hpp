// What an adapter holds for one layer.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <numeric>
#include <string>
#include <vector>

#include <halfstep/lora/adapter_key.hpp>
#include <halfstep/safetensors/header.hpp>

namespace halfstep {

/// How an adapter's tensors make what is added to a weight.
enum class adapter_method : std::uint8_t {
  none,      ///< differences alone
  low_rank,  ///< LoRA, LoCon: B A
  hadamard,  ///< LoHa: (w1_a w1_b) o (w2_a w2_b)
  kronecker  ///< LoKr: w1 (x) w2
};

/// What an adapter holds for one layer; what it lacks is null. The tensors are those of the adapter's file.
struct adapter_layer {
  std::string name;                                               ///< as the file has it, without what tells the part
  std::array<safetensors::tensor const*, adapter_parts> parts{};  ///< by `adapter_part`
  std::vector<safetensors::tensor const*> strangers;              ///< belong to the layer and are none of these
  adapter_method method = adapter_method::none;
  std::uint64_t rank = 0;                ///< that alpha is divided by; 0: nothing is scaled
  std::vector<std::uint64_t> product{};  ///< shape of what the method makes; a kernel may lie flat in the columns

  safetensors::tensor const*& at(adapter_part part) { return parts[static_cast<std::size_t>(part)]; }
  safetensors::tensor const* at(adapter_part part) const { return parts[static_cast<std::size_t>(part)]; }

  safetensors::tensor const* down() const { return at(adapter_part::down); }
  safetensors::tensor const* up() const { return at(adapter_part::up); }
  safetensors::tensor const* alpha() const { return at(adapter_part::alpha); }
  safetensors::tensor const* difference() const { return at(adapter_part::difference); }
  safetensors::tensor const* bias_difference() const { return at(adapter_part::bias_difference); }

  /// Returns the magnitudes of the rows, in either spelling.
  safetensors::tensor const* magnitude() const {
    auto const* const m = at(adapter_part::magnitude);
    return m != nullptr ? m : at(adapter_part::dora_scale);
  }

  /// Returns how many columns the product has, a kernel lying flat in them.
  std::uint64_t columns() const {
    return std::accumulate(product.begin() + 1, product.end(), std::uint64_t{1}, std::multiplies<>());
  }

  /// Returns one of the layer's tensors, to speak of: of what changes the weight, where there is such.
  safetensors::tensor const& any() const {
    for (auto const* t : parts)
      if (t != nullptr && t != alpha()) return *t;
    return alpha() != nullptr ? *alpha() : *strangers.front();
  }
};

}  // namespace halfstep
