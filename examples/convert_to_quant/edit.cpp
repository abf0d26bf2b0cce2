// Markers, tensors and metadata change; weights do not.
#include "edit.hpp"

#include <algorithm>
#include <exception>
#include <string>
#include <string_view>
#include <utility>

#include <halfstep/convert/edit.hpp>
#include <halfstep/core/error.hpp>

#include "apart.hpp"
#include "messages.hpp"
#include "pairs.hpp"
#include "program/exit_code.hpp"
#include "sentences.hpp"
#include "translate.hpp"

namespace convert_to_quant {

namespace {

halfstep::edit_options edit_options_of(options const& o) {
  halfstep::edit_options e{.input = o.input, .output = o.output, .formats = known_formats()};
  std::string name;
  for (char const c : o.remove_keys + ",") {
    if (c != ',') {
      name += c;
      continue;
    }
    auto const first = name.find_first_not_of(' ');
    if (first != std::string::npos) e.markers.remove.push_back(name.substr(first, name.find_last_not_of(' ') - first + 1));
    name.clear();
  }
  if (!o.add_keys.empty()) e.markers.set = parse_pairs(o.add_keys);
  e.added = o.add_tensors;
  e.layers = o.quant_filter;
  e.metadata = o.save_quant_metadata ? halfstep::quant_metadata::save : halfstep::quant_metadata::omit;
  e.existing = o.force ? halfstep::file::overwrite::replace : halfstep::file::overwrite::refuse;
  return e;
}

void print_changes(options const& o, halfstep::file_edit const& job, messages& to) {
  auto const& all = job.changes();
  std::size_t const shown = o.level >= verbosity::verbose || o.dry_run ? all.size() : std::min<std::size_t>(all.size(), 8);
  for (std::size_t i = 0; i < shown; ++i) to.say(all[i]);
  if (shown < all.size()) to.say("and " + std::to_string(all.size() - shown) + " more changes: --verbose VERBOSE shows them");
}

}  // namespace

void edit(options const& o, std::atomic<bool> const& stop) {
  using namespace halfstep;
  require_apart(o, "--log", o.log_file);
  messages to(o);
  try {
    file_edit job(edit_options_of(o));
    for (auto const* notes : {&o.notes, &job.notes()})
      for (auto const& note : *notes) to.say("note: " + note);
    for (auto const& warning : job.warnings()) to.say("warning: " + warning);
    print_changes(o, job, to);
    for (auto const& fault : job.faults()) to.say("warning: " + fault);
    if (o.strict && !job.faults().empty()) throw value_error("--strict: " + job.faults().front());
    if (o.dry_run) {
      to.print("the output would have " + std::to_string(job.output_bytes()) + " bytes; nothing was written\n");
      return;
    }
    job.write({.advanced = {}, .cancelled = [&stop] { return stop.load(std::memory_order_relaxed); }});
    job.publish();
    to.print(job.output_path() + "\n");
  } catch (...) {
    to.log("error: " + in_flags(program::describe(std::current_exception()).text));
    throw;
  }
}

}  // namespace convert_to_quant
