// What an instruction's modifiers and operands mean; whatever no opcode asks for is refused by name.
#pragma once

#include <initializer_list>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "operation.hpp"
#include "program.hpp"
#include "scalar.hpp"

namespace ptx {

/// An instruction that is being decoded: modifiers and operands are taken from it, and `finish` refuses what is left.
class decoder {
 public:
  decoder(kernel const& k, instruction const& in) : kernel_(k), in_(in), left_(in.modifiers.begin(), in.modifiers.end()) {}

  /// Takes a modifier, written without its dot; returns whether it was there.
  bool take(std::string_view modifier);
  /// Takes one of several modifiers and returns which. Throws unknown where none of them is there.
  std::size_t take_one_of(std::initializer_list<std::string_view> modifiers);
  /// Takes the first modifier that is a type. Throws unknown where there is none.
  scalar take_type();
  /// Whether any type among the modifiers left is one of reals.
  bool has_real_type() const;
  /// Returns the next modifier that is left, to be looked at; empty where there is none.
  std::string_view next() const { return left_.empty() ? std::string_view() : left_.front(); }

  instruction const& instruction_text() const { return in_; }
  std::size_t operands() const { return in_.operands.size(); }
  operand const& raw(std::size_t i) const;
  void skip_operand(std::size_t i) { static_cast<void>(use(i)); }
  source in(std::size_t i);
  destination out(std::size_t i);
  /// The second register of a|b. Nothing where the operand is no pair.
  std::optional<destination> second_out(std::size_t i) const;
  address at(std::size_t i);
  /// A vector {a, b, ..}; a plain operand is a vector of one.
  std::vector<source> vector_in(std::size_t i);
  std::vector<destination> vector_out(std::size_t i);

  [[noreturn]] void refuse(std::string const& why) const;
  /// Throws unknown for a modifier or an operand that nobody took.
  void finish() const;

 private:
  source source_of(operand const& o) const;
  destination destination_of(operand const& o) const;
  operand const& use(std::size_t i);

  kernel const& kernel_;
  instruction const& in_;
  std::vector<std::string_view> left_;
  std::size_t used_ = 0;
};

/// How instructions are decoded, by opcode.
using opcode_table = std::map<std::string, operation (*)(decoder&), std::less<>>;

void add_integer_opcodes(opcode_table& table);
void add_bit_opcodes(opcode_table& table);
void add_real_opcodes(opcode_table& table);
void add_approximate_opcodes(opcode_table& table);
void add_comparison_opcodes(opcode_table& table);
void add_conversion_opcodes(opcode_table& table);
void add_memory_opcodes(opcode_table& table);
void add_atomic_opcodes(opcode_table& table);
void add_warp_opcodes(opcode_table& table);
void add_control_opcodes(opcode_table& table);
void add_async_copy_opcodes(opcode_table& table);
void add_matrix_opcodes(opcode_table& table);

/// Returns what `in` does. Throws unknown where the opcode, a modifier or an operand is not known.
operation decode(kernel const& k, instruction const& in);

}  // namespace ptx
