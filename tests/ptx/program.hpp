// PTX text taken apart: what a kernel declares and which statements it has. What they mean, decoder.hpp knows.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace ptx {

/// A place that an instruction names.
struct operand {
  enum class kind { reg, constant, special, address, vector, none };

  kind is = kind::none;
  int reg = -1;             ///< index; of an address the base, -1 where there is none; -1 for `_`
  int second = -1;          ///< the second register of a|b, -1 where there is none
  bool is_pair = false;     ///< written a|b
  bool is_negated = false;  ///< written !p
  std::uint64_t value = 0;  ///< of a constant; of an address what is added to the base
  std::string name;         ///< of a special register; of a label
  std::vector<operand> parts;
};

/// One statement: `@!p opcode.modifier.modifier operand, operand;`
struct instruction {
  std::string text;  ///< as written
  std::string opcode;
  std::vector<std::string> modifiers;
  std::vector<operand> operands;
  int guard = -1;  ///< register of the predicate, -1 where there is none
  bool guard_is_negated = false;
  int target = -1;  ///< of a branch: index of an instruction
};

struct parameter {
  int offset;
  int bytes;
};

/// A kernel: what `.entry` introduces.
struct kernel {
  std::string name;
  std::vector<parameter> parameters;
  int parameter_bytes = 0;
  unsigned max_threads = 1024;                        ///< `.maxntid`, as a product
  std::array<unsigned, 3> required_threads{0, 0, 0};  ///< `.reqntid`, zeros where it is not given
  int shared_bytes = 0;                               ///< static; what the launch asks for comes after it
  int local_bytes = 0;                                ///< of a thread
  std::vector<int> register_bits;
  std::vector<std::string> register_names;
  std::vector<instruction> code;
};

/// A variable of a module in global memory.
struct variable {
  std::string name;
  int align = 1;
  std::vector<unsigned char> content;
};

/// A module whose kernels are parsed when they are asked for, since a program has many and runs few.
struct module_text {
  std::string text;
  std::map<std::string, std::size_t> entries;  ///< where the text of a kernel starts, after `.entry`
  std::vector<variable> variables;
  std::vector<std::string> dynamic_shared;  ///< names of `.extern .shared` arrays
};

/// Takes a module apart as far as names go. Throws unknown for a directive that the machine does not know.
module_text parse_module(std::string text);

/// Parses one kernel; `addresses` are those of the module's variables.
/// Throws unknown for text that is not understood. Precondition: `name` is one of `module.entries`.
kernel parse_kernel(module_text const& module, std::string const& name, std::map<std::string, std::uint64_t> const& addresses);

}  // namespace ptx
