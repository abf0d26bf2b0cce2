// all-MiniLM-L6-v2 from a safetensors file, its linear layers quantized or not.
#pragma once

#include <algorithm>
#include <cmath>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <halfstep/halfstep.hpp>
#include <halfstep/recipe/load_layer.hpp>
#include <halfstep/recipe/load_numbers.hpp>
#include <halfstep/safetensors/reader.hpp>

using halfstep::extents2, halfstep::host_buffer, halfstep::host_view, halfstep::index_t, halfstep::safetensors::reader;

/// A matrix of numbers with its shape.
struct matrix {
  extents2 e;
  host_buffer<float> numbers = host_buffer<float>(e.count());
  host_view<float> view() { return {numbers.data(), e}; }
  host_view<float const> view() const { return {numbers.data(), e}; }
};

/// y = x W^T + b, whichever format the file has W in.
using dense = std::function<matrix(matrix const& x)>;

/// What the file may hold: INT8 codes with a scale for a row, the tensor or a block; as they are, or rotated by ConvRot.
constexpr halfstep::layer_table<halfstep::type_list<halfstep::int8_axis, halfstep::int8_tensor, halfstep::int8_block<128>>,
                                halfstep::type_list<halfstep::identity, halfstep::regular_hadamard>>
    formats;

/// Returns the layer `name`: codes multiply inputs that are rounded to INT8, other weights multiply as they are.
inline dense load_dense(reader const& model, std::string const& name) {
  auto const bias = std::make_shared<host_buffer<float>>(halfstep::load_numbers(model, name + ".bias"));
  auto const with_bias = [bias](auto const& multiply) -> dense {
    return [bias, multiply](matrix const& x) {
      matrix y{{x.e.rows, bias->size()}};
      multiply(x.view(), bias->view({1, bias->size()}), y.view());
      return y;
    };
  };
  if (auto const* const t = model.head().find(name + ".weight"); t != nullptr && halfstep::bits_of(t->type) > 8) {
    auto const weight = std::make_shared<host_buffer<float>>(halfstep::load_numbers(model, name + ".weight"));
    return with_bias([weight](auto x, auto b, auto y) {
      halfstep::linear(halfstep::threads(), x, weight->view({y.columns(), x.columns()}), b, y);
    });
  }
  return halfstep::load_layer(model, name, formats, [&]<class Layer>(Layer&& layer) {
    auto const weight = std::make_shared<Layer>(std::move(layer));
    return with_bias([weight](auto x, auto b, auto y) {
      halfstep::linear(halfstep::threads(), x, *weight, b, y, halfstep::int8_activations{});
    });
  });
}

/// Brings every row to mean 0 and variance 1, then to the learned gain and shift.
class norm {
 public:
  norm(reader const& model, std::string const& name)
      : gain_(halfstep::load_numbers(model, name + ".weight")), shift_(halfstep::load_numbers(model, name + ".bias")) {}

  void operator()(host_view<float> x) const {
    for (index_t row = 0; row < x.rows(); ++row) {
      double sum = 0, squares = 0;
      for (index_t k = 0; k < x.columns(); ++k) sum += x(row, k);
      double const mean = sum / static_cast<double>(x.columns());
      for (index_t k = 0; k < x.columns(); ++k) squares += (x(row, k) - mean) * (x(row, k) - mean);
      double const scale = 1.0 / std::sqrt(squares / static_cast<double>(x.columns()) + 1e-12);
      for (index_t k = 0; k < x.columns(); ++k) x(row, k) = static_cast<float>((x(row, k) - mean) * scale) * gain_[k] + shift_[k];
    }
  }

 private:
  host_buffer<float> gain_, shift_;
};

/// One block of the model: attention, then two layers with GELU between them; both add to their input and are normed.
class block {
 public:
  block(reader const& model, std::string const& name)
      : query_(load_dense(model, name + ".attention.self.query")),
        key_(load_dense(model, name + ".attention.self.key")),
        value_(load_dense(model, name + ".attention.self.value")),
        mix_(load_dense(model, name + ".attention.output.dense")),
        widen_(load_dense(model, name + ".intermediate.dense")),
        narrow_(load_dense(model, name + ".output.dense")),
        after_mix_(model, name + ".attention.output.LayerNorm"),
        after_all_(model, name + ".output.LayerNorm") {}

