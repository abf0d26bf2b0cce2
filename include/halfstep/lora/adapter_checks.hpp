// Whether an adapter's tensors for a layer go together, and what they make.
#pragma once

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <string>
#include <vector>

#include <halfstep/core/dtype.hpp>
#include <halfstep/core/error.hpp>
#include <halfstep/core/text.hpp>
#include <halfstep/core/words.hpp>
#include <halfstep/lora/adapter_layer.hpp>
#include <halfstep/safetensors/header.hpp>

namespace halfstep::detail {

using adapter_shape = std::vector<std::uint64_t>;

/// The shapes of an adapter's tensors for one layer, checked against each other. Messages begin with the file's name.
class adapter_checks {
 public:
  adapter_checks(std::string const& path, adapter_layer& layer) : path_(path), layer_(layer) {}

  /// Settles the layer's method, rank and product. Throws format_error where tensors are missing, do not go together or are of a
  /// type that no weight has.
  void settle() {
    for (std::size_t i = 0; i < adapter_parts; ++i)
      if (auto const part = static_cast<adapter_part>(i); part != adapter_part::alpha && layer_.parts[i] != nullptr)
        require_type(*layer_.parts[i]);
    settle_method();
    switch (layer_.method) {
      case adapter_method::low_rank:
        return settle_low_rank();
      case adapter_method::hadamard:
        return settle_hadamard();
      case adapter_method::kronecker:
        return settle_kronecker();
      case adapter_method::none:
        return require_alone();
    }
  }

 private:
  using part = adapter_part;

  bool has(part p) const { return layer_.at(p) != nullptr; }
  adapter_shape const& shape(part p) const { return layer_.at(p)->shape; }

  bool has_any(part first, part last) const {
    for (auto i = static_cast<std::size_t>(first); i <= static_cast<std::size_t>(last); ++i)
      if (layer_.parts[i] != nullptr) return true;
    return false;
  }

  std::string described(part p) const { return "LoRA " + quoted(path_) + ": " + quoted(layer_.at(p)->name); }
  std::string shaped(part p) const { return quoted(layer_.at(p)->name) + " of the shape " + shape_text(shape(p)); }

  void require_type(safetensors::tensor const& t) const {
    if (t.type == dtype::f32 || t.type == dtype::f16 || t.type == dtype::bf16) return;
    throw format_error(stated("lora.wrong_type", "LoRA {'path}: {'tensor} is {type}, not F32, F16 or BF16",
                              {{"path", path_}, {"tensor", t.name}, {"type", name_of(t.type)}}));
  }

  void require(part p, char const* missing) const {
    if (!has(p))
      throw format_error(stated("lora.missing_part", "LoRA {'path}: {'tensor} has no {missing} beside it",
                                {{"path", path_}, {"tensor", layer_.any().name}, {"missing", missing}}));
  }

  [[noreturn]] void refuse(part a, part b, char const* why) const {
    throw format_error(stated("lora.misfit", "LoRA {'path}: {tensor} and {other} have no {what} in common",
                              {{"path", path_}, {"tensor", shaped(a)}, {"other", shaped(b)}, {"what", why}}));
  }

  void settle_method() {
    bool const low_rank = has(part::down) || has(part::up) || has(part::middle) || has(part::up_bias);
    bool const hadamard = has_any(part::hada_w1_a, part::hada_t2);
    bool const kronecker = has_any(part::lokr_w1, part::lokr_t2);
    if (low_rank + hadamard + kronecker > 1)
      throw format_error(stated(
          "lora.two_methods", "LoRA {'path}: {'tensor} and other tensors of its layer are of two methods, of LoRA, LoHa and LoKr",
          {{"path", path_}, {"tensor", layer_.any().name}}));
    layer_.method = low_rank    ? adapter_method::low_rank
                    : hadamard  ? adapter_method::hadamard
                    : kronecker ? adapter_method::kronecker
                                : adapter_method::none;
  }

  void require_alone() const {
    if (layer_.magnitude() != nullptr)
      throw format_error(stated(
          "lora.no_pair", "LoRA {'path}: {'tensor} scales the rows of a merged weight (DoRA), and there is no pair beside it",
          {{"path", path_}, {"tensor", layer_.magnitude()->name}}));
  }

  /// Returns the shape of a low-rank product: `up` [M, r] with trailing ones, `down` [r, N, kernel..].
  adapter_shape product_of(part up, part down) const {
    auto const& a = shape(down);
    auto const& b = shape(up);
    bool const flat = b.size() >= 2 && layer_.at(up)->count() == b[0] * b[1];
    if (a.size() < 2 || !flat || a[0] == 0 || a[0] != b[1]) refuse(down, up, "rank");
    adapter_shape product = a;
    product[0] = b[0];
    return product;
  }

