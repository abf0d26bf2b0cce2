// The scales of an adapter's pairs, from its tensors, its header and the adapter_config.json beside it.
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include <halfstep/core/error.hpp>
#include <halfstep/core/source.hpp>
#include <halfstep/core/text.hpp>
#include <halfstep/core/words.hpp>
#include <halfstep/file/file_identity.hpp>
#include <halfstep/file/folder.hpp>
#include <halfstep/file/input_file.hpp>
#include <halfstep/lora/header_statements.hpp>
#include <halfstep/lora/options.hpp>
#include <halfstep/lora/peft_configuration.hpp>
#include <halfstep/lora/scale_in_words.hpp>
#include <halfstep/lora/scale_statement.hpp>
#include <halfstep/lora/stored_number.hpp>
#include <halfstep/lora/training_scale.hpp>
#include <halfstep/safetensors/layer_name.hpp>
#include <halfstep/safetensors/reader.hpp>

namespace halfstep {

/// A pair as far as its scale depends on it.
struct scaled_pair {
  std::string_view name;                       ///< of its layer, as the file has it
  std::string_view tensor;                     ///< its down matrix, as the file has it
  std::uint64_t rank;                          ///< of the matrices; 0 for a product of whole ones (LoKr), which alone PEFT scales
  safetensors::tensor const* alpha = nullptr;  ///< where a tensor tells it
};

/// The longest adapter_config.json that is read, in bytes.
inline constexpr std::uint64_t max_adapter_config_bytes = std::uint64_t{1} << 24;

/// What scales the pairs of one adapter. Borrows its file.
class training_scales {
 public:
  /// Reads the header of `file` and, where `from` asks for it, the adapter_config.json beside the file; `expressions` tells which
  /// layers a key of a pattern is for that is more than a name. Throws format_error for a method that cannot be merged, by its
  /// name, and for numbers that are none; usage_error where the configuration alone is to tell and there is none; io_error.
  training_scales(safetensors::reader const& file, alpha_source from, name_matcher expressions = {})
      : file_(&file), from_(from), expressions_(std::move(expressions)) {
    auto const magnitudes = held_magnitudes();
    statements_ = header_statements(file.path(), file.head().metadata(), magnitudes);
    if (from_ == alpha_source::agreed || from_ == alpha_source::config) read_config(magnitudes);
    std::erase_if(statements_, [this](scale_statement const& s) { return !takes(s.place); });
  }

  /// Returns the scale of a pair: what the places say of it that are asked, else the one of an alpha that is the rank.
  ///
  /// Throws format_error, with both values, where two places differ by more than alpha loses in BF16, and where a configuration
  /// is of another rank.
  training_scale of(scaled_pair const& pair) const {
    auto const rank = static_cast<double>(pair.rank);
    std::vector<training_scale> told;
    if (takes(scale_place::tensors) && pair.alpha != nullptr && pair.rank != 0)
      told.push_back({.alpha = stored_number(*file_, *pair.alpha),
                      .rank = rank,
                      .place = scale_place::tensors,
                      .from = "the .alpha tensors"});
    if (takes(scale_place::header) && pair.rank != 0) add_named(pair, told);
    std::string passed_over;
    for (auto const* s : statements_for(pair.name, statements_)) {
      if (s->kind == statement_kind::summary)
        add_summary(*s, pair, told, passed_over);
      else
        add_configured(*s, pair, told);
    }
    if (told.empty()) {
      auto scale = assumed_scale(pair.rank == 0 ? 1.0 : rank);
      scale.passed_over = std::move(passed_over);
      return scale;
    }
    for (auto const& other : told) require_agreement(pair, told.front(), other);
    return told.front();
  }

  alpha_source source() const { return from_; }

  /// Returns the adapter_config.json that was read, to tell it from other files; nothing where there is none.
  std::optional<file::file_identity> config_identity() const {
    return config_ ? std::optional(config_->identity()) : std::nullopt;
  }

  /// Throws io_error where that file is not what it was.
  void require_unchanged() const {
    if (config_) config_->require_unchanged();
  }

 private:
  bool takes(scale_place place) const {
    switch (from_) {
      case alpha_source::agreed:
        return true;
      case alpha_source::tensors:
        return place == scale_place::tensors;
      case alpha_source::header:
        return place == scale_place::header;
      case alpha_source::config:
        return place == scale_place::config;
      case alpha_source::rank:
        return false;
    }
    return false;
  }

  std::string described() const { return "LoRA " + quoted(file_->path()); }

  magnitude_vectors held_magnitudes() const {
    for (auto const& t : file_->head().tensors())
      if (t.name.find("magnitude") != std::string::npos || t.name.find("dora_scale") != std::string::npos)
        return magnitude_vectors::held;
    return magnitude_vectors::none;
  }

