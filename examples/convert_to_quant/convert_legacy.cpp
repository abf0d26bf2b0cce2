// Codes are copied, so that one thread is as fast as the storage.
#include "convert_legacy.hpp"

#include <string>

#include <halfstep/convert/legacy.hpp>
#include <halfstep/recipe/comfy_quant.hpp>
#include <halfstep/safetensors/shard_name.hpp>

#include "apart.hpp"
#include "messages.hpp"
#include "program/exit_code.hpp"
#include "sentences.hpp"
#include "translate.hpp"

namespace convert_to_quant {

namespace {

using namespace halfstep;

std::string output_of(options const& o, std::string const& input) {
  if (!o.output.empty()) return o.output;
  return safetensors::shard_stem(input) + "_markers.safetensors";
}

}  // namespace

void convert_legacy(options const& o, std::atomic<bool> const& stop) {
  require_apart(o, "--log", o.log_file);
  messages to(o);
  try {
    legacy_conversion job(o.input, known_formats(), o.comfy_target == "fork" ? marker_style::fork : marker_style::comfyui);
    auto const plan = job.summary();
    to.say("markers for " + layers_in_words(plan.marked) + ", a format for " + layers_in_words(plan.repaired) +
           "; codes are copied");
    for (auto const& note : o.notes) to.say("note: " + note);
    for (auto const& note : plan.notes) to.say("note: " + note);
    to.say("the output " + load_sentence(plan.needs, plan.since));
    if (o.dry_run) return;
    job.publish_as(output_of(o, job.input_path()), o.force ? file::overwrite::replace : file::overwrite::refuse,
                   {.advanced = {}, .cancelled = [&stop] { return stop.load(std::memory_order_relaxed); }});
    to.print(output_of(o, job.input_path()) + "\n");
  } catch (...) {
    to.log("error: " + in_flags(program::describe(std::current_exception()).text));
    throw;
  }
}

}  // namespace convert_to_quant
