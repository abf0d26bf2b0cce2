#include "decoder.hpp"

#include <algorithm>

#include "error.hpp"

namespace ptx {

bool decoder::take(std::string_view modifier) {
  auto const it = std::find(left_.begin(), left_.end(), modifier);
  if (it == left_.end()) return false;
  left_.erase(it);
  return true;
}

std::size_t decoder::take_one_of(std::initializer_list<std::string_view> modifiers) {
  std::size_t i = 0;
  for (std::string_view const m : modifiers) {
    if (take(m)) return i;
    ++i;
  }
  std::string expected;
  for (std::string_view const m : modifiers) expected += " ." + std::string(m);
  refuse("expected one of" + expected);
}

scalar decoder::take_type() {
  for (auto it = left_.begin(); it != left_.end(); ++it)
    if (auto const type = scalar_named(*it)) {
      left_.erase(it);
      return *type;
    }
  refuse("no type that is known");
}

bool decoder::has_real_type() const {
  return std::any_of(left_.begin(), left_.end(), [](std::string_view m) {
    auto const type = scalar_named(m);
    return type && type->is_real();
  });
}

operand const& decoder::raw(std::size_t i) const {
  if (i >= in_.operands.size()) refuse("too few operands");
  return in_.operands[i];
}

operand const& decoder::use(std::size_t i) {
  used_ = std::max(used_, i + 1);
  return raw(i);
}

source decoder::source_of(operand const& o) const {
  using s = source::special;
  static std::map<std::string_view, s> const specials = {{"%tid.x", s::tid_x},
                                                         {"%tid.y", s::tid_y},
                                                         {"%tid.z", s::tid_z},
                                                         {"%ntid.x", s::ntid_x},
                                                         {"%ntid.y", s::ntid_y},
                                                         {"%ntid.z", s::ntid_z},
                                                         {"%ctaid.x", s::ctaid_x},
                                                         {"%ctaid.y", s::ctaid_y},
                                                         {"%ctaid.z", s::ctaid_z},
                                                         {"%nctaid.x", s::nctaid_x},
                                                         {"%nctaid.y", s::nctaid_y},
                                                         {"%nctaid.z", s::nctaid_z},
                                                         {"%laneid", s::laneid},
                                                         {"%warpid", s::warpid},
                                                         {"%nwarpid", s::nwarpid},
                                                         {"%lanemask_eq", s::lanemask_eq},
                                                         {"%lanemask_lt", s::lanemask_lt},
                                                         {"%lanemask_le", s::lanemask_le},
                                                         {"%lanemask_gt", s::lanemask_gt},
                                                         {"%lanemask_ge", s::lanemask_ge},
                                                         {"%clock", s::clock},
                                                         {"%clock64", s::clock},
                                                         {"%smid", s::smid},
                                                         {"%dynamic_smem_size", s::dynamic_smem_size},
                                                         {"%total_smem_size", s::total_smem_size}};
  switch (o.is) {
    case operand::kind::reg:
      if (o.reg >= 0 && !o.is_pair) return source::of_register(o.reg, o.is_negated);
      break;
    case operand::kind::constant:
      return source::of_constant(o.value);
    case operand::kind::special:
      if (auto const it = specials.find(o.name); it != specials.end()) return source::of_special(it->second);
      break;
    default:
      break;
  }
  refuse("an operand that cannot be read" + (o.name.empty() ? std::string() : ": " + o.name));
}

destination decoder::destination_of(operand const& o) const {
  if (o.is != operand::kind::reg || o.is_negated) refuse("an operand that cannot be written");
  int const sink = static_cast<int>(kernel_.register_bits.size());
  return o.reg < 0 ? destination(sink, 64) : destination(o.reg, kernel_.register_bits[static_cast<std::size_t>(o.reg)]);
}

source decoder::in(std::size_t i) { return source_of(use(i)); }
destination decoder::out(std::size_t i) { return destination_of(use(i)); }

std::optional<destination> decoder::second_out(std::size_t i) const {
  operand o = raw(i);
  if (!o.is_pair) return std::nullopt;
  o.reg = o.second;
  return destination_of(o);
}

address decoder::at(std::size_t i) {
  operand const& o = use(i);
  if (o.is != operand::kind::address || !o.parts.empty()) refuse("not an address");
  if (o.reg < 0) return address(std::nullopt, o.value);
  return address(source::of_register(o.reg, false), o.value);
}

std::vector<source> decoder::vector_in(std::size_t i) {
  operand const& o = use(i);
  if (o.is != operand::kind::vector) return {source_of(o)};
  std::vector<source> all;
  for (operand const& part : o.parts) all.push_back(source_of(part));
  return all;
}

std::vector<destination> decoder::vector_out(std::size_t i) {
  operand const& o = use(i);
  if (o.is != operand::kind::vector) return {destination_of(o)};
  std::vector<destination> all;
  for (operand const& part : o.parts) all.push_back(destination_of(part));
  return all;
}

void decoder::refuse(std::string const& why) const { throw unknown(why + ": " + in_.text); }

void decoder::finish() const {
  if (!left_.empty()) refuse("modifier ." + std::string(left_.front()));
  if (used_ != in_.operands.size()) refuse("operands that have no meaning");
}

operation decode(kernel const& k, instruction const& in) {
  static opcode_table const table = [] {
    opcode_table t;
    for (auto* const add : {add_integer_opcodes, add_bit_opcodes, add_real_opcodes, add_approximate_opcodes,
                            add_comparison_opcodes, add_conversion_opcodes, add_memory_opcodes, add_atomic_opcodes,
                            add_warp_opcodes, add_control_opcodes, add_async_copy_opcodes, add_matrix_opcodes})
      add(t);
    return t;
  }();
  decoder d(k, in);
  auto const it = table.find(in.opcode);
  if (it == table.end()) d.refuse("opcode " + in.opcode);
  operation o = it->second(d);
  d.finish();
  return o;
}

}  // namespace ptx
