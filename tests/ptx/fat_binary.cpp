#include "fat_binary.hpp"

#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <string_view>

#include "error.hpp"

namespace ptx {

namespace {

// The layouts below are those of fatbinary_section.h and of what nvcc 11 to 13 write.
struct wrapper_header {
  std::int32_t magic;
  std::int32_t version;
  unsigned char const* data;
  void const* file;
};

template <class T>
T read_at(unsigned char const* p) {
  T v;
  std::memcpy(&v, p, sizeof(v));
  return v;
}

constexpr std::uint32_t container_magic = 0xba55ed50;
constexpr std::uint16_t kind_ptx = 1;

/// Returns the number of `.target sm_90a`, and whether a letter restricts it to that device.
std::pair<int, bool> target_of(std::string_view text) {
  std::size_t const at = text.find(".target sm_");
  if (at == std::string_view::npos) throw unknown("PTX without a target, or compressed: nvcc needs --no-compress");
  char* end = nullptr;
  int const number = static_cast<int>(std::strtol(text.data() + at + 11, &end, 10));
  return {number, *end == 'a' || *end == 'f'};
}

}  // namespace

std::string ptx_of(void const* wrapper, int capability) {
  unsigned char const* const data = static_cast<wrapper_header const*>(wrapper)->data;
  if (read_at<std::uint32_t>(data) != container_magic) throw unknown("a fat binary of another kind");
  unsigned char const* entry = data + read_at<std::uint16_t>(data + 6);
  unsigned char const* const end = entry + read_at<std::uint64_t>(data + 8);
  std::string best;
  int best_target = 0;
  while (entry < end) {
    auto const header_bytes = read_at<std::uint32_t>(entry + 4);
    auto const bytes = read_at<std::uint64_t>(entry + 8);
    if (read_at<std::uint16_t>(entry) == kind_ptx) {
      std::string text(reinterpret_cast<char const*>(entry + header_bytes), bytes);
      text.resize(std::strlen(text.c_str()));
      auto const [target, is_exact] = target_of(text);
      if ((is_exact ? target == capability : target <= capability) && target >= best_target) {
        best = std::move(text);
        best_target = target;
      }
    }
    entry += header_bytes + bytes;
  }
  if (best.empty()) throw unknown("no PTX for a device of capability " + std::to_string(capability));
  return best;
}

}  // namespace ptx
