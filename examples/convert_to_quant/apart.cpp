// Paths are compared by the files they lead to.
#include "apart.hpp"

#include <filesystem>
#include <system_error>
#include <utility>
#include <vector>

#include <halfstep/core/error.hpp>
#include <halfstep/file/folder.hpp>
#include <halfstep/safetensors/model_location.hpp>

namespace convert_to_quant {

using namespace halfstep;

void require_apart(options const& o, std::string_view flag, std::string const& path) {
  std::vector<std::string> others{o.input, o.output, o.layer_config, o.calibration_lora, o.add_tensors};
  for (auto const& model : {o.input, o.add_tensors}) {
    if (model.empty()) continue;
    try {
      for (auto& file : safetensors::locate_model(model).files()) others.push_back(std::move(file));
    } catch (error const&) {  // opening it says what is wrong with it, and the log has it then
    }
  }
  others.insert(others.end(), o.calibration_data.begin(), o.calibration_data.end());
  for (auto const& lora : o.loras) {
    others.push_back(lora.path);
    others.push_back(file::folder_of(lora.path) + "adapter_config.json");
  }
  std::error_code unknown;  // a file that is not there is not the same as another
  for (auto const& other : others)
    if (!path.empty() && !other.empty() && (path == other || std::filesystem::equivalent(path, other, unknown)))
      throw usage_error(std::string(flag) + " got '" + path +
                        "', which is an input or the output of this run: choose another file");
}

}  // namespace convert_to_quant
