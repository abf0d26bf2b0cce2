// How a flag's value reaches the options: one function for each kind of value.
#pragma once

#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>
#include <concepts>
#include <exception>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include <CLI/CLI.hpp>

#include "option_table.hpp"

namespace convert_to_quant::binders {

/// Returns the names of a row as the parser registers them.
inline std::string registered(option_row const& row) { return canonical(row.names); }

template <auto Member>
void set_switch(CLI::App& app, option_row const& row, options& o) {
  app.add_flag(registered(row), o.*Member);
}

template <class Value>
struct value_in : std::type_identity<Value> {};
template <class Value>
struct value_in<std::optional<Value>> : std::type_identity<Value> {};

/// Registers a flag for `place`. Whole numbers are decimal and never saturate, which the parser's own would.
template <class Place>
void bind_value(CLI::App& app, option_row const& row, Place& place) {
  using value = typename value_in<Place>::type;
  if constexpr (!std::integral<value>) {
    app.add_option(registered(row), place);
  } else {
    app.add_option_function<std::string>(registered(row), [&place, flag = std::string(row.names)](std::string const& got) {
      value number{};
      char const* const end = got.data() + got.size();
      auto const [stopped, failure] = std::from_chars(got.data(), end, number);
      if (failure == std::errc::result_out_of_range && stopped == end)
        throw CLI::ValidationError(flag, "got '" + got + "', which is too large a number");
      if (failure != std::errc{} || stopped != end) throw CLI::ValidationError(flag, "got '" + got + "', takes a whole number");
      place = number;
    });
  }
}

template <auto Member>
void set_value(CLI::App& app, option_row const& row, options& o) {
  bind_value(app, row, o.*Member);
}

template <auto Member>
void set_size(CLI::App& app, option_row const& row, options& o) {
  app.add_option_function<std::string>(registered(row), [&o, flag = std::string(row.names)](std::string const& got) {
    try {
      if (got.starts_with('-')) throw std::invalid_argument("negative");  // the conversion below would wrap around
      std::string bytes = got;
      CLI::AsSizeValue(false)(bytes);
      o.*Member = std::stoull(bytes);
    } catch (std::exception const&) {
      throw CLI::ValidationError(flag, "got '" + got + "', takes bytes, with a suffix such as 512M or 4G");
    }
  });
}

/// Refuses what is not one of the words that the row's value names, as in {a, b, c}; `more` are accepted besides.
template <class Assign>
void set_choice(CLI::App& app, option_row const& row, Assign assign, std::vector<std::string> more = {}) {
  std::vector<std::string> words = std::move(more);
  std::string word;
  for (char const c : row.value) {
    if (c == '{' || c == ' ') continue;
    if (c != ',' && c != '}') {
      word += c;
      continue;
    }
    words.push_back(std::exchange(word, {}));
  }
  std::string const flag(row.names);
  std::string const takes(row.value);
  app.add_option_function<std::string>(registered(row), [=](std::string const& got) {
    if (std::find(words.begin(), words.end(), got) == words.end())
      throw CLI::ValidationError(flag, "got '" + got + "', takes one of " + takes);
    assign(got);
  });
}

template <auto Member>
void set_word(CLI::App& app, option_row const& row, options& o) {
  set_choice(app, row, [&o](std::string const& got) { o.*Member = got; });
}

/// The reference system's longer name of prodigy is one of ours too.
inline void set_optimizer(CLI::App& app, option_row const& row, options& o) {
  static constexpr std::string_view longer = "ProdigyPlusScheduleFree";
  set_choice(app, row, [&o](std::string const& got) { o.optimizer = got == longer ? "prodigy" : got; }, {std::string(longer)});
}

template <auto Member>
void set_scaling_mode(CLI::App& app, option_row const& row, options& o) {
  set_choice(app, row, [&o](std::string const& got) { o.*Member = got == "row" ? "axis" : got; }, {"row"});
}

template <auto Member>
void set_off(CLI::App& app, option_row const& row, options& o) {
  app.add_flag_callback(registered(row), [&o] { o.*Member = false; });
}

template <halfstep::column_order Order>
void set_quip_order(CLI::App& app, option_row const& row, options& o) {
  app.add_flag_callback(registered(row), [&o] { o.quip_order = Order; });
}

template <auto Member>
void set_number(CLI::App& app, option_row const& row, options& o) {
  bind_value(app, row, o.solve.*Member);
}

inline void set_full_matrix(CLI::App& app, option_row const& row, options& o) {
  app.add_flag_callback(registered(row), [&o] { o.solve.svd = halfstep::svd_kind::exact; });
}

inline void set_schedule(CLI::App& app, option_row const& row, options& o) {
  using halfstep::schedule_kind;
  set_choice(app, row, [&o](std::string const& got) {
    o.solve.schedule = got == "adaptive"      ? schedule_kind::adaptive
                       : got == "exponential" ? schedule_kind::exponential
                                              : schedule_kind::plateau;
  });
}

inline void set_adaptive_mode(CLI::App& app, option_row const& row, options& o) {
  using halfstep::adaptive_reset;
  set_choice(app, row, [&o](std::string const& got) {
    o.solve.reset = got == "no-reset" ? adaptive_reset::no_reset : adaptive_reset::simple_reset;
  });
}

inline void set_threshold_mode(CLI::App& app, option_row const& row, options& o) {
  using halfstep::threshold_mode;
  set_choice(app, row, [&o](std::string const& got) {
    o.solve.rate_threshold_mode = got == "abs" ? threshold_mode::absolute : threshold_mode::relative;
  });
}

template <halfstep::column_order Order>
void set_order(CLI::App& app, option_row const& row, options& o) {
  app.add_flag_callback(registered(row), [&o] { o.solve.feedback.order = Order; });
}

inline void note_exact(CLI::App& app, option_row const& row, options& o) {
  app.add_flag_callback(registered(row), [&o] {
    o.notes.push_back("--gptq-fast and --gptq-turbo change nothing: every path of gptq is exact, and takes the fast way");
  });
}

inline void set_calibration_data(CLI::App& app, option_row const& row, options& o) {
  app.add_option(registered(row), o.calibration_data)->expected(1, -1);
}

inline void set_merge_loras(CLI::App& app, option_row const& row, options& o) {
  app.add_option(registered(row), o.merge_loras)->expected(1, -1);
}

inline void set_merge_dampen(CLI::App& app, option_row const& row, options& o) {
  app.add_option_function<std::string>(registered(row),
                                       [&o](std::string const& got) {
                                         std::string word = got;
                                         std::transform(word.begin(), word.end(), word.begin(),
                                                        [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
                                         if (!word.empty() && word != "true" && word != "false")
                                           throw CLI::ValidationError("--merge-lora-dampen",
                                                                      "got '" + got + "', takes True or False");
                                         o.merge_lora_dampen = word != "false";
                                       })
      ->expected(0, 1);
}

inline void set_no_merge_dampen(CLI::App& app, option_row const& row, options& o) {
  app.add_flag_callback(registered(row), [&o] { o.merge_lora_dampen = false; });
}

inline void set_device(CLI::App& app, option_row const& row, options& o) {
  app.add_option_function<std::string>(registered(row), [&o](std::string const& got) {
    if (got.starts_with("cuda"))
      throw CLI::ValidationError("--device", "'" + got + "' is not built in this version, takes one of {auto, cpu}");
    if (got != "auto" && got != "cpu") throw CLI::ValidationError("--device", "got '" + got + "', takes one of {auto, cpu}");
    o.device = got;
  });
}

inline void set_dry_run(CLI::App& app, option_row const& row, options& o) {
  app.add_option_function<std::string>(registered(row),
                                       [&o](std::string const& got) {
                                         if (!got.empty() && got != "analyze" && canonical(got) != "create-template")
                                           throw CLI::ValidationError("--dry-run",
                                                                      "got '" + got + "', takes analyze or create-template");
                                         o.dry_run = got.empty() ? "analyze" : canonical(got);
                                       })
      ->expected(0, 1)
      ->default_str("analyze");
}

inline void set_report(CLI::App& app, option_row const& row, options& o) {
  app.add_option_function<std::string>(
         registered(row),
         [&o](std::string const& file) {
           o.report_quality = true;
           o.report_file = file;
           static constexpr std::array<std::string_view, 4> endings{".txt", ".json", ".html", ".htm"};
           if (!file.empty() && std::none_of(endings.begin(), endings.end(), [&](auto end) { return file.ends_with(end); }))
             throw CLI::ValidationError("--report-quality", "got '" + file + "', takes a file that ends in .txt, .json or .html");
         })
      ->expected(0, 1);
}

inline void set_verbose(CLI::App& app, option_row const& row, options& o) {
  static constexpr std::array<std::pair<std::string_view, verbosity>, 4> levels{{{"DEBUG", verbosity::debug},
                                                                                 {"VERBOSE", verbosity::verbose},
                                                                                 {"NORMAL", verbosity::normal},
                                                                                 {"MINIMAL", verbosity::minimal}}};
  set_choice(app, row, [&o](std::string const& got) {
    for (auto const& [name, level] : levels)
      if (name == got) o.level = level;
  });
}

inline void set_quiet(CLI::App& app, option_row const& row, options& o) {
  app.add_flag_callback(registered(row), [&o] { o.quiet = true; });
}

inline void set_progress(CLI::App& app, option_row const& row, options& o) {
  set_choice(app, row, [&o](std::string const& got) {
    o.progress = got == "bar"     ? progress_style::bar
                 : got == "plain" ? progress_style::plain
                 : got == "json"  ? progress_style::json
                 : got == "none"  ? progress_style::none
                                  : progress_style::automatic;
  });
}

inline void set_nan(CLI::App& app, option_row const& row, options& o) {
  set_choice(app, row, [&o](std::string const& got) {
    o.nan = got == "keep" ? halfstep::nonfinite_policy::keep : halfstep::nonfinite_policy::refuse;
  });
}

inline void set_fp16_overflow(CLI::App& app, option_row const& row, options& o) {
  using halfstep::overflow_policy;
  set_choice(app, row, [&o](std::string const& got) {
    o.fp16_overflow = got == "keep" ? overflow_policy::keep : got == "clamp" ? overflow_policy::clamp : overflow_policy::refuse;
  });
}

/// A family's flag adds the family of the same name.
inline void add_family(CLI::App& app, option_row const& row, options& o) {
  app.add_flag_callback(registered(row), [&o, name = std::string(row.names.substr(2))] { o.families.push_back(name); });
}

}  // namespace convert_to_quant::binders
