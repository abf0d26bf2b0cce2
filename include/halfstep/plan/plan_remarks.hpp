// What is noticed while a plan is made, and how it is told: one error, warnings, notes.
#pragma once

#include <algorithm>
#include <cstddef>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include <halfstep/core/error.hpp>
#include <halfstep/core/text.hpp>
#include <halfstep/core/words.hpp>
#include <halfstep/plan/options.hpp>
#include <halfstep/recipe/recipe.hpp>
#include <halfstep/recipe/stored_layer.hpp>

namespace halfstep {

/// Layers and patterns that the user should hear of, by what is to be said of them. Names stand in quotes already.
struct plan_remarks {
  using layers_by_format = std::map<std::string, std::vector<std::string>>;

  layers_by_format refused = {};         ///< named by a flag, but their recipe cannot store them
  layers_by_format unstorable = {};      ///< chosen by a rule, but their recipe cannot store them
  std::vector<std::string> idle = {};    ///< patterns that would quantize and find nothing
  std::vector<std::string> unused = {};  ///< what else found nothing, as sentences
  std::vector<std::string> unrotated = {};
  std::vector<std::string> uneven = {};    ///< with a side that products of INT8 codes do not like
  std::vector<std::string> unranged = {};  ///< without a static scale of their activations
  std::vector<std::string> unsmoothed = {};
  std::vector<std::string> unasked = {};      ///< quantized already, and nobody said that they may be quantized again
  std::vector<std::string> undecodable = {};  ///< quantized already in a way that is not undone, and why
  std::vector<std::string> undeclared = {};   ///< quantized already, and lost to loaders beside the metadata asked for
  layers_by_format doubts = {};               ///< quantized already, by what nothing says of them
  std::size_t requantized = 0;
  std::size_t kept_quantized = 0;
  std::size_t corrected = 0;  ///< biases
  std::size_t padded = 0;
  std::size_t oversized = 0;  ///< shards
  std::size_t quantized = 0;

  /// Throws usage_error, with all that is wrong at once, where the user named what cannot be done.
  void require_possible() const {
    if (!undecodable.empty())
      throw usage_error(message{"layers.undecodable",
                                layers_in_words(undecodable.size()) + " cannot be dequantized: " + some_of(undecodable) +
                                    "; convert the original model, or keep them as they are with `exclude`",
                                {{"layers", std::to_string(undecodable.size())}}});
    if (!unasked.empty())
      throw usage_error(
          message{"layers.already_quantized",
                  layers_in_words(unasked.size()) + " of the input " + (unasked.size() == 1 ? "is" : "are") +
                      " already quantized: " + some_of(unasked) +
                      "; convert the original model, in F32, F16 or BF16, or decode them with `requantize`, which adds a second "
                      "error to the first",
                  {{"layers", std::to_string(unasked.size())}}});
    if (!undeclared.empty())
      throw usage_error("`metadata`: layers that stay have a `scale_weight`, which loaders do not read beside that metadata: " +
                        some_of(undeclared) + "; leave the flag out");
    std::vector<std::string> all;
    for (auto const& [format, layers] : refused)
      all.push_back(layers_in_words(layers.size()) + " cannot be stored as " + format + ": " + joined(layers, "; "));
    if (!all.empty())
      throw usage_error(
          joined(all, "; ") +
          "; keep them (narrow what names them, or `exclude`), or choose another scaling mode or block size for them");
    if (!idle.empty())
      throw usage_error(message{"layers.no_match", joined(idle, ", ") + (idle.size() == 1 ? " matches" : " match") +
                                                       " no weight that can be quantized; `analyze` shows the names"});
  }

  /// Returns one sentence for each thing that is probably not what the user wanted.
  std::vector<std::string> warnings() const {
    std::vector<std::string> all;
    for (auto const& [format, layers] : unstorable)
      all.push_back(layers_in_words(layers.size()) + " cannot be stored as " + format + ", copied unchanged: " + some_of(layers));
    all.insert(all.end(), unused.begin(), unused.end());
    for (auto const& [what, layers] : doubts)
      all.push_back(layers_in_words(layers.size()) + " decoded as if plain, but " + what + ": " + some_of(layers));
    if (!unranged.empty())
      all.push_back("the calibration data cannot give " + layers_in_words(unranged.size()) +
                    " a static activation scale: " + some_of(unranged) + "; a rotated layer needs sampled inputs (`.input`)");
    if (!unsmoothed.empty())
      all.push_back("`smoothing` leaves out " + layers_in_words(unsmoothed.size()) + " whose largest inputs are unknown: " +
                    some_of(unsmoothed) + "; they come from `calibration_data` with `.channel_max` or sampled inputs (`.input`)");
    if (quantized == 0) all.push_back("no layer is quantized");
    if (oversized != 0)
      all.push_back(std::to_string(oversized) + (oversized == 1 ? " shard is" : " shards are") +
                    " larger than `max_shard_bytes`: the tensors of a layer stay together");
    return all;
  }

  /// Returns one sentence for each thing that is as documented, and good to know.
  std::vector<std::string> notes() const {
    std::vector<std::string> all;
    if (!unrotated.empty())
      all.push_back("no rotation group divides the columns of " + layers_in_words(unrotated.size()) +
                    ", stored unrotated: " + some_of(unrotated));
    if (!uneven.empty())
      all.push_back("products of INT8 codes want sides that are multiples of 4, and " + layers_in_words(uneven.size()) +
                    (uneven.size() == 1 ? " has" : " have") + " others: " + some_of(uneven) + "; `exclude` keeps them");
    if (padded != 0)
      all.push_back("QuIP's transform pads " + layers_in_words(padded) + " to powers of two: their codes take more room");
    if (requantized != 0) all.push_back(requantized_in_words(requantized));
    if (kept_quantized != 0)
      all.push_back(layers_in_words(kept_quantized) + " already quantized, kept with scales and markers as they are");
    if (corrected != 0)
      all.push_back("the biases of " + layers_in_words(corrected) + " are corrected for the mean of their inputs");
    return all;
  }
};

}  // namespace halfstep
