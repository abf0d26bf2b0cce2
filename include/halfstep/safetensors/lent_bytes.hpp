// Bytes of a tensor that somebody lends.
#pragma once

#include <cstddef>
#include <memory>
#include <span>

namespace halfstep::safetensors {

/// Bytes of a tensor with what keeps them; without any where there are none to lend.
struct lent_bytes {
  std::span<std::byte> bytes = {};
  std::shared_ptr<void const> lender = nullptr;
};

}  // namespace halfstep::safetensors
