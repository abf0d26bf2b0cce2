// Parsing: CLI11 does the work; dash and underscore spellings become one, and refusals name what they refuse.
#include "parse.hpp"

#include <algorithm>
#include <cctype>
#include <utility>

#include <CLI/CLI.hpp>

#include <halfstep/core/edit_distance.hpp>
#include <halfstep/core/error.hpp>
#include <halfstep/file/folder.hpp>

#include "documents.hpp"
#include "help.hpp"
#include "option_table.hpp"
#include "settle.hpp"

namespace convert_to_quant {

namespace {

/// Returns what is to be said of the documented flag that `flag` resembles most: the shortest that it begins, else one that is at
/// most a third of its letters away; nothing where none is.
std::string nearest_flag(std::string const& flag) {
  std::string best;
  std::size_t least = std::string::npos;
  std::size_t const letters = flag.size() - std::min(flag.find_first_not_of('-'), flag.size());
  auto const consider = [&](std::string const& name) {
    bool const begins_it = letters >= 3 && canonical(name).starts_with(flag);
    std::size_t const d = begins_it ? 0 : halfstep::edit_distance(flag, canonical(name));
    bool const is_shorter = d == 0 && least == 0 && name.size() < best.size();
    if (d < least || is_shorter) {
      least = d;
      best = name;
    }
  };
  for (auto const& row : option_table())
    for (auto const& name : split(row.names)) consider(name);
  for (auto const& entry : pages)
    for (auto const& name : split(entry.flags)) consider(name);
  for (std::string const name : {"--version", "--print"}) consider(name);
  return 3 * least <= letters ? ": the nearest known one is '" + best + "'" : "";
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
      throw halfstep::usage_error("unknown flag '" + argument.substr(0, equals) + "'" + nearest_flag(flag) + "; see --help");
    if (equals + 1 == argument.size()) require_value(flag, row);
    if (equals == std::string::npos) before = row;
    if (row->bind == nullptr)
      throw halfstep::usage_error("flag '" + argument.substr(0, equals) +
                                  "' is not built in this version: nothing was done; see --help");
    argument = equals == std::string::npos ? flag : flag + argument.substr(equals);
  }
}

/// Whether an argument is a flag, in its canonical spelling, and no value.
bool is_flag(std::string const& argument) { return argument.size() > 1 && argument[0] == '-' && !is_number(argument); }

/// Whether `argument` cannot be the value of a flag that may stand alone, such as --dry-run: it is a model, and none of its
/// words.
bool is_model(std::string const& argument, option_row const& flag) {
  if (flag.value.find(argument) != std::string_view::npos) return false;
  return argument.ends_with(".safetensors") || argument.ends_with(".safetensors.index.json") ||
         halfstep::file::kind_of(argument) == halfstep::file::path_kind::folder;
}

/// Puts `--input` in front of the input where it is given without: it belongs to no flag. Behind flags that take several files
/// every name is one of theirs: returns the last of these where no input is found.
std::string name_input(std::vector<std::string>& arguments) {
  bool const is_named = std::ranges::any_of(arguments, [](std::string const& a) {
    return a == "-i" || a == "--input" || a.starts_with("-i=") || a.starts_with("--input=");
  });
  option_row const* open = nullptr;  // the flag in front whose value may come next
  std::string many;                  // one that takes several
  std::size_t found = arguments.size();
  for (std::size_t i = 0; i < arguments.size(); ++i) {
    auto const& argument = arguments[i];
    if (is_flag(argument)) {
      auto const equals = argument.find('=');
      auto const* const row = row_of(argument.substr(0, equals));
      bool const takes_many = row != nullptr && row->value.find("..") != std::string_view::npos && !row->value.starts_with('{');
      open = row != nullptr && !row->value.empty() && (equals == std::string::npos || takes_many) ? row : nullptr;
      if (takes_many) many = argument.substr(0, equals);
      continue;
    }
    bool const optional = open != nullptr && open->value.starts_with('[');
    bool const takes_many = open != nullptr && !optional && open->value.find("..") != std::string_view::npos;
    bool const is_value = open != nullptr && !(optional && is_model(argument, *open));
    if (!takes_many) open = nullptr;
    if (is_value) continue;
    if (found != arguments.size() || is_named)
      throw halfstep::usage_error("unexpected argument: '" + argument + "'; " +
                                  (is_named ? "the input stands behind -i already"
                                            : "the input is '" + arguments[found] + "' already, and one run converts one model"));
    found = i;
  }
  if (found != arguments.size()) {
    std::string input = "--input=" + arguments[found];
    arguments.erase(arguments.begin() + static_cast<std::ptrdiff_t>(found));
    arguments.insert(arguments.begin(), std::move(input));
  }
  return many;
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
  auto const greedy = name_input(arguments);

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
  if (o.input.empty())
    throw halfstep::usage_error("'-i' is missing: name the .safetensors file to convert" +
                                (greedy.empty() ? "" : ", in front of " + greedy + ", which takes all names behind it") +
                                "; see --help");
  settle(o, o.given);
  return o;
}

}  // namespace convert_to_quant
