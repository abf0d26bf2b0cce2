// Which adapters are merged into a model, and how.
#pragma once

#include <cstdint>
#include <string>

namespace halfstep {

/// An adapter file and how strongly it is merged.
struct lora_request {
  std::string path;
  double strength = 1.0;
};

/// Whether later adapters are merged more weakly.
enum class lora_dampening : std::uint8_t {
  by_order,  ///< the i-th of several by 0.9^i, i from 0
  none
};

/// What becomes of adapter keys that match nothing in the model.
enum class unmatched_keys : std::uint8_t { refuse, warn };

/// Where the alpha of pairs is taken from.
enum class alpha_source : std::uint8_t {
  agreed,   ///< every place that tells it: they must agree
  tensors,  ///< `.alpha` tensors alone
  header,   ///< the header's metadata alone
  config,   ///< the adapter_config.json beside the file alone
  rank      ///< no place: alpha is the rank
};

/// How adapters are merged.
struct lora_options {
  double scale = 1.0;  ///< times the strength of every file
  lora_dampening dampening = lora_dampening::by_order;
  unmatched_keys unmatched = unmatched_keys::refuse;
  alpha_source alpha = alpha_source::agreed;
};

}  // namespace halfstep
