// Whether layers are good enough to be published.
#pragma once

#include <string>
#include <vector>

#include <halfstep/core/error.hpp>
#include <halfstep/core/words.hpp>
#include <halfstep/report/layer_quality.hpp>
#include <halfstep/report/quality_number.hpp>
#include <halfstep/report/quality_summary.hpp>

namespace halfstep {

/// A layer below the quality that was asked for.
class quality_error : public error {
 public:
  using error::error;
};

/// Throws quality_error, naming the worst, where layers have an SQNR below `least_db`.
inline void require_quality(std::vector<layer_quality> const& layers, double least_db) {
  auto const s = summarize(layers, least_db);
  if (s.below.empty()) return;
  auto const& worst = *s.below.front();
  throw quality_error(message{
      "layers.below_quality",
      layers_in_words(s.below.size()) + (s.below.size() == 1 ? " is" : " are") + " below `fail_below_db` " +
          detail::fixed(least_db, 2) + " dB, the worst '" + worst.layer + "' with " + detail::fixed(worst.sqnr(), 2) +
          " dB: nothing was published; keep them with `exclude`, or use another recipe",
      {{"layers", std::to_string(s.below.size())}, {"worst", worst.layer}, {"worst_db", detail::fixed(worst.sqnr(), 2)}}});
}

}  // namespace halfstep
