// The command line of `calibrate`, checked.
#include <algorithm>
#include <cstdint>
#include <string>

#include <CLI/CLI.hpp>

#include <halfstep/core/error.hpp>
#include <halfstep/core/version.hpp>

#include "options.hpp"

namespace calibrate {

namespace {

std::string one_line(std::string text) {
  std::replace(text.begin(), text.end(), '\n', ' ');
  return text;
}

void require_sense(options const& o, CLI::App const& app) {
  if (!o.output.ends_with(".safetensors"))
    throw halfstep::usage_error("the output is a .safetensors file, not '" + o.output + "'");
  for (std::string const flag : {"--model", "--lora", "--samples", "--seed"})
    if (!o.synthetic && app.count(flag) > 0)
      throw halfstep::usage_error(
          flag + " belongs to --synthetic" +
          (flag == "--lora" ? ": to see a LoRA's effect on real inputs, capture them with it loaded" : ""));
  for (std::string const flag : {"--input", "--merge", "--no-hessian", "--keep-inputs", "--threads"})
    if (o.synthetic && app.count(flag) > 0)
      throw halfstep::usage_error("--synthetic contradicts " + flag + ": it makes random maxima for a --model");
  if (o.synthetic && o.model.empty()) throw halfstep::usage_error("--synthetic needs the layers of a --model FILE");
  if (o.synthetic) return;
  if (o.inputs.empty()) throw halfstep::usage_error("no input: give captured activations with -i FILE..");
  if (o.inputs.size() > 1 && !o.merge)
    throw halfstep::usage_error("several files are given: --merge counts the rows of each layer in them together");
  for (auto const& path : o.inputs)
    if (!path.ends_with(".safetensors"))
      throw halfstep::usage_error("captured activations come in .safetensors files, not in '" + path + "'");
}

}  // namespace

std::optional<options> parse(int count, char const* const* values) {
  options o;
  bool no_hessian = false;
  CLI::App app(
      "Turns captured activations (<layer>.input, see capture.py) into the statistics that convert_to_quant --calibration-data "
      "reads: sums of x x^T, means, squares and maxima of every layer's inputs.",
      "calibrate");
  app.add_option("-i,--input,FILE", o.inputs, "captured activations or statistics of an earlier run, .safetensors");
  app.add_option("-o,--output", o.output, "the .safetensors file to write")->required();
  app.add_flag("--merge", o.merge, "count several files together: rows of a layer as if they were captured in one run");
  app.add_flag("--no-hessian", no_hessian, "leave out the sums of x x^T, 4 N^2 bytes a layer of N inputs; gptq then needs rows");
  app.add_flag("--keep-inputs", o.keep_inputs,
               "copy the rows too: for scales of activations of rotated layers, and output errors in the report");
  app.add_flag(
      "--synthetic", o.synthetic,
      "for want of captures: the largest magnitudes of random rows, for --smoothquant alone; marked, and never a Hessian");
  app.add_option("--model", o.model, "with --synthetic: the model whose layers they are for");
  app.add_option("--samples", o.samples, "with --synthetic: how many rows")
      ->check(CLI::Range(std::int64_t{1}, std::int64_t{1} << 40))
      ->capture_default_str();
  app.add_option("--seed", o.seed, "with --synthetic: other random rows")
      ->check(CLI::Range(std::int64_t{0}, std::int64_t{1} << 62))
      ->capture_default_str();
  app.add_option("--lora", o.lora, "with --synthetic: inputs vary more along the directions that this LoRA reads");
  app.add_flag("--dry-run", o.dry_run, "say what would be written, and how large it is");
  app.add_option("--threads", o.threads, "how many threads, all cores by default; the same bytes for any number")
      ->check(CLI::Range(1, 4096));
  app.add_flag("--force", o.force, "replace the output if it exists");
  app.set_version_flag("--version", std::string(halfstep::version));
  try {
    app.parse(count, values);
  } catch (CLI::Success const& e) {
    app.exit(e);
    return std::nullopt;
  } catch (CLI::ParseError const& e) {
    throw halfstep::usage_error(one_line(e.what()));
  }
  o.hessian = !no_hessian;
  require_sense(o, app);
  return o;
}

}  // namespace calibrate
