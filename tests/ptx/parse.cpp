#include <algorithm>
#include <optional>

#include "declaration.hpp"
#include "error.hpp"
#include "program.hpp"
#include "scalar.hpp"
#include "text.hpp"

namespace ptx {

namespace {

bool is_name_character(char c) { return std::isalnum(static_cast<unsigned char>(c)) || c == '_' || c == '$' || c == '%'; }

/// Returns the place after the bracket that closes the one at `open`.
std::size_t after_closing(std::string_view text, std::size_t open) {
  int depth = 0;
  for (std::size_t i = open; i < text.size(); ++i) {
    if (text[i] == '{' || text[i] == '(') ++depth;
    if ((text[i] == '}' || text[i] == ')') && --depth == 0) return i + 1;
  }
  throw unknown("brackets that do not close");
}

int rounded_up(int n, int multiple) { return (n + multiple - 1) / multiple * multiple; }

/// Names that a pair of braces declares.
struct scope {
  std::map<std::string, int, std::less<>> registers;
  std::map<std::string, int, std::less<>> labels;
  std::size_t parent;
};

/// Turns the body of a kernel into instructions.
class body_parser {
 public:
  body_parser(kernel& k, module_text const& module, std::map<std::string, std::uint64_t> const& addresses)
      : kernel_(k), symbols_(addresses.begin(), addresses.end()), dynamic_shared_(module.dynamic_shared) {
    scopes_.push_back({{}, {}, 0});
  }

  void add_parameter(std::string_view text) {
    declaration const d = parse_declaration(text);
    kernel_.parameter_bytes = rounded_up(kernel_.parameter_bytes, d.align);
    symbols_[d.name] = static_cast<std::uint64_t>(kernel_.parameter_bytes);
    kernel_.parameters.push_back({kernel_.parameter_bytes, d.bytes});
    kernel_.parameter_bytes += d.bytes;
  }

  /// Precondition: `body` is the text between the outer braces.
  void parse(std::string_view body) {
    std::vector<std::pair<std::string_view, std::size_t>> statements;  // an instruction and the scope it stands in
    std::size_t at = 0, current = 0;
    auto const skip_blanks = [&] {
      while (at < body.size() && std::isspace(static_cast<unsigned char>(body[at]))) ++at;
    };
    for (skip_blanks(); at < body.size(); skip_blanks()) {
      if (body[at] == '{') {
        scopes_.push_back({{}, {}, current});
        current = scopes_.size() - 1;
        ++at;
      } else if (body[at] == '}') {
        current = scopes_[current].parent;
        ++at;
      } else if (body[at] == ';') {
        ++at;
      } else if (auto const label = label_at(body, at)) {
        scopes_[current].labels[std::string(*label)] = static_cast<int>(statements.size());
        at = body.find(':', at) + 1;
      } else {
        std::size_t const end = std::min(body.find(';', at), body.size());
        std::string_view const statement = trimmed(body.substr(at, end - at));
        at = end + 1;
        if (statement.front() == '.')
          declare(statement, current);
        else
          statements.emplace_back(statement, current);
      }
    }
    place_dynamic_shared();
    for (auto const& [text, where] : statements) kernel_.code.push_back(parse_instruction(text, where));
  }

 private:
  static std::optional<std::string_view> label_at(std::string_view body, std::size_t at) {
    std::size_t end = at;
    while (end < body.size() && is_name_character(body[end])) ++end;
    if (end == at || end + 1 >= body.size() || body[end] != ':' || body[end + 1] == ':') return std::nullopt;
    return body.substr(at, end - at);
  }

  void declare(std::string_view text, std::size_t where) {
    if (text.starts_with(".reg")) return declare_registers(trimmed(text.substr(4)), where);
    if (text.starts_with(".pragma") || text.starts_with(".loc")) return;
    if (text.starts_with(".shared") || text.starts_with(".local")) {
      declaration const d = parse_declaration(text);
      int& bytes = d.space == ".shared" ? kernel_.shared_bytes : kernel_.local_bytes;
      bytes = rounded_up(bytes, d.align);
      symbols_[d.name] = static_cast<std::uint64_t>(bytes);
      bytes += d.bytes;
      return;
    }
    throw unknown("directive of a kernel: " + std::string(text));
  }

  void declare_registers(std::string_view text, std::size_t where) {
    std::size_t const blank = text.find_first_of(" \t");
    auto const type = scalar_named(text.substr(1, blank - 1));
    if (!type || type->width() > 64) throw unknown("registers: .reg " + std::string(text));
    for (std::string_view const name : split_outside_brackets(text.substr(blank), ',')) {
      std::size_t const open = name.find('<');
      if (open == std::string_view::npos) {
        add_register(std::string(name), type->width(), where);
        continue;
      }
      int const count = std::stoi(std::string(name.substr(open + 1)));
      for (int i = 0; i < count; ++i) add_register(std::string(name.substr(0, open)) + std::to_string(i), type->width(), where);
    }
  }

