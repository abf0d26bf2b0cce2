// A program of one unit: both headers, nothing of ours linked. Its status says whether each kind of job began.
#include <string>

#include <halfstep/converter.hpp>
#include <halfstep/converter_source.hpp>

namespace {

/// Whether `work` throws an `Error`.
template <class Error, class Work>
bool throws(Work const& work) {
  try {
    work();
  } catch (Error const&) {
    return true;
  }
  return false;
}

}  // namespace

int main() {
  using namespace halfstep;
  std::string const nothing = "/nonexistent/model.safetensors";
  bool const converts = throws<io_error>([&] { file_conversion const job({.input = nothing}); });
  bool const edits = throws<io_error>([&] { file_edit const job({.input = nothing}); });
  bool const marks = throws<io_error>([&] { legacy_conversion const job(nothing, {}, marker_style::comfyui); });
  bool const reads = throws<usage_error>([] { parse_layer_config("[]", "a file", {}); });
  return converts && edits && marks && reads ? 0 : 1;
}
