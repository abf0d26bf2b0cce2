#include "counters.hpp"

#include <algorithm>
#include <array>
#include <cstdio>

namespace ptx {

void global_counters::add(std::span<lane_access const> accesses) {
  std::array<std::uint64_t, 32> sector{};
  std::size_t count = 0;
  bool is_ascending = true;
  for (lane_access const& a : accesses) {
    bytes += static_cast<std::uint64_t>(a.bytes);
    sector[count] = a.address / 32;
    is_ascending = is_ascending && (count == 0 || sector[count - 1] <= sector[count]);
    ++count;
  }
  auto const end = sector.begin() + static_cast<std::ptrdiff_t>(count);
  if (!is_ascending) std::sort(sector.begin(), end);
  sectors += static_cast<std::uint64_t>(std::unique(sector.begin(), end) - sector.begin());
  ++requests;
}

void shared_counters::add(std::span<lane_access const> accesses) {
  if (accesses.empty()) return;
  int const bytes = accesses.front().bytes;
  std::size_t const lanes_a_pass = bytes <= 4 ? 32 : bytes == 8 ? 16 : 8;
  for (std::size_t first = 0; first < accesses.size(); first += lanes_a_pass) {
    std::array<std::array<std::uint64_t, 32>, 32> words{};
    std::array<std::size_t, 32> count{};
    std::size_t worst = 1;
    for (lane_access const& a : accesses.subspan(first, std::min(lanes_a_pass, accesses.size() - first)))
      for (std::uint64_t word = a.address / 4; word <= (a.address + static_cast<std::uint64_t>(a.bytes) - 1) / 4; ++word) {
        auto const bank = word % 32;
        auto const begin = words[bank].begin();
        auto const end = begin + static_cast<std::ptrdiff_t>(count[bank]);
        if (std::find(begin, end, word) != end) continue;
        words[bank][count[bank]++] = word;
        worst = std::max(worst, count[bank]);
      }
    ++requests;
    wavefronts += worst;
  }
}

std::string counters::text() const {
  char line[512];
  std::snprintf(line, sizeof(line),
                "launches %llu, blocks %llu, thread instructions %llu, warp instructions %llu, divergent %llu, barriers %llu, "
                "atomics %llu; loads: %.2f sectors a request, %.1f bytes a sector; stores: %.2f, %.1f; shared: %.3f wavefronts "
                "a request",
                static_cast<unsigned long long>(launches), static_cast<unsigned long long>(blocks),
                static_cast<unsigned long long>(thread_instructions), static_cast<unsigned long long>(warp_instructions),
                static_cast<unsigned long long>(divergent), static_cast<unsigned long long>(barriers),
                static_cast<unsigned long long>(atomics),
                loads.requests ? static_cast<double>(loads.sectors) / static_cast<double>(loads.requests) : 0.0,
                loads.bytes_a_sector(),
                stores.requests ? static_cast<double>(stores.sectors) / static_cast<double>(stores.requests) : 0.0,
                stores.bytes_a_sector(), shared.wavefronts_a_request());
  return line;
}

}  // namespace ptx