  void add_register(std::string const& name, int bits, std::size_t where) {
    scopes_[where].registers[name] = static_cast<int>(kernel_.register_bits.size());
    kernel_.register_bits.push_back(bits);
    kernel_.register_names.push_back(name);
  }

  /// What the launch adds to shared memory begins where the static part ends, for all names of it alike.
  void place_dynamic_shared() {
    if (dynamic_shared_.empty()) return;
    kernel_.shared_bytes = rounded_up(kernel_.shared_bytes, 16);
    for (std::string const& name : dynamic_shared_) symbols_[name] = static_cast<std::uint64_t>(kernel_.shared_bytes);
  }

  template <class Names>
  std::optional<int> find(Names scope::*names, std::string_view name, std::size_t where) const {
    for (std::size_t s = where;; s = scopes_[s].parent) {
      auto const it = (scopes_[s].*names).find(name);
      if (it != (scopes_[s].*names).end()) return it->second;
      if (s == 0) return std::nullopt;
    }
  }

  int register_named(std::string_view name, std::size_t where) const {
    if (name == "_") return -1;
    if (auto const reg = find(&scope::registers, name, where)) return *reg;
    throw unknown("register: " + std::string(name));
  }

  instruction parse_instruction(std::string_view text, std::size_t where) {
    instruction in;
    in.text = text;
    if (text.front() == '@') {
      std::size_t const end = text.find_first_of(" \t\n");
      std::string_view guard = text.substr(1, end - 1);
      in.guard_is_negated = guard.front() == '!';
      if (in.guard_is_negated) guard.remove_prefix(1);
      in.guard = register_named(guard, where);
      text = trimmed(text.substr(end));
    }
    std::size_t const end = std::min(text.find_first_of(" \t\n"), text.size());
    std::string_view rest = text.substr(0, end);
    std::size_t dot = rest.find('.');
    in.opcode = rest.substr(0, dot);
    while (dot != std::string_view::npos) {
      rest.remove_prefix(dot + 1);
      dot = rest.find('.');
      in.modifiers.emplace_back(rest.substr(0, dot));
    }
    for (std::string_view const o : split_outside_brackets(text.substr(end), ',')) in.operands.push_back(parse_operand(o, where));
    if (in.opcode == "bra") {
      auto const target = find(&scope::labels, in.operands.at(0).name, where);
      if (!target) throw unknown("label: " + in.text);
      in.target = *target;
    }
    return in;
  }

  operand parse_operand(std::string_view s, std::size_t where) {
    operand o;
    if (s.empty()) throw unknown("an operand that is empty");
    if (s.front() == '{') {
      o.is = operand::kind::vector;
      for (std::string_view const part : split_outside_brackets(s.substr(1, s.size() - 2), ','))
        o.parts.push_back(parse_operand(part, where));
      return o;
    }
    if (s.front() == '[') return parse_address(s.substr(1, s.find_last_of(']') - 1), where);
    if (s.front() == '!') {
      o = parse_operand(trimmed(s.substr(1)), where);
      o.is_negated = true;
      return o;
    }
    if (std::size_t const bar = s.find('|'); bar != std::string_view::npos) {
      o.is = operand::kind::reg;
      o.is_pair = true;
      o.reg = register_named(trimmed(s.substr(0, bar)), where);
      o.second = register_named(trimmed(s.substr(bar + 1)), where);
      return o;
    }
    if (s == "_") {
      o.is = operand::kind::reg;
      return o;
    }
    if (auto const reg = find(&scope::registers, s, where)) {
      o.is = operand::kind::reg;
      o.reg = *reg;
      return o;
    }
    o.name = s;
    if (s.front() == '%') {
      o.is = operand::kind::special;
      return o;
    }
    if (std::isdigit(static_cast<unsigned char>(s.front())) || s.front() == '-' || s.front() == '+') {
      o.is = operand::kind::constant;
      o.value = parse_literal(s);
      return o;
    }
    if (s == "WARP_SZ") {
      o.is = operand::kind::constant;
      o.value = 32;
      return o;
    }
    if (auto const it = symbols_.find(s); it != symbols_.end()) {
      o.is = operand::kind::constant;
      o.value = it->second;
    }
    return o;  // a label, or a name that the decoder will not take
  }

