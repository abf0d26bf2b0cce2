// Names and numbers as text.
#include "calibration_output.hpp"

#include <cstdio>
#include <string_view>

#include <halfstep/core/text.hpp>

namespace calibrate {

void say(std::string const& line) { std::fputs((line + "\n").c_str(), stderr); }

std::string megabytes(std::uint64_t bytes) {
  char text[40];
  std::snprintf(text, sizeof text, "%.1f MB", static_cast<double>(bytes) / 1e6);
  return text;
}

halfstep::safetensors::metadata_list metadata_of(std::string const& source,
                                                 std::vector<std::pair<std::string, std::string>> const& aliases) {
  halfstep::safetensors::metadata_list metadata{{"source", source}};
  if (aliases.empty()) return metadata;
  std::string text = "{";
  std::string_view separator;
  for (auto const& [layer, owner] : aliases) {
    text += std::exchange(separator, ", ");
    halfstep::append_json_string(text, layer);
    text += ": ";
    halfstep::append_json_string(text, owner);
  }
  metadata.emplace_back("aliases", text + "}");
  return metadata;
}

}  // namespace calibrate
