// The Hessian of the layer at work and its factor, kept for the layers that share its inputs.
#pragma once

#include <algorithm>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <halfstep/calibration/files.hpp>
#include <halfstep/exec/any_host.hpp>
#include <halfstep/objective/hessian.hpp>
#include <halfstep/objective/hessian_factor.hpp>
#include <halfstep/recipe/stage_table.hpp>

namespace halfstep {

/// A Hessian and its factor.
struct factored_hessian {
  hessian moments;
  hessian_factor<float> factor;
};

/// The last Hessian that was asked for: layers that share their inputs come one after the other in most files.
class shared_hessian {
 public:
  /// Returns the Hessian of a layer about `center`, its inputs divided by `smoothing` where that is not empty; null where no file
  /// has one; valid until the next call. `solver` factors it; it and `how` are the same in every call. Throws what
  /// `calibration_files::find_hessian` and `hessian_factor` throw.
  factored_hessian const* find(any_host const& team, calibration_files const& files, std::string_view layer, index_t columns,
                               int rotation_group, std::span<float const> center, solver_row const& solver,
                               factor_settings const& how, std::span<float const> smoothing = {}) {
    auto key = files.hessian_owner(layer);
    if (!key) return nullptr;
    *key += " " + std::to_string(rotation_group);
    if (!smoothing.empty()) *key += " smoothed for " + std::string(layer);  // each weight has factors of its own
    if (held_ && key_ == *key && std::equal(center.begin(), center.end(), center_.begin(), center_.end())) return held_.get();
    held_.reset();
    auto found = files.find_hessian(team, layer, columns, rotation_group, center, smoothing);
    hessian moments(team, std::move(found->lower), columns);
    hessian_factor<float> factor = solver.factorize(team, moments, how);
    held_.reset(new factored_hessian{std::move(moments), std::move(factor)});
    key_ = *key;
    center_.assign(center.begin(), center.end());
    return held_.get();
  }

 private:
  std::string key_;
  std::vector<float> center_;
  std::unique_ptr<factored_hessian const> held_;
};

}  // namespace halfstep
