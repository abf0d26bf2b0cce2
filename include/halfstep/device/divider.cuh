// Division by a number known at launch, as a multiplication.
#pragma once

#include <cstdint>

#include <halfstep/core/compiler.hpp>

namespace halfstep {

/// Divides numbers below 2^31 by a constant.
///
/// Source: T. Granlund, P. Montgomery, "Division by invariant integers using multiplication", PLDI 1994.
class divider {
 public:
  /// Precondition: 0 < divisor < 2^31.
  HALFSTEP_HD constexpr explicit divider(std::uint32_t divisor = 1) : divisor_(divisor) {
    while ((std::uint64_t{1} << log_) < divisor) ++log_;
    multiplier_ = static_cast<std::uint32_t>((std::uint64_t{1} << (31 + log_)) / divisor + 1);
  }

  HALFSTEP_HD constexpr std::uint32_t divisor() const { return divisor_; }

  /// Returns n / divisor. Precondition: n < 2^31.
  HALFSTEP_HD constexpr std::uint32_t quotient(std::uint32_t n) const {
    return static_cast<std::uint32_t>(std::uint64_t{2 * n} * multiplier_ >> 32) >> log_;
  }

 private:
  std::uint32_t divisor_;
  std::uint32_t multiplier_ = 0;
  int log_ = 0;
};

}  // namespace halfstep
