// What --edit-quant needs, and what changes nothing beside it.
#include <string>

#include <halfstep/core/error.hpp>

#include "edit.hpp"

namespace convert_to_quant {

void settle_edit(options& o) {
  if (o.dry_run && *o.dry_run != "analyze")
    throw halfstep::usage_error("'--dry-run " + *o.dry_run + "' contradicts '--edit-quant': it plans no layers");
  if (o.remove_keys.empty() && o.add_keys.empty() && o.add_tensors.empty() && !o.save_quant_metadata)
    throw halfstep::usage_error(
        "'--edit-quant' got nothing to do: give --remove-keys, --add-keys, --add-tensors or --save-quant-metadata");
  if (o.threads) o.notes.push_back("--threads changes nothing here: an edit copies");
  if (o.progress == progress_style::bar || o.progress == progress_style::plain)
    o.notes.push_back("--progress changes nothing here: an edit copies without a word");
}

}  // namespace convert_to_quant