  void read_config(magnitude_vectors magnitudes) {
    std::string const path = file::folder_of(file_->path()) + "adapter_config.json";
    if (file::kind_of(path) != file::path_kind::file) {
      if (from_ == alpha_source::config)
        throw usage_error(stated("lora.no_config",
                                 "{lora}: there is no {'path} beside it, and `lora_alpha config` takes alpha from there",
                                 {{"lora", described()}, {"path", path}}));
      return;
    }
    config_.emplace(path);
    std::string const where = described() + ": " + quoted(path);
    if (config_->size() > max_adapter_config_bytes)
      throw format_error(stated("lora.long_config", "{where} has {bytes} bytes, more than {limit}",
                                {{"where", where}, {"bytes", config_->size()}, {"limit", max_adapter_config_bytes}}));
    std::string text(static_cast<std::size_t>(config_->size()), '\0');
    config_->read(0, std::as_writable_bytes(std::span(text)));
    detail::peft_configuration const configuration(where, detail::json_object_of(where, text));
    configuration.require_mergeable(magnitudes);
    auto s = configuration.statement();
    s.place = scale_place::config;
    s.from = "the adapter_config.json beside it";
    if (s.alpha || !s.alphas.empty()) statements_.push_back(std::move(s));
  }

  /// Adds what the metadata says of this layer alone, under its name with underscores and "_alpha" behind.
  void add_named(scaled_pair const& pair, std::vector<training_scale>& told) const {
    for (auto const& name : {std::string(pair.name), without_prefix(pair.name).text})
      for (auto const& [key, value] : file_->head().metadata()) {
        if (key != underscored(name) + "_alpha") continue;
        auto const alpha = detail::number_in(value);
        if (!alpha)
          throw format_error(stated("lora.no_number", "{lora}: the metadata's {'key} is {'value}, not a number",
                                    {{"lora", described()}, {"key", key}, {"value", value}}));
        told.push_back({.alpha = *alpha,
                        .rank = static_cast<double>(pair.rank),
                        .place = scale_place::header,
                        .from = "the header's <layer>_alpha"});
        return;
      }
  }

  void add_configured(scale_statement const& s, scaled_pair const& pair, std::vector<training_scale>& told) const {
    auto const number = [&](scale_pattern const& pattern, std::optional<double> general) {
      try {
        return detail::number_for(pair.name, pattern, general, expressions_);
      } catch (format_error const& e) {
        throw format_error(within(e.said(), "{lora}: {from}: {why}", {{"lora", described()}, {"from", s.from}}));
      }
    };
    auto const alpha = number(s.alphas, s.alpha);
    auto const rank = number(s.ranks, s.rank);
    if (!alpha) return;
    if (pair.rank == 0) {
      if (rank) told.push_back({.alpha = *alpha, .rank = *rank, .scaling = s.scaling, .place = s.place, .from = s.from});
      return;
    }
    if (rank && *rank != static_cast<double>(pair.rank))
      throw format_error(stated(
          "lora.other_rank",
          "{lora}: {'tensor} has rank {rank}, and {from} says {said}: it is another adapter's, or was changed since; leave it "
          "unread with `lora_alpha tensors`, or with `lora_alpha rank`, where alpha is the rank, and give alpha / rank as the "
          "strength",
          {{"lora", described()}, {"tensor", pair.tensor}, {"rank", pair.rank}, {"from", s.from}, {"said", number_text(*rank)}}));
    told.push_back(
        {.alpha = *alpha, .rank = static_cast<double>(pair.rank), .scaling = s.scaling, .place = s.place, .from = s.from});
  }

  /// Adds a record of the training where it can be this pair's: matrices that carry the trainer's names and its rank. Programs
  /// that rename them multiply the scale into them and keep the record.
  void add_summary(scale_statement const& s, scaled_pair const& pair, std::vector<training_scale>& told,
                   std::string& passed_over) const {
    bool const is_own = pair.tensor.find("lora_down") != std::string_view::npos;
    if (is_own && *s.rank == static_cast<double>(pair.rank))
      told.push_back({.alpha = *s.alpha, .rank = *s.rank, .place = s.place, .from = s.from});
    else if (*s.alpha != *s.rank)
      passed_over = s.from + " is " + number_text(*s.alpha) + " for rank " + number_text(*s.rank) +
                    (is_own ? "" : ", and for pairs called lora_down and lora_up");
  }

  void require_agreement(scaled_pair const& pair, training_scale const& one, training_scale const& other) const {
    constexpr double rounding = 1.0 / 256.0;  // of an alpha that is stored in BF16
    double const a = one.factor();
    double const b = other.factor();
    if (std::fabs(a - b) <= rounding * std::fmax(std::fabs(a), std::fabs(b))) return;
    auto const choice = [](training_scale const& s) {
      return std::string(s.place == scale_place::tensors  ? "`lora_alpha tensors`"
                         : s.place == scale_place::header ? "`lora_alpha header`"
                                                          : "`lora_alpha config`");
    };
    std::string const advice = one.place == other.place
                                   ? "merge it with `lora_alpha rank`, where alpha is the rank, and give the "
                                     "factor that is right as its strength"
                                   : "say which holds with " + choice(one) + " or " + choice(other);
    throw format_error(stated("lora.two_scales", "{lora}: the scale of {'tensor} is {scale}, and {other}; {advice}",
                              {{"lora", described()},
                               {"tensor", pair.tensor},
                               {"scale", scale_in_words(one)},
                               {"other", scale_in_words(other)},
                               {"advice", advice}}));
  }

  safetensors::reader const* file_;
  alpha_source from_;
  name_matcher expressions_;
  std::vector<scale_statement> statements_;
  std::optional<file::input_file> config_;
};

}  // namespace halfstep
