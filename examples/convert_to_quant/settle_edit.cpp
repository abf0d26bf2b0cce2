// Which flags go with --edit-quant.
#include <algorithm>
#include <array>
#include <string>
#include <string_view>
#include <vector>

#include <halfstep/core/error.hpp>

#include "edit.hpp"
#include "option_table.hpp"

namespace convert_to_quant {

namespace {

constexpr std::array<std::string_view, 3> edits{"--remove-keys", "--add-keys", "--quant-filter"};
constexpr std::array<std::string_view, 12> shared{
    "-i,--input",   "-o,--output",           "--force",   "--dry-run", "--verbose", "--quiet", "--log", "--strict",
    "--edit-quant", "--save-quant-metadata", "--threads", "--progress"};

/// Returns which of a row's names was given; empty where none was.
std::string given_name(std::string_view names, std::vector<std::string> const& given) {
  for (auto const& name : split(names))
    for (auto const& argument : given)
      if (argument == canonical(name) || argument.starts_with(canonical(name) + "=")) return name;
  return {};
}

}  // namespace

void settle_edit(options& o, std::vector<std::string> const& given) {
  if (!o.edit_quant) {
    for (auto const flag : edits)
      if (!given_name(flag, given).empty())
        throw halfstep::usage_error("'" + std::string(flag) + "' contradicts a run without '--edit-quant': it says what to edit");
    return;
  }
  for (auto const& row : option_table()) {
    bool const belongs = std::find(shared.begin(), shared.end(), row.names) != shared.end() ||
                         std::find(edits.begin(), edits.end(), row.names) != edits.end();
    if (auto const name = given_name(row.names, given); !belongs && !name.empty())
      throw halfstep::usage_error("'" + name +
                                  "' contradicts '--edit-quant': an edit changes markers, and no weight is quantized");
  }
  if (o.dry_run && *o.dry_run != "analyze")
    throw halfstep::usage_error("'--dry-run " + *o.dry_run + "' contradicts '--edit-quant': it plans no layers");
  if (o.remove_keys.empty() && o.add_keys.empty() && !o.save_quant_metadata)
    throw halfstep::usage_error("'--edit-quant' got nothing to do: give --remove-keys, --add-keys or --save-quant-metadata");
  if (o.threads) o.notes.push_back("--threads changes nothing here: an edit copies");
  if (o.progress == progress_style::bar || o.progress == progress_style::plain)
    o.notes.push_back("--progress changes nothing here: an edit copies without a word");
}

}  // namespace convert_to_quant
