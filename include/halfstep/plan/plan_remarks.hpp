// What is noticed while a plan is made, and how it is told: one error, warnings, notes.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
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

  /// Tensors that are left out by one rule.
  struct left_out {
    std::size_t count = 0;
    std::uint64_t bytes = 0;
  };

  layers_by_format refused = {};         ///< named by a flag, but their recipe cannot store them
  layers_by_format unstorable = {};      ///< chosen by a rule, but their recipe cannot store them
  std::vector<std::string> idle = {};    ///< patterns that would quantize and find nothing
  std::string unmatched = {};            ///< what a layer configuration has and the model, where nothing of it is used
  std::vector<std::string> unused = {};  ///< what else found nothing, as sentences
  std::vector<std::string> unrotated = {};
  std::vector<std::string> uneven = {};    ///< with a side that products of INT8 codes do not like
  std::vector<std::string> unranged = {};  ///< without a static scale of their activations
  std::vector<std::string> unsmoothed = {};
  std::vector<std::string> unread_scales = {};   ///< with a static scale of their activations that no loader reads
  std::vector<std::string> unasked = {};         ///< quantized already, and nobody said that they may be quantized again
  std::vector<std::string> undecodable = {};     ///< quantized already in a way that is not undone, and why
  std::vector<std::string> undeclared = {};      ///< quantized already, and lost to loaders beside the metadata asked for
  layers_by_format doubts = {};                  ///< quantized already, by what nothing says of them
  layers_by_format late_tables = {};             ///< looked up, by the version of ComfyUI from which on they are decoded
  std::vector<std::string> unread = {};          ///< looked up or normalizing, and no loader is known to decode them
  std::map<std::string, left_out> removed = {};  ///< by the rule of a family that was recognised
  std::map<std::string, left_out> removed_as_asked = {};  ///< by the rule of a family that was named
  std::string small_share = {};                           ///< how little is quantized, as a sentence
  std::string banks = {};                                 ///< of experts, as a sentence
  bool calibrated = false;                                ///< whether files say anything of the inputs of layers
  std::size_t requantized = 0;
  std::size_t kept_quantized = 0;
  std::size_t corrected = 0;  ///< biases
  std::size_t padded = 0;
  std::size_t oversized = 0;  ///< shards
  std::size_t quantized = 0;

  /// Throws usage_error, with all that is wrong at once, where the user named what cannot be done; format_error for a layer
  /// configuration of which nothing is used.
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
      throw usage_error(stated("metadata.undeclared",
                               "`metadata`: layers that stay have a `scale_weight`, which loaders do not read beside that "
                               "metadata: {layers}; leave the flag out",
                               {{"layers", some_of(undeclared)}}));
    std::vector<std::string> all;
    for (auto const& [format, layers] : refused)
      all.push_back(layers_in_words(layers.size()) + " cannot be stored as " + format + ": " + joined(layers, "; "));
    if (!all.empty())
      throw usage_error(stated(
          "layers.do_not_fit",
          "{layers}; keep them (narrow what names them, or `exclude`), or choose another scaling mode or block size for them",
          {{"layers", joined(all, "; ")}}));
    if (!unmatched.empty())
      throw format_error(message{"layers.nothing_used",
                                 "nothing of the `layers` is used: their expressions match no weight that "
                                 "can be quantized; " +
                                     unmatched + ": `analyze` shows all names"});
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
      all.push_back("`smoothing` leaves out " + layers_in_words(unsmoothed.size()) +
                    " whose largest inputs are unknown: " + some_of(unsmoothed) + "; they come from " +
                    (calibrated ? "other " : "") + "`calibration_data` with `.channel_max` or sampled inputs (`.input`)");
    if (!removed.empty())
      all.push_back("left out of the output: " + words_for(removed) +
                    "; `exclude` keeps what it names, and naming the family with `families` says that they are to go");
    if (!unread.empty())
      all.push_back("no loader is known to decode " + layers_in_words(unread.size()) +
                    " quantized here, looked up or norms: " + some_of(unread) + "; `exclude` keeps what it names");
    if (!small_share.empty())
      all.push_back(small_share);
    else if (quantized == 0)
      all.push_back("no layer is quantized");
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
    for (auto const& [version, tables] : late_tables)
      all.push_back("ComfyUI before " + version + " takes the codes of tables that are looked up for their numbers: " +
                    some_of(tables) + "; `exclude` keeps what it names");
    if (!removed_as_asked.empty()) all.push_back("left out of the output, as asked: " + words_for(removed_as_asked));
    if (!banks.empty() && small_share.empty()) all.push_back(banks);
    if (requantized != 0) all.push_back(requantized_in_words(requantized));
    if (kept_quantized != 0)
      all.push_back(layers_in_words(kept_quantized) + " already quantized, kept with scales and markers as they are");
    if (!unread_scales.empty())
      all.push_back(
          "`static activations` changes nothing for " + layers_in_words(unread_scales.size()) +
          " in INT8: stock ComfyUI scales the rows of their inputs as they come, and nothing reads the input_scale of " +
          some_of(unread_scales));
    if (corrected != 0)
      all.push_back("the biases of " + layers_in_words(corrected) + " are corrected for the mean of their inputs");
    return all;
  }

 private:
  static std::string words_for(std::map<std::string, left_out> const& rules) {
    std::vector<std::string> all;
    for (auto const& [rule, tensors] : rules)
      all.push_back(rule + " (" + std::to_string(tensors.count) + (tensors.count == 1 ? " tensor, " : " tensors, ") +
                    size_in_words(tensors.bytes) + ")");
    return joined(all, ", ");
  }
};

}  // namespace halfstep
