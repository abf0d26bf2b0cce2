// Parsing: CLI11 does the work; dash and underscore spellings become one, and refusals name what they refuse.
#include "parse.hpp"

#include <algorithm>
#include <cctype>
#include <utility>

#include <CLI/CLI.hpp>

#include <halfstep/core/edit_distance.hpp>
#include <halfstep/core/error.hpp>

#include "documents.hpp"
#include "help.hpp"
#include "option_table.hpp"
#include "settle.hpp"

namespace convert_to_quant {

namespace {

/// Returns the documented spelling of the flag nearest to `flag`.
std::string nearest_flag(std::string const& flag) {
  std::string best;
  std::size_t least = std::string::npos;
  auto const consider = [&](std::string const& name) {
    std::size_t const d = halfstep::edit_distance(flag, canonical(name));
    if (d < least) {
      least = d;
      best = name;
    }
  };
  for (auto const& row : option_table())
    for (auto const& name : split(row.names)) consider(name);
  for (auto const& entry : pages)
    for (auto const& name : split(entry.flags)) consider(name);
  for (std::string const name : {"--version", "--print"}) consider(name);
  return best;
}

bool is_number(std::string const& text) {
  return text.size() > 1 && text[0] == '-' && (std::isdigit(static_cast<unsigned char>(text[1])) != 0 || text[1] == '.');
}

/// Returns whether the flag in front of an argument takes it as its value.
bool takes_value(option_row const* row) { return row != nullptr && !row->value.empty() && !row->value.starts_with('['); }

/// Refuses an empty argument, which an unset variable of a shell leaves behind: it would change nothing without a word.
void require_value(std::string const& flag, option_row const* row) {
  throw halfstep::usage_error(
      (row == nullptr ? "an argument is empty" : "'" + flag + "' got an empty value, takes " + std::string(row->value)) +
      "; is a variable of the shell unset?");
}

/// Rewrites flags to their canonical spelling; refuses those that no row knows or that are not built.
void normalise(std::vector<std::string>& arguments) {
  option_row const* before = nullptr;  // of the argument in front, where that is a flag
  for (std::size_t i = 0; i < arguments.size(); ++i) {
    auto& argument = arguments[i];
    option_row const* const in_front = std::exchange(before, nullptr);
    if (argument.empty()) require_value(in_front == nullptr ? "" : arguments[i - 1], in_front);
    if (argument.size() < 2 || argument[0] != '-' || is_number(argument)) continue;
    auto const equals = argument.find('=');
    std::string const flag = canonical(argument.substr(0, equals));
    option_row const* const row = row_of(flag);
    if (row == nullptr && takes_value(in_front) && !argument.starts_with("--"))
      throw halfstep::usage_error("'" + arguments[i - 1] + "' got '" + argument +
                                  "', which looks like a flag: write a path as './" + argument + "', another value as '" +
                                  split(canonical(in_front->names)).back() + "=" + argument + "'");
    if (row == nullptr)
      throw halfstep::usage_error("unknown flag '" + argument.substr(0, equals) + "': the nearest known one is '" +
                                  nearest_flag(flag) + "'; see --help");
    if (equals + 1 == argument.size()) require_value(flag, row);
    if (equals == std::string::npos) before = row;
    if (row->bind == nullptr)
      throw halfstep::usage_error("flag '" + argument.substr(0, equals) +
                                  "' is not built in this version: nothing was done; see --help");
    argument = equals == std::string::npos ? flag : flag + argument.substr(equals);
  }
}

}  // namespace

std::variant<options, information> parse(std::vector<std::string> arguments) {
  for (std::size_t i = 0; i < arguments.size(); ++i) {
    auto const& argument = arguments[i];
    if (argument == "--version") return information{version_text()};
    if (argument == "--print") return information{printed(i + 1 < arguments.size() ? arguments[i + 1] : "")};
    if (argument.starts_with("--print=")) return information{printed(argument.substr(8))};
    for (auto const& entry : pages)
      for (auto const& name : split(entry.flags))
        if (canonical(argument) == name) return information{help_text(entry.name)};
  }
  if (arguments.empty()) throw halfstep::usage_error("'-i' is missing: name the .safetensors file to convert; see --help");
  options o;
  o.arguments = arguments;
  normalise(arguments);

  CLI::App app;
  app.set_help_flag();
  for (auto const& row : option_table())
    if (row.bind != nullptr) row.bind(app, row, o);
  for (auto* const option : app.get_options()) option->multi_option_policy(CLI::MultiOptionPolicy::Throw);
  o.given = arguments;
  std::reverse(arguments.begin(), arguments.end());
  try {
    app.parse(std::move(arguments));
  } catch (CLI::ArgumentMismatch const& e) {
    std::string const said = e.what();
    std::string const flag = said.substr(0, said.find(':'));
    auto const begins = [&](std::string const& argument) { return argument == flag || argument.starts_with(flag + "="); };
    bool const twice = std::ranges::count_if(o.given, begins) > 1;
    throw halfstep::usage_error("'" + flag + "' " + (twice ? "is given twice" : "takes a value and got none") + "; see --help");
  } catch (CLI::ExtrasError const& e) {
    throw halfstep::usage_error(std::string("unexpected argument: ") + e.what() + "; the input goes behind -i");
  } catch (CLI::ParseError const& e) {
    throw halfstep::usage_error(std::string(e.what()) + "; see --help");
  }
  if (o.input.empty()) throw halfstep::usage_error("'-i' is missing: name the .safetensors file to convert; see --help");
  settle(o, o.given);
  return o;
}

}  // namespace convert_to_quant
