// Strict JSON events, on Boost.JSON's incremental parser, for headers and shard indexes.
//
// The parser's templates call a few functions that Boost compiles: link Boost.JSON (the target halfstep::halfstep does), or
// include <boost/json/src.hpp> in one source file of the program. Headers that do not parse need neither.
#pragma once

#include <charconv>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <boost/json/basic_parser_impl.hpp>

#include <halfstep/core/error.hpp>
#include <halfstep/core/text.hpp>
#include <halfstep/safetensors/name_order.hpp>

namespace halfstep::safetensors {

/// Bytes that a parser may still allocate.
class allowance {
 public:
  explicit allowance(std::uint64_t bytes) : left_(bytes) {}

  /// Takes `bytes` before they are allocated. Throws format_error when they are more than is left.
  void take(std::uint64_t bytes) {
    if (bytes > left_) throw format_error(stated("json.memory", "its content takes more memory than four times its length"));
    left_ -= bytes;
  }

  /// Returns what was freed.
  void give_back(std::uint64_t bytes) { left_ += bytes; }

 private:
  std::uint64_t left_;
};

/// Returns the value of `digits` where it is a plain decimal number below 2^64: no sign, fraction, exponent or leading zero.
inline std::optional<std::uint64_t> plain_unsigned(std::string_view digits) {
  if (digits.empty() || (digits.size() > 1 && digits.front() == '0')) return std::nullopt;
  std::uint64_t value = 0;
  auto const [end, code] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
  if (code != std::errc{} || end != digits.data() + digits.size()) return std::nullopt;
  return value;
}

namespace detail {

/// Events behind one type, so that Boost's parser is compiled once in a unit. Borrows them.
class any_events {
 public:
  template <class Events>
  requires(!std::same_as<Events, any_events>) explicit any_events(Events& events)
      : events_(&events),
        happen_([](void* to, event what) { hand_on(*static_cast<Events*>(to), what); }),
        tell_([](void* to, event what, std::string_view text) { hand_on(*static_cast<Events*>(to), what, text); }),
        keeps_keys_([](void const* of) { return static_cast<bool>(static_cast<Events const*>(of)->keeps_keys()); }) {}

  void begin_object() const { happen_(events_, event::begin_object); }
  void end_object() const { happen_(events_, event::end_object); }
  void begin_array() const { happen_(events_, event::begin_array); }
  void end_array() const { happen_(events_, event::end_array); }
  void null() const { happen_(events_, event::null); }
  void key(std::string_view text) const { tell_(events_, event::key, text); }
  void string(std::string_view text) const { tell_(events_, event::string, text); }
  void number(std::string_view text) const { tell_(events_, event::number, text); }
  void boolean(std::string_view text) const { tell_(events_, event::boolean, text); }
  bool keeps_keys() const { return keeps_keys_(events_); }

 private:
  enum class event : std::uint8_t { begin_object, end_object, begin_array, end_array, null, key, string, number, boolean };

  template <class Events>
  static void hand_on(Events& to, event what) {
    switch (what) {
      case event::begin_object:
        return to.begin_object();
      case event::end_object:
        return to.end_object();
      case event::begin_array:
        return to.begin_array();
      case event::end_array:
        return to.end_array();
      default:
        return to.null();
    }
  }

  template <class Events>
  static void hand_on(Events& to, event what, std::string_view text) {
    switch (what) {
      case event::key:
        return to.key(text);
      case event::string:
        return to.string(text);
      case event::number:
        return to.number(text);
      default:
        if constexpr (requires { to.boolean(text); })
          return to.boolean(text);
        else
          return to.boolean();
    }
  }

  void* events_;
  void (*happen_)(void* to, event what);
  void (*tell_)(void* to, event what, std::string_view text);
  bool (*keeps_keys_)(void const* of);
};

// Boost's handler: gathers strings, finds duplicate keys by sorting, hands on the rest.
class json_handler {
 public:
  static constexpr std::size_t max_array_size = std::size_t(-1);
  static constexpr std::size_t max_object_size = std::size_t(-1);
  static constexpr std::size_t max_string_size = std::size_t(-1);
  static constexpr std::size_t max_key_size = std::size_t(-1);
  using code = boost::json::error_code;
  using view = boost::json::string_view;

  json_handler(std::string_view text, allowance& memory, any_events events) : text_(text), memory_(&memory), events_(events) {}

