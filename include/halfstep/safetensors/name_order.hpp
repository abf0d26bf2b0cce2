// Sorting many names, in time that hostile ones cannot stretch, to find those that occur twice.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

namespace halfstep::safetensors {

/// A name to be sorted: where its owner keeps it, and eight of its bytes, which most comparisons need alone.
struct name_ref {
  std::uint64_t word;  ///< the bytes that are being compared, the first one highest, zeros behind the end
  std::uint32_t where;
  std::uint32_t size;

  /// Returns the reference to `name`, kept at `where`. Precondition: shorter than 2^32.
  static name_ref to(std::string_view name, std::uint32_t where) {
    return {word_of(name, 0), where, static_cast<std::uint32_t>(name.size())};
  }

  /// Returns the eight bytes of `name` from `depth` on.
  static std::uint64_t word_of(std::string_view name, std::size_t depth) {
    std::uint64_t value = 0;
    for (std::size_t i = 0; i < 8; ++i)
      value = value << 8 | (depth + i < name.size() ? static_cast<unsigned char>(name[depth + i]) : 0u);
    return value;
  }
};

/// Sorts `first` .. `last`, name_refs made by `name_ref::to`, by their names; `text_of(ref)` returns a name.
///
/// Returns a name that occurs twice, in which case the order is unspecified. Random accesses to the names are bounded by their
/// number plus an eighth of their bytes, whatever they have in common; extra memory is two bytes a name.
template <class Iterator, class TextOf>
std::optional<name_ref> sort_names(Iterator first, Iterator last, TextOf text_of) {
  constexpr std::ptrdiff_t few = 16;
  struct run {
    std::ptrdiff_t begin, end;
    std::uint32_t depth;
  };
  auto const less = [&](name_ref a, name_ref b) { return text_of(a) < text_of(b); };
  auto const same = [&](name_ref a, name_ref b) { return a.size == b.size && text_of(a) == text_of(b); };
  std::vector<run> open{{0, last - first, 0}};
  while (!open.empty()) {
    run const r = open.back();
    open.pop_back();
    Iterator const end = first + r.end;
    if (r.depth > 0)
      for (Iterator i = first + r.begin; i != end; ++i) i->word = name_ref::word_of(text_of(*i), r.depth);
    auto const left = [&](name_ref n) { return std::min(n.size - r.depth, 9u); };
    std::sort(first + r.begin, end,
              [&](name_ref a, name_ref b) { return a.word != b.word ? a.word < b.word : left(a) < left(b); });
    for (Iterator i = first + r.begin; i != end;) {
      Iterator const next = std::find_if(i, end, [&](name_ref n) { return n.word != i->word || left(n) != left(*i); });
      if (next - i > 1 && left(*i) <= 8) return *i;
      if (next - i > few) {
        open.push_back({i - first, next - first, r.depth + 8});
      } else if (next - i > 1) {
        std::sort(i, next, less);
        Iterator const twice = std::adjacent_find(i, next, same);
        if (twice != next) return *twice;
      }
      i = next;
    }
  }
  return std::nullopt;
}

}  // namespace halfstep::safetensors
