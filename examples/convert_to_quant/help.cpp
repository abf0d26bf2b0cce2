// The help, printed from the table of flags, and the version.
#include "help.hpp"

#include <algorithm>

#include <halfstep/core/version.hpp>

namespace convert_to_quant {

namespace {

void wrap(std::string& text, std::string_view words, std::size_t indent, std::size_t width) {
  std::size_t column = indent;
  for (auto const& word : split(words, ' ')) {
    if (column + word.size() + 1 > width) {
      text += "\n" + std::string(indent, ' ');
      column = indent;
    } else if (column > indent) {
      text += ' ';
      ++column;
    }
    text += word;
    column += word.size();
  }
  text += '\n';
}

}  // namespace

std::string help_text(std::string_view name) {
  constexpr std::size_t width = 110;
  auto const* const entry = std::ranges::find(pages, name, &page_entry::name);
  std::string text =
      "Usage: convert_to_quant [-i] MODEL.safetensors [-o OUTPUT.safetensors] [flags]\n"
      "Quantizes the weights of a safetensors file for ComfyUI and other engines.\n\n";
  std::string missing;
  for (auto const& row : option_table()) {
    if (row.page != entry->page) continue;
    if (row.bind == nullptr) {
      for (auto const& flag : split(row.names)) missing += (missing.empty() ? "" : " ") + flag;
      continue;
    }
    std::string head = "  ";
    for (auto const& flag : split(row.names)) head += (head.size() > 2 ? ", " : "") + flag;
    if (!row.value.empty()) head += " " + std::string(row.value);
    text += head;
    constexpr std::size_t indent = 34;
    if (head.size() + 2 > indent)
      text += "\n" + std::string(indent, ' ');
    else
      text += std::string(indent - head.size(), ' ');
    std::string words(row.meaning);
    if (!row.fallback.empty() && row.fallback != "off") words += " (" + std::string(row.fallback) + ")";
    wrap(text, words, indent, width);
  }
  if (!missing.empty()) {
    text += "\nKnown, refused by name until they are built:\n  ";
    wrap(text, missing, 2, width);
  }
  text +=
      "\nMore: --help-experimental (-he), --help-filters (-hf), --help-advanced (-ha), --version. Dashes and underscores are "
      "the same.\n--print {bash, zsh, man, markdown}: completions for a shell, a man page, a reference of all flags.\n";
  return text;
}

std::string version_text() {
  std::string text = "convert_to_quant " + std::string(halfstep::version) + "\nbuilt with ";
#if defined(__clang__)
  text += "clang " __clang_version__;
#elif defined(__GNUC__)
  text += "g++ " __VERSION__;
#else
  text += "an unknown compiler";
#endif
  text += ", instruction set: ";
#if defined(__AVX512F__)
  text += "AVX-512";
#elif defined(__AVX2__)
  text += "AVX2";
#elif defined(__aarch64__)
  text += "AArch64";
#else
  text += "baseline of this target";
#endif
  return text + "\nCUDA devices: none are used by this version\n";
}

}  // namespace convert_to_quant
