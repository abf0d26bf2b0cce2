// Writes a safetensors file with layer shapes of a real model and random weights that look trained, to try the converter on.
#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <exception>
#include <span>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>

#include <halfstep/core/source.hpp>
#include <halfstep/exec/threads.hpp>
#include <halfstep/safetensors/writer.hpp>

#include "shapes.hpp"
#include "statistics.hpp"

namespace {

namespace safetensors = halfstep::safetensors;

struct options {
  std::string output;
  std::string family = "flux1";
  int blocks = 1;
  std::uint64_t seed = 0;
  bool force = false;
};

void write(options const& o) {
  auto shapes = o.family == "flux1" ? flux1_shapes(o.blocks) : t5xxl_shapes(o.blocks);
  safetensors::writer file(o.output, safetensors::arrange(std::move(shapes), {}),
                           o.force ? halfstep::file::overwrite::replace : halfstep::file::overwrite::refuse, {});
  halfstep::threads const ex;
  constexpr std::uint64_t piece = 1 << 20;  // elements
  for (auto const& to : file.slots()) {
    safetensors::tensor const& t = to.entry();
    trained_statistics const weights(o.seed, t);
    ex.for_each(static_cast<halfstep::index_t>((t.count() + piece - 1) / piece), [&](halfstep::index_t i) {
      std::uint64_t const first = static_cast<std::uint64_t>(i) * piece;
      std::vector<halfstep::bfloat16> elements(std::min(piece, t.count() - first));
      weights.fill(first, elements.size(), elements.data());
      file.write(to, first * sizeof(halfstep::bfloat16), std::as_bytes(std::span(elements)));
    });
  }
  file.commit();
  std::printf("%s: %zu tensors, %.0f MB\n", o.output.c_str(), file.head().tensors().size(),
              static_cast<double>(file.file_bytes()) / 1e6);
}

}  // namespace

int main(int argc, char** argv) {
  options o;
  CLI::App app("Writes a safetensors file with layer shapes of a real model and random weights that look trained.");
  app.add_option("output", o.output, "the file to write")->required();
  app.add_option("--family", o.family, "flux1 or t5xxl")->check(CLI::IsMember({"flux1", "t5xxl"}))->capture_default_str();
  app.add_option("--blocks", o.blocks, "how many blocks; one of flux1 has 283 MB, one of t5xxl 386 MB")
      ->check(CLI::Range(1, 1000))
      ->capture_default_str();
  app.add_option("--seed", o.seed, "another model")->capture_default_str();
  app.add_flag("--force", o.force, "replace the file if it exists");
  CLI11_PARSE(app, argc, argv);
  try {
    write(o);
  } catch (std::exception const& e) {
    std::fprintf(stderr, "sample_model: error: %s\n", e.what());
    return 1;
  }
}
