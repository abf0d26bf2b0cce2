// Small PTX texts, run, and what they leave.
#pragma once

#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "error.hpp"
#include "machine.hpp"

namespace ptx_test {

/// What a text left: 32 lanes of 64 bits, and what the machine complains of.
struct outcome {
  std::vector<std::uint64_t> values;
  ptx::complaints found;

  /// Returns the low 32 bits of lane 0.
  std::uint32_t word() const { return static_cast<std::uint32_t>(values.at(0)); }
};

/// Returns a module with one kernel, `test`: `%out` is an array of 64 bits, of which thread t stores `%rd0` at t; `%in` is `input`.
///
/// Registers %p, %h (16 bits), %r, %rd (64), %f, %d: 20 each. %t is the thread.
inline std::string module_of(std::string const& body) {
  return ".version 9.0\n.target sm_90a\n.address_size 64\n.visible .entry test(.param .u64 out, .param .u64 in)\n{\n"
         ".reg .pred %p<20>; .reg .b16 %h<20>; .reg .b32 %r<20>; .reg .b64 %rd<20>; .reg .f32 %f<20>; .reg .f64 %d<20>;\n"
         ".reg .b64 %out, %in, %place; .reg .b32 %t;\n"
         "ld.param.u64 %out, [out]; ld.param.u64 %in, [in]; mov.u32 %t, %tid.x;\nmul.wide.u32 %place, %t, 8; add.s64 %place, %place, %out;\n" +
         body + "\nst.global.b64 [%place], %rd0;\nret;\n}\n";
}

/// Runs a body by a block of `threads`.
inline outcome run_text(std::string const& body, std::vector<std::uint64_t> const& input = {0}, unsigned threads = 32,
                        std::uint64_t seed = 1) {
  ptx::machine m({seed, true});
  m.load(module_of(body));
  void* const out = m.memory().allocate(threads * 8);
  void* const in = m.memory().allocate(input.size() * 8);
  std::memcpy(in, input.data(), input.size() * 8);
  m.memory().mark_initialized(in, input.size() * 8);
  void const* const arguments[] = {&out, &in};
  outcome o;
  try {
    m.run("test", {{1, 1, 1}, {threads, 1, 1}, 0}, arguments);
  } catch (ptx::fault const&) {
    // it is among the complaints
  }
  o.values.resize(threads);
  std::memcpy(o.values.data(), out, threads * 8);
  o.found = m.found();
  return o;
}

}  // namespace ptx_test
