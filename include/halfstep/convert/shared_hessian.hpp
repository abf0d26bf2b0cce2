// The Hessian of the layer at work and its factor, kept for the layers that share its inputs.
#pragma once

#include <algorithm>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <halfstep/calibration/layer_inputs.hpp>
#include <halfstep/exec/any_host.hpp>
#include <halfstep/objective/hessian.hpp>
#include <halfstep/objective/hessian_factor.hpp>
#include <halfstep/recipe/stage_table.hpp>
#include <halfstep/transform/basis.hpp>

namespace halfstep {

/// The last Hessian that was asked for: layers that share their inputs come one after the other in most files.
class shared_hessian {
 public:
  /// All rows, where a Hessian is of those that are not held out.
  struct whole {
    layer_inputs const& inputs;
    shared_hessian& moments;
    std::span<float const> center;
  };

  /// Returns the Hessian of a layer's inputs in the basis `in` about `center`; null where no file has one; valid until another is
  /// asked for. With `all` it is taken from the Hessian of all rows. Throws what `layer_inputs::moments` throws.
  hessian const* moments(any_host const& team, layer_inputs const& inputs, basis const& in, std::span<float const> center,
                         whole const* all = nullptr) {
    auto owner = inputs.hessian_owner();
    if (!owner) return nullptr;
    bool const same_center = std::equal(center.begin(), center.end(), center_.begin(), center_.end());
    if (moments_ && owner_ == *owner && in_ == in && same_center) return &*moments_;
    factor_.reset();
    moments_.reset();
    if (all == nullptr) {
      moments_ = inputs.moments(team, in, center);
    } else {
      auto const& of_all = *all->moments.moments(team, all->inputs, in, all->center);
      moments_ = all->inputs.moments_without_held_out(team, in, center, of_all, all->center);
    }
    owner_ = std::move(*owner);
    in_ = in;
    center_.assign(center.begin(), center.end());
    return &*moments_;
  }

  /// Returns the factor of the Hessian that was asked for last, as `solver` makes it; it and `how` are the same in every call.
  hessian_factor<float> const& factor(any_host const& team, solver_row const& solver, factor_settings const& how) {
    if (!factor_) factor_.emplace(solver.factorize(team, *moments_, how));
    return *factor_;
  }

 private:
  std::string owner_;
  basis in_;
  std::vector<float> center_;
  std::optional<hessian> moments_;
  std::optional<hessian_factor<float>> factor_;
};

}  // namespace halfstep
