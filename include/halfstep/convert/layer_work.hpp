// The work on a layer that is held in memory as a whole: search scales, round, solve, correct, measure, write.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <numeric>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include <halfstep/calibration/statistics.hpp>
#include <halfstep/convert/incoherent_layer.hpp>
#include <halfstep/convert/job.hpp>
#include <halfstep/convert/layer_memory.hpp>
#include <halfstep/convert/layer_store.hpp>
#include <halfstep/convert/output_error.hpp>
#include <halfstep/convert/piece.hpp>
#include <halfstep/convert/refinement.hpp>
#include <halfstep/convert/settings.hpp>
#include <halfstep/convert/shared_hessian.hpp>
#include <halfstep/convert/weight_rows.hpp>
#include <halfstep/convert/workspace.hpp>
#include <halfstep/core/arithmetic.hpp>
#include <halfstep/core/buffer.hpp>
#include <halfstep/core/digest.hpp>
#include <halfstep/core/error.hpp>
#include <halfstep/core/source.hpp>
#include <halfstep/exec/any_host.hpp>
#include <halfstep/exec/serial.hpp>
#include <halfstep/kernel/bias_correction.hpp>
#include <halfstep/kernel/column_energy.hpp>
#include <halfstep/kernel/column_max.hpp>
#include <halfstep/kernel/row_tiles.hpp>
#include <halfstep/objective/low_rank_hessian.hpp>
#include <halfstep/rounding/nearest.hpp>
#include <halfstep/safetensors/reader.hpp>
#include <halfstep/safetensors/writer.hpp>
#include <halfstep/transform/smoothing.hpp>
#include <halfstep/transform/two_sided_hadamard.hpp>

namespace halfstep {

/// A layer in memory: its weight in FP32 in the basis that is quantized, codes and scales. All threads work on it together.
///
/// Holds 1.25 times the weight in FP32, once more of it where outputs are measured, and what a solver needs. The bytes written
/// depend on nothing but the weight, the recipe, the options and the statistics.
class layer_work {
 public:
  /// Borrows everything.
  layer_work(any_host const& team, quantize_job& job, refinement const& how, safetensors::reader const& input,
             safetensors::writer& output, observer const& watcher, workspace_pool& pool, layer_memory& memory)
      : team_(team), job_(job), how_(how), input_(input), output_(output), watcher_(watcher), pool_(pool), memory_(memory) {
    memory_.grow(job.extents().count(), bits_of(job.codec().format.codes) / 8, groups().count());
  }

  /// Does all of it. Throws value_error at NaN or infinity, `cancelled` when the observer says so, and what I/O throws.
  void operator()() {
    auto const start = std::chrono::steady_clock::now();
    load();
    smooth();
    turn();
    if (how_.inputs != nullptr)
      inputs_ = how_.inputs->find(team_, job_.found().layer, job_.weight_extents().columns, recipe_of_job().rotation_group,
                                  job_.smoothing().factors());
    find_turned_moments();
    fit();
    search_scales();
    encode();
    solve();
    correct_means();
    measure();
    layer_store(job_, how_, input_, output_)(memory_, inputs_ ? inputs_->input_scale : std::nullopt, shift_,
                                             basis_ ? &*basis_ : nullptr);
    job_.result(0).seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  }

 private:
  recipe const& recipe_of_job() const { return job_.tensor().how; }
  std::string_view grid() const { return recipe_of_job().format.grid; }
  extents2 groups() const { return job_.codec().format.groups(job_.extents()); }
  host_view<float const> weight() const { return {memory_.weight.data(), job_.extents()}; }
  layer_matrices matrices() const {
    return {weight(), memory_.codes.data(), {memory_.scales.data(), groups()}, job_.codec().format.lie(job_.extents())};
  }

  /// Calls `f(first row, rows)` for tiles of rows that share no group, or that are measured together.
  template <class F>
  void for_each_tile(F const& f) const {
    for_each_tile(job_.extents(), f);
  }

  template <class F>
  void for_each_tile(extents2 e, F const& f) const {
    row_tiles const tiles(e, std::lcm(job_.group_rows(), residual_tile_rows));
    team_.for_each(tiles.count(), [&](index_t i) {
      require_going(watcher_);
      f(tiles.first(i), tiles.rows(i));
    });
  }

  erased_rows rows_of(index_t first, index_t rows) const {
    extents2 const e{rows, job_.extents().columns};
    return {memory_.weight.data() + first * e.columns, e, first};
  }

