// What the metadata in an adapter's header says of the scales of its pairs, in the words of several programs.
#pragma once

#include <array>
#include <charconv>
#include <cmath>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>

#include <halfstep/lora/peft_configuration.hpp>
#include <halfstep/lora/scale_statement.hpp>
#include <halfstep/safetensors/header.hpp>

namespace halfstep {

namespace detail {

/// Returns the number that all of `text` is; nothing for other text, such as "None" or "Dynamic".
inline std::optional<double> number_in(std::string_view text) {
  double value = 0.0;
  auto const [end, failure] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (failure != std::errc{} || end != text.data() + text.size() || !std::isfinite(value)) return std::nullopt;
  return value;
}

/// Returns the value of a metadata pair that stands for a key of a configuration: JSON, or a word of Python.
inline boost::json::value value_in(std::string const& text) {
  if (text == "True") return true;
  if (text == "False") return false;
  if (text == "None" || text.empty()) return nullptr;
  if (auto const number = number_in(text)) return *number;
  boost::system::error_code why;
  boost::json::value parsed = boost::json::parse(text, why);
  return why ? boost::json::value(text) : parsed;
}

/// Returns PEFT's name of a key that stands alone in the metadata; empty for a key that is none.
inline std::string_view flat_key(std::string_view last) {
  constexpr std::array<std::pair<std::string_view, std::string_view>, 12> names{{{"lora_alpha", "lora_alpha"},
                                                                                 {"network_alpha", "lora_alpha"},
                                                                                 {"r", "r"},
                                                                                 {"rank", "r"},
                                                                                 {"lora_rank", "r"},
                                                                                 {"lora_r", "r"},
                                                                                 {"network_dim", "r"},
                                                                                 {"alpha_pattern", "alpha_pattern"},
                                                                                 {"rank_pattern", "rank_pattern"},
                                                                                 {"use_rslora", "use_rslora"},
                                                                                 {"use_dora", "use_dora"},
                                                                                 {"peft_type", "peft_type"}}};
  for (auto const& [spelled, name] : names)
    if (last == spelled) return name;
  return {};
}

/// The metadata of one header, read for what it says of scales.
class header_reading {
 public:
  header_reading(std::string const& file, safetensors::metadata_list const& metadata, magnitude_vectors magnitudes)
      : file_(file), metadata_(metadata), magnitudes_(magnitudes) {}

  std::vector<scale_statement> statements() {
    add_packed();
    add_flat();
    add_kohya();
    add_onetrainer();
    return std::move(found_);
  }

 private:
  using by_component = std::map<std::string, boost::json::object>;

  std::string const* find(std::string_view key) const {
    for (auto const& [name, value] : metadata_)
      if (name == key) return &value;
    return nullptr;
  }

  /// Adds what each configuration of `all` says of scales. Throws for methods that cannot be merged.
  void add(by_component const& all, std::string const& from) {
    for (auto const& [component, said] : all) {
      peft_configuration const configuration(
          "LoRA " + quoted(file_) + ": " + from + (component.empty() ? "" : ", for the " + component + ","), said);
      configuration.require_mergeable(magnitudes_);
      auto s = configuration.statement();
      if (!s.alpha && s.alphas.empty()) continue;  // a rank alone scales nothing
      s.place = scale_place::header;
      s.from = from;
      s.component = component;
      found_.push_back(std::move(s));
    }
  }

  /// diffusers: a JSON object whose keys carry the component, as in "transformer.lora_alpha".
  void add_packed() {
    std::string_view const key = "lora_adapter_metadata";
    auto const* const text = find(key);
    if (text == nullptr) return;
    std::string const from = "the header's " + std::string(key);
    by_component all;
    for (auto& pair : json_object_of("LoRA " + quoted(file_) + ": " + from, *text)) {
      std::string_view const name = pair.key();
      auto const dot = name.rfind('.');
      std::string const component(dot == std::string_view::npos ? "" : name.substr(0, dot));
      all[component].insert_or_assign(dot == std::string_view::npos ? name : name.substr(dot + 1), pair.value());
    }
    add(all, from);
  }

  /// The same keys, each a pair of the metadata.
  void add_flat() {
    by_component all;
    std::map<std::string, std::string> spelled;
    for (auto const& [key, text] : metadata_) {
      auto const dot = key.rfind('.');
      auto const name = flat_key(std::string_view(key).substr(dot == std::string::npos ? 0 : dot + 1));
      if (name.empty()) continue;
      std::string const component = key.substr(0, dot == std::string::npos ? 0 : dot);
      auto value = value_in(text);
      if (name == "r" && !value.is_number()) continue;  // a rank that differs by layer is no number, and the tensors tell it
      all[component].insert_or_assign(name, std::move(value));
      if (name == "lora_alpha" || (name == "alpha_pattern" && !spelled.contains(component))) spelled[component] = key;
    }
    for (auto& [component, said] : all)
      add({{component, std::move(said)}}, spelled.contains(component) ? "the header's " + spelled[component] : "the header");
  }

  /// kohya and musubi: numbers of the training beside `.alpha` tensors. Layers may have others where the arguments say so.
  void add_kohya() {
    auto const* const alpha = find("ss_network_alpha");
    auto const* const rank = find("ss_network_dim");
    auto const* const module = find("ss_network_module");
    auto const* const arguments = find("ss_network_args");
    if (alpha == nullptr || rank == nullptr) return;
    if (module != nullptr && module->find("networks.lora") == std::string::npos) return;
    if (arguments != nullptr)
      for (std::string_view const word : {"alpha", "dim", "rank", "algo", "rs_lora"})
        if (arguments->find(word) != std::string::npos) return;
    add_summary(number_in(*alpha), number_in(*rank), "the header's ss_network_alpha");
  }

  /// OneTrainer: its whole configuration as JSON beside `.alpha` tensors.
  void add_onetrainer() {
    auto const* const text = find("ot_config");
    if (text == nullptr) return;
    boost::system::error_code why;
    auto const value = boost::json::parse(*text, why);
    if (why || !value.is_object()) return;
    auto const number = [&](char const* key) -> std::optional<double> {
      auto const* const x = value.get_object().if_contains(key);
      if (x == nullptr) return std::nullopt;
      return x->is_double() ? std::optional(x->get_double())
                            : (x->is_int64() ? std::optional(static_cast<double>(x->get_int64())) : std::nullopt);
    };
    add_summary(number("lora_alpha"), number("lora_rank"), "the header's ot_config");
  }

  /// An alpha of 0 means the rank there.
  void add_summary(std::optional<double> alpha, std::optional<double> rank, std::string from) {
    if (!alpha || !rank || !(*rank > 0)) return;
    scale_statement s;
    s.place = scale_place::header;
    s.from = std::move(from);
    s.kind = statement_kind::summary;
    s.alpha = *alpha == 0.0 ? *rank : *alpha;
    s.rank = rank;
    found_.push_back(std::move(s));
  }

  std::string const& file_;
  safetensors::metadata_list const& metadata_;
  magnitude_vectors magnitudes_;
  std::vector<scale_statement> found_;
};

}  // namespace detail

/// Returns what the metadata of the adapter `file` says of scales, in the spellings of diffusers, PEFT, kohya, musubi and
/// OneTrainer. Throws format_error for a method that cannot be merged, by its name, and for what is no number.
inline std::vector<scale_statement> header_statements(std::string const& file, safetensors::metadata_list const& metadata,
                                                      magnitude_vectors magnitudes) {
  return detail::header_reading(file, metadata, magnitudes).statements();
}

}  // namespace halfstep