  bool on_document_begin(code&) { return true; }
  bool on_document_end(code&) { return true; }
  bool on_object_begin(code&) {
    first_keys_.push_back(keys_.size());
    events_.begin_object();
    return true;
  }
  bool on_object_end(std::size_t, code&) {
    require_unique_keys();
    events_.end_object();
    return true;
  }
  bool on_array_begin(code&) {
    events_.begin_array();
    return true;
  }
  bool on_array_end(std::size_t, code&) {
    events_.end_array();
    return true;
  }
  bool on_key_part(view part, std::size_t, code&) {
    parts_.append(part.data(), part.size());
    return true;
  }
  bool on_key(view last, std::size_t, code&) {
    std::string_view const key = whole(last);
    if (!events_.keeps_keys()) remember(key);
    events_.key(key);
    parts_.clear();
    return true;
  }
  bool on_string_part(view part, std::size_t, code&) {
    parts_.append(part.data(), part.size());
    return true;
  }
  bool on_string(view last, std::size_t, code&) {
    events_.string(whole(last));
    parts_.clear();
    return true;
  }
  bool on_number_part(view, code&) { return true; }
  bool on_int64(std::int64_t, view text, code&) { return on_number(text); }
  bool on_uint64(std::uint64_t, view text, code&) { return on_number(text); }
  bool on_double(double, view text, code&) { return on_number(text); }
  bool on_bool(bool value, code&) {
    events_.boolean(value ? std::string_view("true") : std::string_view("false"));
    return true;
  }
  bool on_null(code&) {
    events_.null();
    return true;
  }
  bool on_comment_part(view, code&) { return true; }
  bool on_comment(view, code&) { return true; }

 private:
  bool on_number(view text) {
    events_.number(std::string_view(text.data(), text.size()));
    return true;
  }

  std::string_view whole(view last) {
    if (parts_.empty()) return {last.data(), last.size()};
    parts_.append(last.data(), last.size());
    return parts_;
  }

  // Keys of the objects that are still open: places in the text, or in the unescaped copies. A deque never holds a second copy.
  void remember(std::string_view key) {
    std::less<char const*> const before;
    bool const in_text = !before(key.data(), text_.data()) && !before(text_.data() + text_.size(), key.data() + key.size());
    memory_->take(sizeof(name_ref) + (in_text ? 0 : 2 * key.size()));
    if (in_text) {
      keys_.push_back(name_ref::to(key, static_cast<std::uint32_t>(key.data() - text_.data())));
    } else {
      keys_.push_back(name_ref::to(key, copied | static_cast<std::uint32_t>(copies_.size())));
      copies_ += key;
    }
  }

  void require_unique_keys() {
    auto const text_of = [this](name_ref k) {
      return ((k.where & copied) != 0 ? std::string_view(copies_) : text_).substr(k.where & ~copied, k.size);
    };
    auto const first = keys_.begin() + static_cast<std::ptrdiff_t>(first_keys_.back());
    if (auto const twice = sort_names(first, keys_.end(), text_of))
      throw format_error(stated("json.twice", "the name {'name} occurs twice in one object", {{"name", text_of(*twice)}}));
    memory_->give_back((keys_.size() - first_keys_.back()) * sizeof(name_ref));
    keys_.erase(first, keys_.end());
    first_keys_.pop_back();
  }

  static constexpr std::uint32_t copied = 0x8000'0000u;

  std::string_view text_;
  allowance* memory_;
  any_events events_;
  std::string parts_;
  std::string copies_;
  std::deque<name_ref> keys_;
  std::vector<std::size_t> first_keys_;
};

inline void parse_json(std::string_view text, allowance& memory, any_events events) {
  boost::json::parse_options options;
  options.max_depth = 32;
  boost::json::basic_parser<json_handler> parser(options, text, memory, events);
  boost::json::error_code code;
  std::size_t const end = parser.write_some(false, text.data(), text.size(), code);
  if (code)
    throw format_error(
        stated("json.broken", "its JSON is broken at byte {byte}: {reason}", {{"byte", end}, {"reason", code.message()}}));
  if (end != text.size())
    throw format_error(stated("json.trailing", "something follows its JSON at byte {byte}", {{"byte", end}}));
}

}  // namespace detail

/// Reads `text`, one JSON value with white space around it, and calls `events` in order.
///
/// `Events` has begin_object, end_object, begin_array, end_array, boolean and null without arguments (boolean may take "true" or
/// "false"); key and string, which take the unescaped text; number, which takes the characters as written. A view is valid during
/// its call only. Its keeps_keys tells, before each key, whether the events themselves see to it that this object's keys differ.
/// Refuses with format_error what RFC 8259 refuses, invalid UTF-8, lone surrogates, more than 32 levels, and a name that occurs
/// twice in one object. Memory comes out of `memory`. Precondition: text.size() < 2^31.
template <class Events>
void read_json(std::string_view text, allowance& memory, Events& events) {
  detail::parse_json(text, memory, detail::any_events(events));
}

}  // namespace halfstep::safetensors
