// Completions, man page and reference, all from the same rows as the help.
#include "documents.hpp"

#include <algorithm>
#include <array>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <halfstep/core/error.hpp>
#include <halfstep/core/version.hpp>

#include "help.hpp"
#include "option_table.hpp"

namespace convert_to_quant {

namespace {

/// What a flag takes, as far as a shell can help with it.
enum class value_kind { none, words, file, other };

value_kind kind_of(option_row const& row) {
  if (row.value.empty()) return value_kind::none;
  if (row.value.find_first_of("{|") != std::string_view::npos && row.value.find("FILE") == std::string_view::npos)
    return value_kind::words;
  return row.value.find("FILE") != std::string_view::npos || row.value == "PATH" ? value_kind::file : value_kind::other;
}

/// Whether a flag may stand without its value.
bool is_optional(option_row const& row) { return row.value.starts_with('['); }

/// Returns the words of a value such as {a, b}, [{a, b}] or [a | b], separated by blanks.
std::string words_of(option_row const& row) {
  std::string words(row.value);
  std::erase_if(words, [](char c) { return std::string_view("{}[],|").find(c) != std::string_view::npos; });
  return words;
}

std::string replaced(std::string_view text, std::string_view from, std::string_view to) {
  std::string all(text);
  for (std::size_t at = 0; (at = all.find(from, at)) != std::string::npos; at += to.size()) all.replace(at, from.size(), to);
  return all;
}

std::string joined(std::vector<std::string> const& parts, std::string_view separator) {
  std::string text;
  for (auto const& part : parts) text += (text.empty() ? "" : std::string(separator)) + part;
  return text;
}

/// Calls `f` for every flag that is built.
template <class F>
void for_each_flag(F const& f) {
  for (auto const& row : option_table())
    if (row.bind != nullptr) f(row);
}

std::vector<std::string> information_flags() {
  std::vector<std::string> flags;
  for (auto const& entry : pages)
    for (auto& flag : split(entry.flags)) flags.push_back(std::move(flag));
  flags.insert(flags.end(), {"--version", "--print"});
  return flags;
}

std::string bash_completion() {
  std::vector<std::string> all = information_flags(), files, others;
  std::string cases;
  for_each_flag([&](option_row const& row) {
    auto const flags = split(row.names);
    all.insert(all.end(), flags.begin(), flags.end());
    std::vector<std::string> const names = split(canonical(row.names));
    std::string const unless_flag = is_optional(row) ? "[[ $current == -* ]] || { " : "";
    switch (kind_of(row)) {
      case value_kind::words:
        cases += "    " + joined(names, "|") + ") " + unless_flag + "COMPREPLY=($(compgen -W '" + words_of(row) +
                 "' -- \"$current\")); return" + (unless_flag.empty() ? "" : "; }") + " ;;\n";
        break;
      case value_kind::file:
        if (!is_optional(row)) files.insert(files.end(), names.begin(), names.end());
        break;
      case value_kind::other:
        others.insert(others.end(), names.begin(), names.end());
        break;
      case value_kind::none:
        break;
    }
  });
  return "# Completions of convert_to_quant for bash: source <(convert_to_quant --print bash)\n"
         "_convert_to_quant() {\n"
         "  local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD - 1]}\n"
         "  if [[ $current == = ]]; then current=; elif [[ $previous == = ]]; then previous=${COMP_WORDS[COMP_CWORD - 2]}; fi\n"
         "  COMPREPLY=()\n"
         "  case ${previous//_/-} in\n" +
         cases + "    --print) COMPREPLY=($(compgen -W 'bash zsh man markdown' -- \"$current\")); return ;;\n    " +
         joined(others, "|") + ") return ;;\n    " + joined(files, "|") +
         ") compopt -o filenames; mapfile -t COMPREPLY < <(compgen -f -- \"$current\"); return ;;\n"
         "  esac\n"
         "  if [[ $current == -* ]]; then\n"
         "    COMPREPLY=($(compgen -W '" +
         joined(all, " ") +
         "' -- \"$current\"))\n"
         "  else\n"
         "    compopt -o filenames\n"
         "    mapfile -t COMPREPLY < <(compgen -f -- \"$current\")\n"
         "  fi\n"
         "}\n"
         "complete -F _convert_to_quant convert_to_quant\n";
}

/// Text inside an argument of zsh's _arguments, in single quotes.
std::string in_zsh(std::string_view text) {
  std::string quoted = replaced(text, "'", "'\\''");
  for (std::string_view const special : {"[", "]", ":"}) quoted = replaced(quoted, special, "\\" + std::string(special));
  return quoted;
}

std::string zsh_completion() {
  std::string text =
      "#compdef convert_to_quant\n"
      "# Completions of convert_to_quant for zsh: convert_to_quant --print zsh > a folder of $fpath/_convert_to_quant\n"
      "_arguments \\\n  '::MODEL.safetensors:_files' \\\n";
  for_each_flag([&](option_row const& row) {
    std::string value;
    std::string const name = in_zsh(replaced(replaced(row.value, "[", ""), "]", ""));
    std::string const colon = is_optional(row) ? "::" : ":";
    switch (kind_of(row)) {
      case value_kind::none:
        break;
      case value_kind::words:
        value = colon + "value:(" + words_of(row) + ")";
        break;
      case value_kind::file:
        value = colon + name + ":_files";
        break;
      case value_kind::other:
        value = colon + name + ": ";
        break;
    }
    for (auto const& flag : split(row.names)) text += "  '" + flag + "[" + in_zsh(row.meaning) + "]" + value + "' \\\n";
  });
  for (auto const& entry : pages)
    for (auto const& flag : split(entry.flags)) text += "  '" + flag + "[help, page " + std::string(entry.name) + "]' \\\n";
  return text +
         "  '--version[version, build and instruction set]' \\\n  '--print[completions, man page, reference]:value:(bash zsh man "
         "markdown)'\n";
}

std::string in_roff(std::string_view text) { return replaced(replaced(text, "\\", "\\e"), "-", "\\-"); }

constexpr std::array<std::string_view, 4> headings{"Main flags", "Scales, solvers, calibration and LoRAs", "Which layers",
                                                   "Checks, report, metadata and memory"};

std::string man_page() {
  std::string text =
      ".TH CONVERT_TO_QUANT 1 \"\" \"halfstep " + std::string(halfstep::version) +
      "\"\n.SH NAME\nconvert_to_quant \\- quantize the weights of a safetensors file\n.SH SYNOPSIS\n"
      ".B convert_to_quant\n[\\-i] MODEL.safetensors [\\-o OUTPUT.safetensors] [flags]\n.SH DESCRIPTION\n"
      "Writes the weights of a model as INT8, FP8 or FP16 for ComfyUI and other engines. The output appears under its name\n"
      "when it is complete and checked, the input is never written to. Dashes and underscores in flags are the same.\n";
  for (auto const& entry : pages) {
    text += ".SH " + in_roff(headings[static_cast<std::size_t>(entry.page)]) + "\n";
    for_each_flag([&](option_row const& row) {
      if (row.page != entry.page) return;
      std::vector<std::string> flags;
      for (auto const& flag : split(row.names)) flags.push_back("\\fB" + in_roff(flag) + "\\fR");
      text += ".TP\n" + joined(flags, ", ") + (row.value.empty() ? "" : " " + in_roff(row.value)) + "\n" + in_roff(row.meaning);
      if (!row.fallback.empty() && row.fallback != "off") text += " (" + in_roff(row.fallback) + ")";
      text += "\n";
    });
  }
  text +=
      ".SH EXIT STATUS\n0 done; 2 usage; 3 quality below \\-\\-fail\\-below; 65 bad or changed input; 66 input missing; 70 "
      "internal check\n"
      "failed; 71 out of memory; 73 cannot create the output; 74 input or output failed; 75 another run writes the output; 128 + "
      "n\n"
      "stopped by signal n.\n";
  return text;
}

std::string in_table(std::string_view text) { return replaced(text, "|", "\\|"); }

std::string markdown() {
  std::string text =
      "# Flags of convert_to_quant\n\n"
      "Written by `convert_to_quant --print markdown`. Dashes and underscores are the same. `--print bash`, `zsh` and `man` "
      "write completions "
      "and a\nman page: `source <(convert_to_quant --print bash)`.\n";
  std::string missing;
  for (auto const& entry : pages) {
    text += "\n## " + std::string(headings[static_cast<std::size_t>(entry.page)]) +
            "\n\n| flag | default | meaning |\n|---|---|---|\n";
    for (auto const& row : option_table()) {
      if (row.page != entry.page) continue;
      std::vector<std::string> flags;
      for (auto const& flag : split(row.names)) flags.push_back("`" + flag + "`");
      if (row.bind == nullptr) {
        missing += (missing.empty() ? "" : ", ") + joined(flags, ", ");
        continue;
      }
      std::string const value = row.value.empty() ? "" : " " + in_table(row.value);
      text += "| " + joined(flags, ", ") + value + " | " + in_table(row.fallback) + " | " + in_table(row.meaning) + " |\n";
    }
  }
  if (!missing.empty()) text += "\n## Known, refused by name until they are built\n\n" + missing + "\n";
  return text;
}

}  // namespace

std::string printed(std::string_view what) {
  if (what == "bash") return bash_completion();
  if (what == "zsh") return zsh_completion();
  if (what == "man") return man_page();
  if (what == "markdown") return markdown();
  throw halfstep::usage_error("'--print' got '" + std::string(what) + "', takes one of " + std::string(printable));
}

}  // namespace convert_to_quant
