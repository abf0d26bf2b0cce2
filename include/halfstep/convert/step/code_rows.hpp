// How the rows of a layer's codes stand to those of its weight: what steps do of which the basis decides.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include <halfstep/convert/layer.hpp>
#include <halfstep/core/arithmetic.hpp>
#include <halfstep/core/buffer.hpp>
#include <halfstep/core/digest.hpp>
#include <halfstep/core/matrix_view.hpp>
#include <halfstep/exec/any_host.hpp>
#include <halfstep/kernel/residual_statistics.hpp>
#include <halfstep/objective/hessian.hpp>
#include <halfstep/recipe/stage_table.hpp>

namespace halfstep::step {

/// What steps ask of the basis that a layer's codes are in. They do the same in any; what differs stands behind this.
class code_rows {
 public:
  code_rows() = default;
  code_rows(code_rows const&) = delete;
  code_rows& operator=(code_rows const&) = delete;
  virtual ~code_rows() = default;

  /// Returns E[x_j^2] of the inputs in the basis of the codes, or the variance of x_j where the bias takes what rounding does to
  /// the mean; nothing where it is not known.
  virtual std::optional<std::vector<float>> column_squares(any_host const& ex, layer& l) const = 0;

  /// Returns the mean input that single codes can keep the outputs' mean for; nothing where there is none.
  virtual std::span<float const> kept_mean(layer const& l) const = 0;

  /// Returns (W - Wq) mean for every row of the weight. Precondition: the mean is known, and `decode_whole` was called where
  /// `is_measured_decoded`.
  virtual std::vector<double> mean_shift(any_host const& ex, layer const& l) const = 0;

  /// Returns whether what codes lose shows only once they are decoded and back in the basis of rows.
  virtual bool is_measured_decoded() const = 0;

  /// Notes what a layer lost that was just decoded, and what is to be found of it in the file.
  virtual void note_decoded(any_host const& ex, layer& l) const = 0;

  /// Returns a copy of the weight where decoding changes it, else nothing.
  virtual host_buffer<float> changed_by_decoding(layer const& l) const = 0;

  /// Returns whether loaders may round the layer's inputs to the numbers of its codes.
  virtual bool meets_rounded_inputs() const = 0;
};

namespace detail {

/// Gives columns that were never seen the mean of those that were: nothing says that their errors do not matter.
inline void weigh_unseen(std::vector<float>& squares) {
  double sum = 0.0;
  for (float const x : squares) sum += static_cast<double>(x);
  auto const seen = static_cast<std::ptrdiff_t>(squares.size()) - std::count(squares.begin(), squares.end(), 0.0f);
  if (seen != 0) std::replace(squares.begin(), squares.end(), 0.0f, static_cast<float>(sum / static_cast<double>(seen)));
}

/// Rows of codes that stand for rows of the weight: what is known of inputs and outputs goes for them as it is.
class separate_rows final : public code_rows {
 public:
  std::optional<std::vector<float>> column_squares(any_host const&, layer& l) const override {
    if (!l.known || l.known->channel_sq.empty()) return std::nullopt;
    std::vector<float> squares = l.known->channel_sq;
    weigh_unseen(squares);
    auto const center = l.center();
    for (std::size_t j = 0; j < center.size(); ++j) squares[j] = std::max(squares[j] - settled(center[j] * center[j]), 0.0f);
    return squares;
  }

  std::span<float const> kept_mean(layer const& l) const override {
    return l.known ? std::span<float const>(l.known->channel_mean) : std::span<float const>();
  }

  std::vector<double> mean_shift(any_host const& ex, layer const& l) const override {
    return l.how.stages.grid(l.grid()).residual_mean(ex, l.matrices(), l.known->channel_mean);
  }

  bool is_measured_decoded() const override { return false; }
  void note_decoded(any_host const&, layer&) const override {}
  host_buffer<float> changed_by_decoding(layer const&) const override { return {}; }
  bool meets_rounded_inputs() const override { return true; }
};

/// Rows of codes that were made of several rows of the weight: what is known beyond the basis of rows follows from the Hessian,
/// and what is lost is looked at in the basis of rows.
class mixed_rows final : public code_rows {
 public:
  std::optional<std::vector<float>> column_squares(any_host const& ex, layer& l) const override {
    if (!l.inputs) return std::nullopt;
    hessian const* const turned = l.second_moments(ex);
    return turned == nullptr ? std::nullopt : std::optional(turned->diagonal());
  }

