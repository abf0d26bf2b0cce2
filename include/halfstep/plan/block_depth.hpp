// Which blocks of a model are its last ones, however many there are.
#pragma once

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <system_error>

#include <halfstep/plan/presets.hpp>

namespace halfstep {

/// How many blocks stand behind each stem: a stem and all before it in a name is one model's stack of blocks.
class block_depth {
 public:
  block_depth() = default;

  /// Counts the blocks that `families` want to know of, by the largest number in `names`.
  block_depth(std::span<std::string_view const> names, std::span<model_family const* const> families) {
    for (auto const* family : families)
      for (auto const& last : family->keep_last)
        for (auto const name : names)
          if (auto const place = place_of(name, last.stem)) {
            auto& depth = depths_[std::string(place->stack)];
            depth = std::max(depth, place->number + 1);
          }
  }

  /// Returns the part of `name` that says it is one of the last blocks, such as ".layers.63."; empty where it is not.
  std::string_view last_part_in(std::string_view name, model_family const& family) const {
    for (auto const& last : family.keep_last) {
      auto const place = place_of(name, last.stem);
      if (!place) continue;
      auto const depth = depths_.find(place->stack);
      if (depth != depths_.end() && place->number + static_cast<std::uint64_t>(last.count) >= depth->second) return place->part;
    }
    return {};
  }

 private:
  struct place {
    std::string_view stack;  ///< the name up to the number
    std::string_view part;   ///< the stem, the number and the dot behind it
    std::uint64_t number = 0;
  };

  /// Returns where the first number between `stem` and a dot stands.
  static std::optional<place> place_of(std::string_view name, std::string_view stem) {
    for (auto at = name.find(stem); at != std::string_view::npos; at = name.find(stem, at + 1)) {
      auto const digits = at + stem.size();
      std::uint64_t number = 0;
      auto const [end, failure] = std::from_chars(name.data() + digits, name.data() + name.size(), number);
      auto const behind = static_cast<std::size_t>(end - name.data());
      if (failure == std::errc{} && behind < name.size() && name[behind] == '.')
        return place{name.substr(0, digits), name.substr(at, behind + 1 - at), number};
    }
    return std::nullopt;
  }

  std::map<std::string, std::uint64_t, std::less<>> depths_;
};

}  // namespace halfstep
