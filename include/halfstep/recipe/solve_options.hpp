// The numbers of learned rounding, as the command line names them.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <optional>

#include <halfstep/core/extents.hpp>
#include <halfstep/objective/factor_settings.hpp>
#include <halfstep/optimizer/adaptive_rate.hpp>
#include <halfstep/optimizer/plateau_rate.hpp>

namespace halfstep {

/// How the directions of the objective are found.
enum class svd_kind : std::uint8_t {
  randomized,  ///< the leading ones, by subspace iteration
  exact        ///< from the whole thin SVD
};

/// How a learning rate changes.
enum class schedule_kind : std::uint8_t { adaptive, exponential, plateau };

/// Settings of the solvers; the same for every layer.
struct solve_options {
  double sqnr_budget_db = 0.1;  ///< by how much a solver may lower a layer's SQNR
  double top_p = 0.2;           ///< share of the directions in the objective
  index_t min_k = 64;
  index_t max_k = 1024;
  svd_kind svd = svd_kind::randomized;
  int iterations = 1000;
  std::optional<double> rate = {};  ///< else the default of the optimizer
  schedule_kind schedule = schedule_kind::adaptive;
  double rate_gamma = 0.99;
  int rate_patience = 9;
  double rate_factor = 0.92;
  double rate_min = 1e-10;
  int rate_cooldown = 6;
  double rate_threshold = 0.0;
  threshold_mode rate_threshold_mode = threshold_mode::relative;
  double rate_shape_influence = 1.0;
  adaptive_reset reset = adaptive_reset::simple_reset;
  double stop_loss = 1e-8;
  double stop_rate = 1e-10;
  int stop_stall = 1000;
  factor_settings feedback{.damping = 0.05};  ///< of gptq and quip; sampled inputs want more damping than known ones
  std::uint64_t quip_seed = 0;                ///< of the signs of QuIP's transform; each tensor's name is mixed in

  /// Returns how many directions the objective has for a weight of shape `e`.
  index_t rank(extents2 e) const {
    index_t const least = std::min(e.rows, e.columns);
    auto const share = static_cast<index_t>(std::floor(top_p * static_cast<double>(least)));
    return std::min(least, std::clamp(share, min_k, max_k));
  }
};

}  // namespace halfstep
