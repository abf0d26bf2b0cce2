// What a journal remembers of a tensor whose output is written.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include <halfstep/convert/resume/written_range.hpp>
#include <halfstep/report/layer_quality.hpp>

namespace halfstep {

/// An input tensor that is done: what was written for it, and what is known of it since.
struct finished_tensor {
  std::string name;
  std::map<std::string, std::vector<written_range>> ranges;  ///< by output tensor
  std::optional<layer_quality> quality;                      ///< of a quantized layer, without what the plan knows of it
};

/// Tensors that are done, by name.
using finished_tensors = std::map<std::string, finished_tensor, std::less<>>;

}  // namespace halfstep