  std::byte* groups_at(index_t row) const { return reinterpret_cast<std::byte*>(memory_.scales.data()) + job_.group_offset(row); }

  std::byte* codes_at(index_t row) const {
    return memory_.codes.data() + row * job_.extents().columns * (bits_of(job_.codec().format.codes) / 8);
  }

  /// Reads the weight, widened, merged with adapters, and rotated unless it is smoothed before.
  void load() {
    auto const delta = job_.delta();
    int const group = recipe_of_job().smoothing ? 0 : recipe_of_job().rotation_group;
    for_each_tile(job_.weight_extents(), [&](index_t first, index_t rows) {
      extents2 const e{rows, job_.weight_extents().columns};
      auto const lease = pool_.take();
      auto const bytes = read_rows(input_, job_.tensor(), first, rows, *lease);
      host_view<float> const to(memory_.weight.data() + first * e.columns, e, first);
      detail::prepare_rows(job_.row_type(), {bytes.data(), e, first}, delta.get(), group, to);
      if (is_finite(matrix_range(serial{}, host_view<float const>(to)).amax)) return;
      detail::refuse_prepared(job_.input(), job_.row_type(), {bytes.data(), e, first}, delta.get());
    });
  }

  /// Multiplies the columns of a smoothed layer by their factors, and rotates it then.
  void smooth() {
    if (!recipe_of_job().smoothing) return;
    auto const columns = job_.weight_extents().columns;
    auto const plain = how_.inputs == nullptr ? std::nullopt : how_.inputs->find(team_, job_.found().layer, columns, 0);
    if (!plain || plain->channel_max.empty())
      throw value_error("the largest inputs of '" + job_.found().layer + "' are unknown: it cannot be smoothed");
    auto const in_weight = column_max(team_, host_view<float const>(memory_.weight.data(), job_.weight_extents()));
    job_.smooth(smoothing(smoothing_factors(plain->channel_max, in_weight, *recipe_of_job().smoothing)));
    for_each_tile(job_.weight_extents(), [&](index_t first, index_t rows) {
      host_view<float> const part(memory_.weight.data() + first * columns, {rows, columns}, first);
      detail::smooth_rows(job_.smoothing(), recipe_of_job().rotation_group, part);
      if (is_finite(matrix_range(serial{}, host_view<float const>(part)).amax)) return;
      throw value_error("cannot quantize '" + job_.input().name + "': its smoothed weights exceed FP32; leave out `smoothing`");
    });
    add_method("smoothed by the inputs");
  }

  /// Pads and rotates a layer that is stored transformed.
  void turn() {
    if (recipe_of_job().basis != storage_basis::incoherent) return;
    basis_.emplace(philox(random_key(how_.options.quip_seed, job_.input().name)), job_.weight_extents());
    detail::turn(team_, *basis_, memory_.weight.data());
    if (!is_finite(matrix_range(team_, weight()).amax))
      throw value_error("cannot quantize '" + job_.input().name +
                        "': its rotated weights exceed FP32; convert it without `incoherent`");
  }

  /// Finds the second moments of the inputs of a transformed layer, in its basis.
  void find_turned_moments() {
    if (!basis_ || how_.inputs == nullptr) return;
    auto const plain = how_.inputs->find_hessian(team_, job_.found().layer, job_.weight_extents().columns, 0, center(),
                                                 job_.smoothing().factors());
    if (plain) turned_.emplace(team_, detail::turned_moments(team_, *basis_, *plain), job_.extents().columns);
  }

  /// Fits every scale to its group's largest magnitude.
  void fit() {
    auto const& codec = job_.codec();
    if (!job_.spans()) {
      for_each_tile([&](index_t first, index_t rows) {
        auto const part = rows_of(first, rows);
        std::vector<value_range> ranges(static_cast<std::size_t>(codec.format.groups(part.extents).count()));
        codec.from_f32.range(part, ranges.data());
        codec.fit(ranges.data(), static_cast<index_t>(ranges.size()), groups_at(first));
      });
      return;
    }
    for_each_tile([&](index_t first, index_t rows) {
      std::vector<value_range> ranges(static_cast<std::size_t>(codec.format.groups(job_.extents()).count()));
      codec.from_f32.range(rows_of(first, rows), ranges.data());
      job_.raise(ranges.data());
    });
    auto const ranges = job_.ranges();
    codec.fit(ranges.data(), static_cast<index_t>(ranges.size()), groups_at(0));
  }

