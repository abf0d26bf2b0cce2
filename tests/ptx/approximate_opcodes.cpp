// ex2, lg2, sin, cos, tanh, rsqrt and the .approx forms of div, sqrt and rcp: the correctly rounded value, one of those that the
// ISA allows, so that what depends on the last bit shows as a difference between machine and device and not as a fault here.
#include "approximate_opcodes.hpp"

#include <cmath>

#include "elementwise.hpp"
#include "real_rules.hpp"

namespace ptx {

namespace {

/// Returns f of FP32 numbers, computed in FP64.
template <std::size_t Count, class F>
operation approximate(decoder& d, F f) {
  bool const flushes = d.take("ftz");
  if (d.take_type() != *scalar_named("f32")) d.refuse("approximations are of .f32");
  return elementwise<Count>(d, [=](auto... bits) {
    auto const input = [&](std::uint64_t b) { return flushes ? flushed(number_of<float>(b)) : number_of<float>(b); };
    auto const y = static_cast<float>(f(static_cast<double>(input(bits))...));
    return bits_of(flushes ? flushed(y) : y);
  });
}

operation approximate_of_one(decoder& d, double (*f)(double)) {
  if (!d.take("approx")) d.refuse("expected .approx");
  return approximate<1>(d, f);
}

operation ex2(decoder& d) {
  return approximate_of_one(d, [](double x) { return std::exp2(x); });
}
operation lg2(decoder& d) {
  return approximate_of_one(d, [](double x) { return std::log2(x); });
}
operation sin(decoder& d) {
  return approximate_of_one(d, [](double x) { return std::sin(x); });
}
operation cos(decoder& d) {
  return approximate_of_one(d, [](double x) { return std::cos(x); });
}
operation tanh(decoder& d) {
  return approximate_of_one(d, [](double x) { return std::tanh(x); });
}
operation rsqrt(decoder& d) {
  return approximate_of_one(d, [](double x) { return 1.0 / std::sqrt(x); });
}

}  // namespace

operation approximate_sqrt(decoder& d) {
  return approximate_of_one(d, [](double x) { return std::sqrt(x); });
}
operation approximate_rcp(decoder& d) {
  return approximate_of_one(d, [](double x) { return 1.0 / x; });
}

operation approximate_div(decoder& d) {
  static_cast<void>(d.take_one_of({"approx", "full"}));
  return approximate<2>(d, [](double a, double b) { return a / b; });
}

void add_approximate_opcodes(opcode_table& table) {
  table.insert({{"ex2", ex2}, {"lg2", lg2}, {"sin", sin}, {"cos", cos}, {"tanh", tanh}, {"rsqrt", rsqrt}});
}

}  // namespace ptx
