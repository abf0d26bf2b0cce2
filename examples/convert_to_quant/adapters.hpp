// Merged LoRAs in words.
#pragma once

#include <cstddef>
#include <span>
#include <string>

#include <halfstep/lora/matched_adapter.hpp>

namespace convert_to_quant {

/// Returns the LoRA that is merged as the `place`-th of all, from 0 on: its strength, what it changes, and what scales its pairs.
std::string described(halfstep::matched_adapter const& adapter, std::size_t place);

/// Returns what the order of several LoRAs does; empty where it does nothing.
std::string order_note(std::span<halfstep::matched_adapter const> adapters);

}  // namespace convert_to_quant