  /// Returns the shape of a Tucker product: `outer` [r, M], `core` [r, q, kernel..], `inner` [q, N].
  adapter_shape product_of(part outer, part core, part inner) const {
    auto const& t = shape(core);
    if (t.size() < 2 || shape(outer).size() != 2 || t[0] == 0 || t[0] != shape(outer)[0]) refuse(core, outer, "rank");
    if (shape(inner).size() < 2 || t[1] == 0 || t[1] != shape(inner)[0] || layer_.at(inner)->count() != t[1] * shape(inner)[1])
      refuse(core, inner, "rank");
    adapter_shape product = t;
    product[0] = shape(outer)[1];
    product[1] = shape(inner)[1];
    return product;
  }

  void settle_low_rank() {
    if (has(part::down) || has(part::up)) {
      require(part::down, "down (A) matrix");
      require(part::up, "up (B) matrix");
    } else {
      require(part::up, "pair");
    }
    layer_.product = product_of(part::up, part::down);
    layer_.rank = shape(part::down)[0];
    if (has(part::middle)) {
      auto const& t = shape(part::middle);
      if (t.size() < 2 || t[0] != layer_.rank || t[1] != layer_.rank || layer_.product.size() < 2 ||
          layer_.at(part::down)->count() != layer_.rank * layer_.product[1])
        refuse(part::middle, part::down, "rank");
      layer_.product.resize(2);
      layer_.product.insert(layer_.product.end(), t.begin() + 2, t.end());
    }
    if (has(part::up_bias)) {
      if (layer_.at(part::up_bias)->count() != layer_.product[0]) refuse(part::up_bias, part::up, "rows");
      if (layer_.magnitude() != nullptr)
        throw format_error(stated("lora.biased_dora",
                                  "{tensor} stands beside the magnitudes of DoRA: what both mean together is not known",
                                  {{"tensor", described(part::up_bias)}}));
    }
  }

  void settle_hadamard() {
    for (auto const p : {part::hada_w1_a, part::hada_w1_b, part::hada_w2_a, part::hada_w2_b})
      require(p, "other factor of LoHa (hada_w1_a, hada_w1_b, hada_w2_a, hada_w2_b)");
    if (has(part::hada_t1) != has(part::hada_t2))
      require(has(part::hada_t1) ? part::hada_t2 : part::hada_t1, "other core of LoHa");
    bool const core = has(part::hada_t1);
    layer_.product =
        core ? product_of(part::hada_w1_a, part::hada_t1, part::hada_w1_b) : product_of(part::hada_w1_a, part::hada_w1_b);
    auto const other =
        core ? product_of(part::hada_w2_a, part::hada_t2, part::hada_w2_b) : product_of(part::hada_w2_a, part::hada_w2_b);
    if (other != layer_.product) refuse(part::hada_w1_a, part::hada_w2_a, "shape of their products");
    layer_.rank = shape(part::hada_w1_b)[0];
  }

  void settle_kronecker() {
    if (!has(part::lokr_w1))
      for (auto const p : {part::lokr_w1_a, part::lokr_w1_b})
        require(p, "left factor of LoKr (lokr_w1, or lokr_w1_a and lokr_w1_b)");
    if (!has(part::lokr_w2))
      for (auto const p : {part::lokr_w2_a, part::lokr_w2_b})
        require(p, "right factor of LoKr (lokr_w2, or lokr_w2_a and lokr_w2_b)");
    auto const left = has(part::lokr_w1) ? shape(part::lokr_w1) : product_of(part::lokr_w1_a, part::lokr_w1_b);
    auto const right = has(part::lokr_w2)   ? shape(part::lokr_w2)
                       : has(part::lokr_t2) ? product_of(part::lokr_w2_a, part::lokr_t2, part::lokr_w2_b)
                                            : product_of(part::lokr_w2_a, part::lokr_w2_b);
    if (left.size() != 2 || right.size() < 2)
      throw format_error(stated(
          "lora.no_matrix", "LoRA {'path}: {'tensor}: the factors of LoKr are of the shapes {left} and {right}, not of matrices",
          {{"path", path_}, {"tensor", layer_.any().name}, {"left", shape_text(left)}, {"right", shape_text(right)}}));
    layer_.product = right;
    layer_.product[0] *= left[0];
    layer_.product[1] *= left[1];
    if (!has(part::lokr_w1)) layer_.rank = shape(part::lokr_w1_b)[0];
    if (!has(part::lokr_w2)) layer_.rank = shape(part::lokr_w2_b)[0];
  }

  std::string const& path_;
  adapter_layer& layer_;
};

}  // namespace halfstep::detail