  void search_scales() {
    bool const known = basis_ ? turned_.has_value() : inputs_ && !inputs_->channel_sq.empty();
    auto const* const search =
        how_.stages.scale_search(recipe_of_job().scales, grid(), known ? column_weight::inputs : column_weight::energy);
    if (search == nullptr) return;
    bool const by_inputs = search->by == column_weight::inputs;
    std::vector<float> const weights = by_inputs && known ? input_weights()
                                       : by_inputs ? std::vector<float>(static_cast<std::size_t>(job_.extents().columns), 1.0f)
                                                   : column_energy(team_, weight());
    search->search(team_, matrices(), weights);
    add_method(std::string(by_inputs && known ? search->words_by_inputs : search->words));
  }

  /// Returns the mean input where the bias takes what rounding does to it, so that errors count about it; else nothing.
  std::span<float const> center() const {
    if (!job_.tensor().added.bias || !inputs_) return {};
    return inputs_->channel_mean;
  }

  /// Returns E[x_j^2], or the variance of x_j where the bias takes what rounding does to the mean.
  std::vector<float> input_weights() const {
    if (turned_) return turned_->diagonal();
    std::vector<float> weights = inputs_->channel_sq;
    if (center().empty()) return weights;
    for (std::size_t j = 0; j < weights.size(); ++j) {
      float const mean = inputs_->channel_mean[j];
      weights[j] = std::max(weights[j] - settled(mean * mean), 0.0f);
    }
    return weights;
  }

  void encode() {
    for_each_tile([&](index_t first, index_t rows) {
      job_.codec().from_f32.encode(rows_of(first, rows), groups_at(first), job_.key(), codes_at(first));
    });
  }

  void solve() {
    auto const* const solver = how_.stages.solver(recipe_of_job().solver, grid());
    if (solver == nullptr) return;
    stage_context context{team_, how_.options, philox(job_.key()), [this](int, double) {
                            require_going(watcher_);
                            return true;
                          }};
    if (!solver->takes_moments()) {
      job_.found().solved = solver->refine(matrices(), context);
      add_method(std::string(solver->name));
      if (solver->remark != nullptr) add_method(solver->remark(how_.options, job_.extents()));
      return;
    }
    std::optional<hessian_factor<float>> turned_factor;
    if (turned_) {
      context.moments = &*turned_;
      context.factor = &turned_factor.emplace(solver->factorize(team_, *turned_, how_.options.feedback));
    } else if (how_.inputs != nullptr && !basis_) {
      auto const* const known =
          memory_.shared.find(team_, *how_.inputs, job_.found().layer, job_.extents().columns, recipe_of_job().rotation_group,
                              center(), *solver, how_.options.feedback, job_.smoothing().factors());
      if (known != nullptr) {
        context.moments = &known->moments;
        context.factor = &known->factor;
      }
    }
    std::optional<low_rank_hessian> directions;
    if (context.factor == nullptr && how_.directions != nullptr && !(inputs_ && !inputs_->channel_sq.empty()))
      directions = how_.directions->moments(team_, job_.found().layer, recipe_of_job().rotation_group, job_.smoothing().factors(),
                                            basis_ ? &*basis_ : nullptr);
    if (directions) context.directions = &*directions;
    if (context.factor == nullptr && !directions) {
      if (recipe_of_job().solver != suitable) add_method("no " + std::string(solver->name) + ": its inputs are not known");
      return;
    }
    job_.found().solved = solver->refine(matrices(), context);
    is_fed_back_ = context.factor != nullptr;
    add_method(std::string(solver->name) + (directions ? " on a LoRA's directions" : ""));
    if (is_fed_back_ && context.factor->damping() > how_.options.feedback.damping)
      add_method("damped by " + std::to_string(context.factor->damping()) + " of its mean diagonal");
  }

  /// Gives the bias what rounding takes from the mean of the outputs; a layer without one moves codes for it.
  void correct_means() {
    auto const& tensor = job_.tensor();
    if (basis_ || !inputs_ || inputs_->channel_mean.empty()) return;
    if (tensor.added.bias) {
      shift_ = how_.stages.grid(grid()).residual_mean(team_, matrices(), inputs_->channel_mean);
      job_.found().bias = bias_state::corrected;
    } else if (job_.found().bias == bias_state::none && recipe_of_job().scales != absmax_scales &&
               recipe_of_job().rounding == nearest::name && !is_fed_back_ && how_.stages.has_grid(grid())) {
      if (how_.stages.grid(grid()).flip_means(team_, matrices(), inputs_->channel_mean).moved > 0)
        add_method("mean kept by flips");
    }
  }

