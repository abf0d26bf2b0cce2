// Small PTX texts, run, and what they leave.
#pragma once

#include <cstdint>
#include <cstring>
#include <sstream>
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

/// Returns a module with one kernel, `test`: `%out` is an array of 64 bits, of which thread t stores `%rd0` at t; `%in` is
/// `input`.
///
/// Registers %p, %h (16 bits), %r, %rd (64), %f, %d: 20 each. %t is the thread.
inline std::string module_of(std::string const& body) {
  return ".version 9.0\n.target sm_90a\n.address_size 64\n.visible .entry test(.param .u64 out, .param .u64 in)\n{\n"
         ".reg .pred %p<20>; .reg .b16 %h<20>; .reg .b32 %r<20>; .reg .b64 %rd<20>; .reg .f32 %f<20>; .reg .f64 %d<20>;\n"
         ".reg .b64 %out, %in, %place; .reg .b32 %t;\n"
         "ld.param.u64 %out, [out]; ld.param.u64 %in, [in]; mov.u32 %t, %tid.x;\nmul.wide.u32 %place, %t, 8; add.s64 %place, "
         "%place, %out;\n" +
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

/// One instruction on numbers of every register class, and what it leaves.
struct row {
  char const* text;  ///< its operands a, b, c are registers 1, 2, 3 of any class; its result is register 0
  std::vector<std::uint64_t> operands;
  std::uint64_t expected;
};

/// Returns a body that runs a row and leaves its result in `%rd0`.
inline std::string body_of(row const& r) {
  std::string body;
  for (std::size_t i = 0; i < 3; ++i) {
    std::string const n = std::to_string(i + 1);
    body += "mov.b64 %rd" + n + ", " + std::to_string(i < r.operands.size() ? r.operands[i] : 0) + ";\n";
    body += "cvt.u32.u64 %r" + n + ", %rd" + n + "; cvt.u16.u64 %h" + n + ", %rd" + n + "; mov.b32 %f" + n + ", %r" + n +
            "; mov.b64 %d" + n + ", %rd" + n + "; setp.ne.b32 %p" + n + ", %r" + n + ", 0;\n";
  }
  std::string const text = r.text;
  body += text + ";\n";
  std::string const result = text.substr(text.find('%'), text.find_first_of(",|", text.find('%')) - text.find('%'));
  if (result[1] == 'p') body += "selp.b64 %rd0, 1, 0, %p0;";
  if (result[1] == 'h') body += "cvt.u64.u16 %rd0, %h0;";
  if (result[1] == 'd') body += "mov.b64 %rd0, %d0;";
  if (result[1] == 'f') body += "mov.b32 %r0, %f0;";
  if (result[1] == 'f' || result == "%r0") body += "cvt.u64.u32 %rd0, %r0;";
  return body;
}

/// Returns whether each row leaves all bits of its result, without a complaint.
inline testing::AssertionResult give_results(std::vector<row> const& rows) {
  std::ostringstream failed;
  failed << std::hex;
  for (row const& r : rows) {
    try {
      outcome const o = run_text(body_of(r));
      if (o.values[0] != r.expected) failed << "\n  " << r.text << ": " << o.values[0] << " and not " << r.expected;
      if (!o.found.empty()) failed << "\n  " << r.text << ": " << o.found.text();
    } catch (ptx::unknown const& e) {
      failed << "\n  " << r.text << ": " << e.what();
    }
  }
  return failed.str().empty() ? testing::AssertionSuccess() : testing::AssertionFailure() << failed.str();
}

/// Returns whether a body is refused by a sentence that names `part`.
inline testing::AssertionResult is_refused(std::string const& body, std::string const& part) {
  try {
    run_text(body + " mov.b64 %rd0, 0;");
    return testing::AssertionFailure() << "not refused: " << body;
  } catch (ptx::unknown const& e) {
    if (std::string(e.what()).find(part) != std::string::npos) return testing::AssertionSuccess();
    return testing::AssertionFailure() << e.what();
  }
}

}  // namespace ptx_test
