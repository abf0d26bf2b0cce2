// libFuzzer target: whatever the bytes, the header parser refuses with format_error or gives a header that survives writing.

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include <halfstep/core/error.hpp>
#include <halfstep/safetensors/header.hpp>
#include <halfstep/safetensors/parse_header.hpp>

namespace {

namespace st = halfstep::safetensors;

void require(bool condition) {
  if (!condition) __builtin_trap();
}

// What the text spells, before anybody says how much data follows.
st::header parse_alone(std::string_view text) {
  st::allowance memory(3 * text.size() + (1u << 20));
  st::detail::header_events events(text, memory);
  st::read_json(text, memory, events);
  return events.finish();
}

// The rules again, without the library's own checks.
void check_rules(st::header const& h) {
  unsigned __int128 end = 0;
  for (st::tensor const& t : h.tensors()) {
    unsigned __int128 bits = static_cast<unsigned>(halfstep::bits_of(t.type));
    for (std::uint64_t const dimension : t.shape) {
      bits *= dimension;
      require(bits >> 64 == 0 || dimension == 0);
    }
    require(t.begin == end && bits == static_cast<unsigned __int128>(t.end - t.begin) * 8);
    require(t.end >= t.begin && t.shape.size() <= 64 && t.name.size() <= 4096 && t.name != "__metadata__");
    require(h.find(t.name) == &t);
    end = t.end;
  }
  require(h.data_bytes() == end);
}

void check_round_trip(st::header const& h) {
  std::string const written = st::serialize(h);
  require(written.size() % 8 == 0);
  require(st::parse_header(written, h.data_bytes()) == h);
}

void check_arranging(st::header const& h) {
  std::vector<st::tensor_spec> specs;
  for (st::tensor const& t : h.tensors()) specs.push_back({t.name, t.type, t.shape});
  st::header const arranged = st::arrange(specs, h.metadata());
  require(arranged.tensors().size() == h.tensors().size() && arranged.data_bytes() == h.data_bytes());
  check_round_trip(arranged);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size) {
  std::vector<char> const json(data, data + size);  // a copy of exactly this size: reading past its end is seen
  try {
    st::header const h = parse_alone({json.data(), json.size()});
    check_rules(h);
    require(st::parse_header(json, h.data_bytes()) == h);
    check_round_trip(h);
    check_arranging(h);
  } catch (halfstep::format_error const& e) {
    require(std::string_view(e.what()).find('\n') == std::string_view::npos);
  }
  return 0;
}