  operand parse_address(std::string_view s, std::size_t where) {
    operand o;
    o.is = operand::kind::address;
    auto const parts = split_outside_brackets(s, ',');
    s = parts.at(0);
    for (std::size_t i = 1; i < parts.size(); ++i) o.parts.push_back(parse_operand(parts[i], where));  // of a tensor: coordinates
    if (std::size_t const plus = s.find('+'); plus != std::string_view::npos) {
      o.value = parse_literal(trimmed(s.substr(plus + 1)));
      s = trimmed(s.substr(0, plus));
    }
    operand const base = parse_operand(s, where);
    if (base.is == operand::kind::reg)
      o.reg = base.reg;
    else if (base.is == operand::kind::constant)
      o.value += base.value;
    else
      throw unknown("address: " + std::string(s));
    return o;
  }

  kernel& kernel_;
  std::map<std::string, std::uint64_t, std::less<>> symbols_;
  std::vector<std::string> dynamic_shared_;
  std::vector<scope> scopes_;
};

/// Reads what stands between the parameters and the body.
void parse_limits(std::string_view text, kernel& k) {
  auto const parts = words(text);
  for (std::size_t i = 0; i < parts.size(); ++i) {
    if (parts[i] == ".maxntid" || parts[i] == ".reqntid") {
      std::string numbers;
      bool const is_limit = parts[i] == ".maxntid";
      while (i + 1 < parts.size() && parts[i + 1].front() != '.') numbers += parts[++i];
      std::array<unsigned, 3> n{1, 1, 1};
      auto const list = split_outside_brackets(numbers, ',');
      for (std::size_t d = 0; d < list.size(); ++d) n.at(d) = static_cast<unsigned>(parse_literal(list[d]));
      k.max_threads = n[0] * n[1] * n[2];
      if (!is_limit) k.required_threads = n;
    } else if (parts[i] == ".minnctapersm" || parts[i] == ".maxnreg") {
      ++i;
    } else {
      throw unknown("directive of a kernel: " + std::string(parts[i]));
    }
  }
}

}  // namespace

module_text parse_module(std::string text) {
  module_text m;
  m.text = without_comments(std::move(text));
  std::string_view const all = m.text;
  for (std::size_t at = 0; at < all.size();) {
    std::size_t const start = all.find_first_not_of(" \t\r\n", at);
    if (start == std::string_view::npos || all[start] == '\0') break;
    if (all.compare(start, 8, ".version") == 0 || all.compare(start, 7, ".target") == 0 ||
        all.compare(start, 13, ".address_size") == 0 || all.compare(start, 5, ".file") == 0) {
      at = std::min(all.find('\n', start), all.size());
      continue;
    }
    std::size_t const stop = all.find_first_of(";({", start);
    std::string_view const head = all.substr(start, stop - start);
    if (std::size_t const entry = head.find(".entry"); entry != std::string_view::npos) {
      m.entries[std::string(trimmed(head.substr(entry + 6)))] = start + entry + 6;
      std::size_t const after = all[stop] == '(' ? after_closing(all, stop) : stop;
      at = after_closing(all, all.find('{', after));
    } else if (head.find(".func") != std::string_view::npos) {  // who calls it is refused: `call` is no known opcode
      std::size_t const end = all.find_first_of(";{", start);
      at = all[end] == ';' ? end + 1 : after_closing(all, end);
    } else if (head.find(".global") != std::string_view::npos || head.find(".const") != std::string_view::npos ||
               head.find(".shared") != std::string_view::npos) {
      std::size_t const end = all.find(';', start);
      declaration d = parse_declaration(all.substr(start, end - start));
      if (d.space == ".shared" && !d.is_external) throw unknown("shared memory of a module: " + d.name);
      if (d.space == ".shared")
        m.dynamic_shared.push_back(d.name);
      else
        m.variables.push_back({d.name, d.align, std::move(d.content)});
      at = end + 1;
    } else {
      throw unknown("directive of a module: " + std::string(head.substr(0, 80)));
    }
  }
  return m;
}

kernel parse_kernel(module_text const& module, std::string const& name, std::map<std::string, std::uint64_t> const& addresses) {
  kernel k;
  k.name = name;
  std::string_view const all = module.text;
  body_parser body(k, module, addresses);
  std::size_t at = all.find_first_of("({", module.entries.at(name));
  if (all[at] == '(') {
    std::size_t const end = after_closing(all, at);
    for (std::string_view const p : split_outside_brackets(all.substr(at + 1, end - at - 2), ',')) body.add_parameter(p);
    at = end;
  }
  std::size_t const open = all.find('{', at);
  parse_limits(all.substr(at, open - at), k);
  std::size_t const end = after_closing(all, open);
  body.parse(all.substr(open + 1, end - open - 2));
  return k;
}

}  // namespace ptx
