// What decides the bytes of an output, as an interrupted run and the one that goes on with it compare it.
#pragma once

#include <charconv>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <halfstep/convert/fact_list.hpp>
#include <halfstep/convert/resume/file_stamp.hpp>
#include <halfstep/report/quality_number.hpp>

namespace halfstep {

/// A fact of a run that some runs have and others have not.
template <class Value>
struct named_fact {
  std::string name;
  Value value;

  bool operator==(named_fact const&) const = default;
};

/// Everything that the bytes of an output follow from.
struct fingerprint {
  std::vector<named_fact<file_stamp>> files = {};  ///< that were read
  std::uint64_t samples = 0;                       ///< a digest of the input's header and of some of its bytes
  std::string version = {};
  std::uint64_t plan = 0;                        ///< a digest of what becomes of every tensor and where it lies
  std::optional<std::uint64_t> seed = {};        ///< where something may be random
  std::optional<std::uint64_t> sign_seed = {};   ///< of QuIP's signs, where a solver works
  std::vector<named_fact<double>> numbers = {};  ///< that solvers read, and strengths of adapters
  fact_list asked = {};                          ///< how a user said it: tells which flag changed a plan, and decides nothing

  bool operator==(fingerprint const&) const = default;

  /// Returns the inputs that both have and that differ, a few words for each.
  std::vector<std::string> changed_inputs(fingerprint const& now) const;

  /// Returns what else differs in `now`, a few words for each; empty where nothing does, however it was asked for.
  std::vector<std::string> changed_choices(fingerprint const& now) const;
};

namespace detail {

inline std::string fact_words(file_stamp const& file) { return to_string(file); }
inline std::string fact_words(std::string const& text) { return text; }
inline std::string fact_words(double number) { return json_number(number); }
inline std::string fact_words(std::uint64_t number) { return std::to_string(number); }

inline std::string hexadecimal(std::uint64_t x) {
  char digits[16];
  return {digits, std::to_chars(digits, digits + sizeof(digits), x, 16).ptr};
}

/// What two runs do not share, a few words for each.
class fact_changes {
 public:
  std::vector<std::string> texts;

  /// Adds a fact that both runs have.
  void compare(std::string const& name, std::string const& before, std::string const& now) {
    if (before != now) texts.push_back(name + " was " + before + " and is " + now);
  }

  /// Adds facts that both runs have and that differ.
  template <class Facts>
  void add_changed(Facts const& before, Facts const& now) {
    for (auto const& [name, value] : before)
      if (auto const* const other = find(now, name); other != nullptr && *other != value)
        compare(name, fact_words(value), fact_words(*other));
  }

  /// Adds facts that one of both has alone.
  template <class Facts>
  void add_lone(Facts const& before, Facts const& now) {
    for (auto const& [name, value] : before)
      if (find(now, name) == nullptr) texts.push_back(described(name, value) + " is gone");
    for (auto const& [name, value] : now)
      if (find(before, name) == nullptr) texts.push_back(described(name, value) + " is new");
  }

 private:
  template <class Facts>
  static auto const* find(Facts const& facts, std::string_view name) {
    for (auto const& [n, value] : facts)
      if (n == name) return &value;
    return static_cast<decltype(&value_in(facts))>(nullptr);
  }

  template <class Facts>
  static auto const& value_in(Facts const& facts) {
    auto const& [name, value] = facts.front();
    return value;
  }

  template <class Value>
  static std::string described(std::string const& name, Value const& value) {
    auto const words = fact_words(value);
    return name + (words.empty() ? "" : " " + words);
  }
};

/// Returns the seeds of a run by name.
inline std::vector<named_fact<std::uint64_t>> seeds_of(fingerprint const& f) {
  std::vector<named_fact<std::uint64_t>> all;
  if (f.seed) all.push_back({"the seed", *f.seed});
  if (f.sign_seed) all.push_back({"`quip_seed`", *f.sign_seed});
  return all;
}

}  // namespace detail

inline std::vector<std::string> fingerprint::changed_inputs(fingerprint const& now) const {
  detail::fact_changes found;
  found.add_changed(files, now.files);
  found.compare("the input's digest", detail::hexadecimal(samples), detail::hexadecimal(now.samples));
  return found.texts;
}

inline std::vector<std::string> fingerprint::changed_choices(fingerprint const& now) const {
  detail::fact_changes lone, flags, all;
  lone.add_lone(files, now.files);
  flags.add_changed(asked, now.asked);
  flags.add_lone(asked, now.asked);
  bool const is_planned_otherwise = plan != now.plan;
  bool const is_told_by_flags = is_planned_otherwise || !lone.texts.empty();
  all.compare("the version", version, now.version);
  if (is_planned_otherwise && flags.texts.empty() && lone.texts.empty())
    all.compare("the plan", detail::hexadecimal(plan), detail::hexadecimal(now.plan));
  all.add_changed(detail::seeds_of(*this), detail::seeds_of(now));
  all.add_changed(numbers, now.numbers);
  if (!is_planned_otherwise) {  // else they follow from the plan
    all.add_lone(detail::seeds_of(*this), detail::seeds_of(now));
    all.add_lone(numbers, now.numbers);
  }
  if (is_told_by_flags) all.texts.insert(all.texts.end(), flags.texts.begin(), flags.texts.end());
  if (is_told_by_flags && flags.texts.empty()) all.texts.insert(all.texts.end(), lone.texts.begin(), lone.texts.end());
  return all.texts;
}

}  // namespace halfstep