  void measure() {
    extents2 const e = job_.extents();
    std::mutex guard;
    for_each_tile([&](index_t first, index_t rows) {
      auto const part = rows_of(first, rows);
      auto const* const q = codes_at(first);
      job_.codec().from_f32.measure(part, groups_at(first), q, job_.error().data() + first / residual_tile_rows);
      auto const lease = pool_.take();
      host_view<float> const decoded((*lease).rows(part.extents.count()).data(), part.extents);
      job_.codec().decode(q, groups_at(first), part.extents, decoded.data());
      auto const bins =
          job_.codec().histogram(static_cast<float const*>(part.data), decoded.data(), groups_at(first), part.extents);
      std::scoped_lock const lock(guard);
      for (std::size_t i = 0; i < bins.size(); ++i) job_.found().error_steps[i] += bins[i];
    });
    if (basis_) return measure_turned();
    if (!inputs_ || !inputs_->rows) return;
    host_buffer<float> const decoded(e.count());
    for_each_tile([&](index_t first, index_t rows) {
      job_.codec().decode(codes_at(first), groups_at(first), {rows, e.columns}, decoded.data() + first * e.columns);
    });
    std::vector<float> const shift(shift_.begin(), shift_.end());
    auto const errors = output_error(team_, weight(), decoded.view(e), shift, *inputs_->rows);
    job_.found().output_error = errors.weights;
    if (recipe_of_job().format.codes == dtype::i8)
      job_.found().output_error_8bit = errors.activations;  // loaders run others in FP8
  }

  /// Measures a transformed layer in its own basis; W' in memory becomes W again. Corrects the bias on the way.
  void measure_turned() {
    extents2 const e = job_.extents();
    for_each_tile([&](index_t first, index_t rows) {
      for (index_t row = first; row < first + rows; row += residual_tile_rows) {
        auto const count = static_cast<std::size_t>(std::min(residual_tile_rows, e.rows - row) * e.columns);
        job_.digests()[static_cast<std::size_t>(row / residual_tile_rows)] =
            digest(std::span<std::byte const>(codes_at(row), count));
      }
    });
    host_buffer<float> const decoded(e.count());
    for_each_tile([&](index_t first, index_t rows) {
      job_.codec().decode(codes_at(first), groups_at(first), {rows, e.columns}, decoded.data() + first * e.columns);
    });
    job_.digests().back() = digest(std::as_bytes(std::span(memory_.scales.data(), static_cast<std::size_t>(groups().count()))));
    detail::turn_back(team_, *basis_, decoded.data());
    detail::turn_back(team_, *basis_, memory_.weight.data());
    host_view<float const> const weight(memory_.weight.data(), job_.weight_extents());
    host_view<float const> const back(decoded.data(), job_.weight_extents());
    index_t clipped = 0;
    for (auto& part : job_.error()) clipped += std::exchange(part, {}).clipped;
    job_.error().front() = detail::difference(team_, weight, back);
    job_.error().front().clipped = clipped;
    if (!inputs_) return;
    if (job_.tensor().added.bias && !inputs_->channel_mean.empty()) {
      shift_ = detail::mean_difference(team_, weight, back, inputs_->channel_mean);
      job_.found().bias = bias_state::corrected;
    }
    if (!inputs_->rows) return;
    std::vector<float> const shift(shift_.begin(), shift_.end());
    job_.found().output_error = output_error(team_, weight, back, shift, *inputs_->rows).weights;
  }

  void add_method(std::string const& text) {
    auto& method = job_.found().method;
    method += (method.empty() ? "" : ", ") + text;
  }

  any_host const& team_;
  quantize_job& job_;
  refinement const& how_;
  safetensors::reader const& input_;
  safetensors::writer& output_;
  observer const& watcher_;
  workspace_pool& pool_;
  layer_memory& memory_;
  std::optional<input_statistics> inputs_;
  std::optional<two_sided_hadamard> basis_;  ///< of a layer that is stored transformed
  std::optional<hessian> turned_;            ///< the second moments of its inputs, in that basis
  std::vector<double> shift_;
  bool is_fed_back_ = false;  ///< the codes keep measured second moments, and the mean with them
};

}  // namespace halfstep
