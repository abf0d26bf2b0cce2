// libFuzzer target: an index is refused with format_error or names only files in its own directory, and survives writing.

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include <halfstep/core/error.hpp>
#include <halfstep/safetensors/shard_index.hpp>

namespace {

namespace st = halfstep::safetensors;

void require(bool condition) {
  if (!condition) __builtin_trap();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size) {
  std::vector<char> const json(data, data + size);
  try {
    st::shard_index const index = st::parse_shard_index(json);
    for (std::string const& file : index.files())
      require(!file.empty() && file[0] != '/' && ("/" + file + "/").find("/../") == file.npos);
    std::string const written = st::serialize(index);
    st::shard_index const again = st::parse_shard_index(std::span(written.data(), written.size()));
    require(again.weight_map == index.weight_map && again.total_size == index.total_size);
  } catch (halfstep::format_error const& e) {
    require(std::string_view(e.what()).find('\n') == std::string_view::npos);
  }
  return 0;
}