  std::span<float const> kept_mean(layer const&) const override { return {}; }

  std::vector<double> mean_shift(any_host const& ex, layer const& l) const override {
    auto const& mean = l.known->channel_mean;
    host_view<float const> const weight = in_rows(l.memory.weight, l), decoded = in_rows(l.decoded, l);
    std::vector<double> shift(static_cast<std::size_t>(weight.rows()));
    ex.for_each(weight.rows(), [&](index_t row) {
      double sum = 0.0;
      for (index_t k = 0; k < weight.columns(); ++k)
        sum += (static_cast<double>(weight(row, k)) - static_cast<double>(decoded(row, k))) *
               static_cast<double>(mean[static_cast<std::size_t>(k)]);
      shift[static_cast<std::size_t>(row)] = sum;
    });
    return shift;
  }

  bool is_measured_decoded() const override { return true; }

  /// `clipped` alone stays of what was measured in the basis of the codes.
  void note_decoded(any_host const& ex, layer& l) const override {
    digest_rows(ex, l);
    index_t clipped = 0;
    for (auto& part : l.job.error()) clipped += std::exchange(part, {}).clipped;
    l.job.error().front() = difference(ex, in_rows(l.memory.weight, l), in_rows(l.decoded, l));
    l.job.error().front().clipped = clipped;
  }

  host_buffer<float> changed_by_decoding(layer const& l) const override {
    host_buffer<float> copy(l.job.extents().count());
    std::copy_n(l.memory.weight.data(), copy.size(), copy.data());
    return copy;
  }

  bool meets_rounded_inputs() const override { return false; }

 private:
  static host_view<float const> in_rows(host_buffer<float> const& memory, layer const& l) {
    return {memory.data(), l.job.weight_extents()};
  }

  /// Remembers what is stored of a layer no few rows of which can be measured again.
  static void digest_rows(any_host const& ex, layer& l) {
    for_each_part(ex, l.rows, [&](layer_rows const& part) {
      for (index_t row = 0; row < part.weight.extents.rows; row += residual_tile_rows) {
        auto const some = part.part(row, std::min(residual_tile_rows, part.weight.extents.rows - row));
        auto const bytes = some.weight.extents.count() * layer_rows::bytes_of(l.job.codec().format.codes);
        l.job.digests()[static_cast<std::size_t>(some.weight.first_row / residual_tile_rows)] =
            digest(std::span<std::byte const>(some.codes, static_cast<std::size_t>(bytes)));
      }
    });
    auto const scales = std::span(l.memory.scales.data(), static_cast<std::size_t>(l.groups().count()));
    l.job.digests().back() = digest(std::as_bytes(scales));
  }

  /// Returns what all of `decoded` [M, N] is off from `weight`; `clipped` is not counted. Sums in a fixed order.
  static residual_statistics difference(any_host const& ex, host_view<float const> weight, host_view<float const> decoded) {
    std::vector<residual_statistics> rows(static_cast<std::size_t>(weight.rows()));
    ex.for_each(weight.rows(), [&](index_t row) {
      auto& s = rows[static_cast<std::size_t>(row)];
      for (index_t k = 0; k < weight.columns(); ++k) {
        double const x = weight(row, k);
        double const off = x - static_cast<double>(decoded(row, k));
        s.weight_square += x * x;
        s.error_square += off * off;
        s.product += x * off;
        s.max_error = std::max(s.max_error, static_cast<float>(std::fabs(off)));
      }
    });
    return total(rows);
  }
};

}  // namespace detail

/// Returns how the rows of the codes of `l` stand to those of its weight.
inline code_rows const& rows_of(layer const& l) {
  static detail::separate_rows const separate;
  static detail::mixed_rows const mixed;
  if (l.job.mixes_rows()) return mixed;
  return separate;
}

}  // namespace halfstep::step
