// What an error advises, by the flags that were given.
#include "advice.hpp"

#include <algorithm>
#include <cstddef>

#include <halfstep/core/error.hpp>

#include "option_table.hpp"
#include "settle.hpp"

namespace convert_to_quant {

namespace {

/// Words of an error that say nothing new where a flag was given, and what is said in their place.
struct given_advice {
  std::string_view flag;   ///< in its canonical spelling
  std::string_view value;  ///< that it was given with; empty: any
  std::string_view words;
  std::string_view instead;
};

// The first that fits a place is taken: longer words come first.
constexpr given_advice all_advice[] = {
    {"--low-memory", "", "try --low-memory or a smaller --threads", "try a smaller --threads"},
    {"--threads", "1", "; try a smaller --threads", "; no flag makes it smaller, more memory is needed"},
    {"--threads", "1", "try --low-memory or a smaller --threads", "try --low-memory"},
    {"--threads", "1", "; try --threads 1", "; end other programs, or raise the limit on processes"},
    {"--exclude-layers", "", "with --exclude-layers", "with a wider --exclude-layers"},
    {"--exclude-layers", "", "or --exclude-layers", "or a wider --exclude-layers"},
    {"--exclude-layers", "", "; --exclude-layers keeps", "; a wider --exclude-layers keeps"}};

bool is_given(std::span<std::string const> arguments, given_advice const& advice) {
  for (std::size_t i = 0; i < arguments.size(); ++i) {
    auto const equals = arguments[i].find('=');
    if (canonical(arguments[i].substr(0, equals)) != advice.flag) continue;
    if (advice.value.empty()) return true;
    if (equals != std::string::npos) return arguments[i].substr(equals + 1) == advice.value;
    return i + 1 < arguments.size() && arguments[i + 1] == advice.value;
  }
  return false;
}

/// Returns the flags that give a run the markers of a fork, beside those that were given.
std::string flags_of_fork(options const& o) {
  bool const marked = o.comfy_quant || o.recipe == "comfyui" || o.recipe == "fork";
  if (o.comfy_target == "fork") return "--comfy_quant";
  if (o.comfy_target)
    return std::string(marked ? "" : "--comfy_quant and ") + "--comfy_target fork in place of --comfy_target " + *o.comfy_target;
  if (o.recipe == "comfyui") return "--recipe fork in place of --recipe comfyui";
  return o.comfy_quant ? "--comfy_target fork" : "--recipe fork";
}

/// Returns how a run writes no markers at all.
std::string way_without_markers(options const& o) {
  std::string others = o.recipe && o.recipe != "engine" ? "--recipe " + *o.recipe : "";
  if (o.comfy_quant) others += (others.empty() ? "" : ", ") + std::string("--comfy_quant");
  if (o.comfy_target) others += (others.empty() ? "" : ", ") + ("--comfy_target " + *o.comfy_target);
  if (o.recipe == "engine") return "without " + others + " no markers are written at all";
  return "--recipe engine " + (others.empty() ? "" : "in place of " + others + " ") + "writes no markers at all";
}

}  // namespace

std::string beyond_given(std::string text, std::span<std::string const> arguments) {
  for (auto const& advice : all_advice) {
    if (!is_given(arguments, advice)) continue;
    for (auto at = text.find(advice.words); at != std::string::npos; at = text.find(advice.words, at + advice.instead.size()))
      text.replace(at, advice.words.size(), advice.instead);
  }
  return text;
}

void require_other_markers(options const& o) {
  bool const stored = o.optimizer == "quip" && o.quip_store_transformed && o.quip_hadamard && !o.convrot;
  if (o.fp8 || o.fp16 || (!o.smoothquant && !stored)) return;
  bool const marked = o.comfy_quant || o.recipe == "comfyui" || o.recipe == "fork" || (!o.recipe && !any_format_flag(o));
  bool const fork = o.comfy_target == "fork" || (o.recipe == "fork" && !o.comfy_target);
  if (marked ? fork : !o.comfy_target) return;
  std::string text = std::string(o.smoothquant ? "--smoothquant" : "--quip-store-transformed") + " needs " + flags_of_fork(o);
  if (o.smoothquant && o.calibration_data.empty()) text += ", and --calibration-data FILE";
  text += !marked         ? ": without --comfy_quant there are no markers that --comfy_target could name"
          : o.smoothquant ? ": stock ComfyUI drops the smoothing factors of INT8 layers and computes garbage"
                          : ": stock ComfyUI takes the codes for the weight itself and computes garbage";
  throw halfstep::usage_error(text + "; " + way_without_markers(o));
}

}  // namespace convert_to_quant
