// PEFT's configuration of an adapter: what it says of scales, and the methods that a merge of pairs cannot do.
#pragma once

#include <algorithm>
#include <array>
#include <cctype>
#include <cmath>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

#include <halfstep/core/error.hpp>
#include <halfstep/core/text.hpp>
#include <halfstep/lora/scale_statement.hpp>

namespace halfstep {

/// Whether a file holds the magnitudes of DoRA, without which its pairs mean something else.
enum class magnitude_vectors : std::uint8_t { none, held };

namespace detail {

/// One configuration: keys of PEFT and their values. `where` names the file and the place in it, for messages.
class peft_configuration {
 public:
  peft_configuration(std::string where, boost::json::object said) : where_(std::move(where)), said_(std::move(said)) {}

  /// Throws format_error, by its name, for a method that adds more or other than scaled products to the weights.
  void require_mergeable(magnitude_vectors magnitudes) const {
    require_known_type();
    require_unchanged_base();
    for (auto const& pair : said_) {
      std::string_view const key = pair.key();
      if (key == "use_dora" && is_true(pair.value()) && magnitudes == magnitude_vectors::none)
        fail(stated("lora.no_magnitudes",
                    "says use_dora, and the file holds no magnitudes of DoRA; get the whole adapter, or merge it with PEFT"));
      constexpr std::array<std::string_view, 5> known{"use_rslora", "use_dora", "use_effective_conv2d", "use_original_init",
                                                      "use_tucker"};
      bool const is_method = key.starts_with("use_") && std::find(known.begin(), known.end(), key) == known.end();
      if ((is_method || key == "fan_in_fan_out") && is_true(pair.value()))
        fail(stated("lora.unknown_key", "says {key}, which is not understood here; merge it with PEFT and convert the result",
                    {{"key", key}}));
      constexpr std::array<std::string_view, 3> refused{"layer_replication", "alora_invocation_tokens", "arrow_config"};
      if (std::find(refused.begin(), refused.end(), key) != refused.end() && !pair.value().is_null())
        fail(stated("lora.not_mergeable", "has {key}, which no merge can express", {{"key", key}}));
    }
  }

  /// Returns what it says of scales; it may say nothing. Throws format_error for what is no number.
  scale_statement statement() const {
    scale_statement s;
    s.alpha = number("lora_alpha");
    if (!s.alpha) s.alpha = number("alpha");
    s.rank = number("r");
    if (s.rank && !(*s.rank > 0))
      fail(stated("lora.bad_rank", "has the rank {rank}", {{"rank", boost::json::serialize(*said_.if_contains("r"))}}));
    s.alphas = pattern("alpha_pattern");
    s.ranks = pattern("rank_pattern");
    auto const* const stabilised = said_.if_contains("use_rslora");
    if (stabilised != nullptr && is_true(*stabilised)) s.scaling = rank_scaling::by_root;
    return s;
  }

 private:
  [[noreturn]] void fail(message why) const { throw format_error(within(std::move(why), "{where} {why}", {{"where", where_}})); }

  static bool is_true(boost::json::value const& value) { return value.is_bool() && value.get_bool(); }

  void require_known_type() const {
    auto const* const type = said_.if_contains("peft_type");
    if (type == nullptr || type->is_null()) return;
    std::string name = type->is_string() ? std::string(std::string_view(type->get_string())) : boost::json::serialize(*type);
    if (auto const dot = name.rfind('.'); dot != std::string::npos) name = name.substr(dot + 1);  // "PeftType.LORA"
    std::transform(name.begin(), name.end(), name.begin(), [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
    if (name != "LORA" && name != "LOHA" && name != "LOKR")
      fail(stated("lora.unknown_method",
                  "says peft_type {'method}, a method that is not merged here; merge it with PEFT and convert the result",
                  {{"method", name}}));
  }

  /// Some ways to begin a training take the adapter's start out of the base model, which is another model from then on.
  void require_unchanged_base() const {
    auto const* const start = said_.if_contains("init_lora_weights");
    if (start == nullptr || !start->is_string()) return;
    std::string_view const name = start->get_string();
    for (std::string_view const other : {"pissa", "olora", "corda", "loftq", "lora_ga"})
      if (name.starts_with(other))
        fail(stated("lora.changed_base",
                    "says init_lora_weights {'start}: it was trained on weights that were changed first; convert it to a plain "
                    "LoRA with PEFT (path_initial_model_for_weight_conversion), or merge it there",
                    {{"start", name}}));
  }

  std::optional<double> number(char const* key) const {
    auto const* const value = said_.if_contains(key);
    if (value == nullptr || value->is_null()) return std::nullopt;
    return number_of(key, *value);
  }

  double number_of(std::string_view key, boost::json::value const& value) const {
    double const x = value.is_double()  ? value.get_double()
                     : value.is_int64() ? static_cast<double>(value.get_int64())
                                        : std::nan("");
    if (!std::isfinite(x))
      fail(stated("lora.no_number", "has {key} {value}, not a number", {{"key", key}, {"value", boost::json::serialize(value)}}));
    return x;
  }

  scale_pattern pattern(char const* key) const {
    scale_pattern all;
    auto const* const value = said_.if_contains(key);
    if (value == nullptr || value->is_null()) return all;
    if (!value->is_object())
      fail(stated("lora.no_numbers_by_name", "has {key} {value}, not names with numbers",
                  {{"key", key}, {"value", boost::json::serialize(*value)}}));
    for (auto const& pair : value->get_object())
      all.emplace_back(std::string(std::string_view(pair.key())),
                       number_of(std::string(key) + " " + quoted(std::string_view(pair.key())), pair.value()));
    return all;
  }

  std::string where_;
  boost::json::object said_;
};

/// Returns the object that `text` is, read from `where`. Throws format_error.
inline boost::json::object json_object_of(std::string const& where, std::string_view text) {
  if (text.starts_with("\xef\xbb\xbf")) text.remove_prefix(3);
  boost::system::error_code why;
  boost::json::value value = boost::json::parse(text, why);
  if (why)
    throw format_error(stated("lora.no_json", "{where} is no JSON: {reason}", {{"where", where}, {"reason", why.message()}}));
  if (!value.is_object()) throw format_error(stated("lora.no_json", "{where} is no JSON object", {{"where", where}}));
  return std::move(value.get_object());
}

}  // namespace detail

}  // namespace halfstep