  void operator()(matrix& x) const {
    add(x, mix_(attention(query_(x), key_(x), value_(x))));
    after_mix_(x.view());
    matrix inner = widen_(x);
    halfstep::gelu(halfstep::threads(), inner.view(), inner.view());
    add(x, narrow_(inner));
    after_all_(x.view());
  }

 private:
  static void add(matrix& x, matrix const& more) {
    for (index_t i = 0; i < x.e.count(); ++i) x.numbers[i] += more.numbers[i];
  }

  /// Returns, for every token and head, the values weighted by softmax(q k^T / sqrt(width)).
  static matrix attention(matrix const& q, matrix const& k, matrix const& v) {
    constexpr index_t heads = 12;
    index_t const tokens = q.e.rows, width = q.e.columns / heads;
    matrix mixed{q.e};
    std::fill(mixed.numbers.begin(), mixed.numbers.end(), 0.0f);
    halfstep::threads().for_each(tokens * heads, [&](index_t i) {
      index_t const token = i / heads, first = i % heads * width;
      std::vector<float> share(static_cast<std::size_t>(tokens));
      for (index_t other = 0; other < tokens; ++other)
        for (index_t c = first; c < first + width; ++c)
          share[static_cast<std::size_t>(other)] += q.view()(token, c) * k.view()(other, c);
      float const largest = *std::max_element(share.begin(), share.end());
      float sum = 0;
      for (float& s : share) sum += s = std::exp((s - largest) / std::sqrt(static_cast<float>(width)));
      for (index_t other = 0; other < tokens; ++other)
        for (index_t c = first; c < first + width; ++c)
          mixed.view()(token, c) += share[static_cast<std::size_t>(other)] / sum * v.view()(other, c);
    });
    return mixed;
  }

  dense query_, key_, value_, mix_, widen_, narrow_;
  norm after_mix_, after_all_;
};

/// Sentences as vectors of length 1: the mean over all tokens of what comes out of the last block.
class encoder {
 public:
  explicit encoder(reader const& model)
      : words_(halfstep::load_numbers(model, "embeddings.word_embeddings.weight")),
        places_(halfstep::load_numbers(model, "embeddings.position_embeddings.weight")),
        kinds_(halfstep::load_numbers(model, "embeddings.token_type_embeddings.weight")),
        norm_(model, "embeddings.LayerNorm"),
        width_(kinds_.size() / 2) {
    for (int i = 0; model.head().find("encoder.layer." + std::to_string(i) + ".output.dense.weight") != nullptr; ++i)
      blocks_.emplace_back(model, "encoder.layer." + std::to_string(i));
  }

  index_t width() const { return width_; }
  std::size_t most_tokens() const { return static_cast<std::size_t>(places_.size() / width_); }

  std::vector<float> operator()(std::vector<int> const& tokens) const {
    matrix x{{static_cast<index_t>(tokens.size()), width_}};
    for (index_t i = 0; i < x.e.rows; ++i)
      for (index_t k = 0; k < width_; ++k)
        x.view()(i, k) = words_[tokens[static_cast<std::size_t>(i)] * width_ + k] + places_[i * width_ + k] + kinds_[k];
    norm_(x.view());
    for (block const& one : blocks_) one(x);
    std::vector<float> mean(static_cast<std::size_t>(width_));
    for (index_t i = 0; i < x.e.count(); ++i) mean[static_cast<std::size_t>(i % width_)] += x.numbers[i];
    double squares = 0;
    for (float const m : mean) squares += static_cast<double>(m) * m;
    for (float& m : mean) m = static_cast<float>(m / std::sqrt(squares));
    return mean;
  }

 private:
  host_buffer<float> words_, places_, kinds_;
  norm norm_;
  index_t width_;
  std::vector<block> blocks_;
};
