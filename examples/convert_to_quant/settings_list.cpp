// What a run was asked for and what it chose.
#include "settings_list.hpp"

#include <algorithm>
#include <cctype>
#include <iterator>
#include <string_view>

#include <halfstep/recipe/comfy_quant.hpp>
#include <halfstep/report/quality_number.hpp>

namespace convert_to_quant {

namespace {

/// An argument as a POSIX shell takes it.
std::string in_shell(std::string const& argument) {
  constexpr std::string_view plain = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-./:=,+@%";
  if (!argument.empty() && argument.find_first_not_of(plain) == std::string::npos) return argument;
  std::string text = "'";
  for (char const c : argument) text += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return text + "'";
}

/// Whether an argument is a flag and no value, which may be a negative number.
bool is_flag(std::string const& argument) {
  return argument.size() > 1 && argument[0] == '-' && std::isdigit(static_cast<unsigned char>(argument[1])) == 0;
}

/// Whether a flag says how a run goes, not what it makes.
bool makes_nothing(std::string_view flag) {
  static constexpr std::string_view flags[] = {"-i",           "--input",          "-o",
                                               "--output",     "--force",          "--resume",
                                               "--threads",    "--memory-budget",  "--low-memory",
                                               "--quiet",      "--verbose",        "--progress",
                                               "--log",        "--report-quality", "--quality-threshold",
                                               "--fail-below", "--verify",         "--strict",
                                               "--device",     "--calib-samples",  "--merge-lora-lenient"};
  return std::ranges::find(flags, flag) != std::end(flags);
}

}  // namespace

halfstep::fact_list asked_list(options const& o) {
  halfstep::fact_list list;
  bool counts = false;
  for (auto const& argument : o.given) {
    if (is_flag(argument)) {
      auto const equals = argument.find('=');
      std::string const flag = argument.substr(0, equals);
      counts = !makes_nothing(flag);
      if (counts) list.emplace_back(flag, equals == std::string::npos ? "" : argument.substr(equals + 1));
    } else if (counts) {
      auto& value = list.back().second;
      value += (value.empty() ? "" : " ") + argument;
    }
  }
  std::ranges::sort(list);
  return list;
}

std::vector<std::pair<std::string, std::string>> settings_list(options const& o, halfstep::plan const& p, std::uint64_t seed,
                                                               int threads) {
  std::string command = "convert_to_quant";
  for (auto const& argument : o.arguments) command += " " + in_shell(argument);
  std::vector<std::pair<std::string, std::string>> list{
      {"command line", command}, {"layers chosen by", p.rules}, {"the output", load_sentence(p.needs, p.since)}};
  if (o.rounding == "stochastic") list.emplace_back("seed", std::to_string(seed));
  list.emplace_back("threads", std::to_string(threads));
  list.emplace_back("rows decoded again", o.verify);
  list.emplace_back("quality threshold", halfstep::detail::trimmed(o.quality_threshold, 6) + " dB");
  if (o.fail_below) list.emplace_back("refused below", halfstep::detail::trimmed(*o.fail_below, 6) + " dB");
  return list;
}

}  // namespace convert_to_quant
