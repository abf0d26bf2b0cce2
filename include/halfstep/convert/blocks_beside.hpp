// The blocks of FP8 weights that the config.json beside a model states.
#pragma once

#include <cstdint>
#include <exception>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include <boost/json/parse.hpp>
#include <boost/json/value.hpp>

#include <halfstep/core/error.hpp>
#include <halfstep/core/extents.hpp>
#include <halfstep/file/folder.hpp>
#include <halfstep/file/input_file.hpp>
#include <halfstep/recipe/stored_blocks.hpp>
#include <halfstep/safetensors/foreign_content.hpp>

namespace halfstep {

namespace detail {

/// Returns the rows and columns that `said` gives: a list of two, or a text such as "128x128"; nothing for another value.
inline std::optional<std::pair<index_t, index_t>> sides_in(boost::json::value const& said) {
  auto const is_side = [](std::int64_t side) { return side > 0 && side <= std::int64_t{1} << 30; };
  if (said.is_array() && said.get_array().size() == 2 && said.get_array()[0].is_int64() && said.get_array()[1].is_int64()) {
    auto const rows = said.get_array()[0].get_int64(), columns = said.get_array()[1].get_int64();
    if (is_side(rows) && is_side(columns)) return std::pair{rows, columns};
  }
  if (said.is_string()) {
    std::string text = "[" + std::string(said.get_string()) + "]";
    if (auto const x = text.find('x'); x != std::string::npos) text[x] = ',';
    boost::system::error_code why;
    auto const list = boost::json::parse(text, why);
    if (!why && list.is_array()) return sides_in(list);
  }
  return std::nullopt;
}

/// Adds to `found` what `value` says of blocks at any depth: under transformers' `weight_block_size`, or the `block_structure` of
/// compressed-tensors.
inline void find_block_sides(boost::json::value const& value, std::set<std::pair<index_t, index_t>>& found) {
  if (value.is_array())
    for (auto const& part : value.get_array()) find_block_sides(part, found);
  if (!value.is_object()) return;
  for (auto const& pair : value.get_object()) {
    bool const speaks = pair.key() == "weight_block_size" || pair.key() == "block_structure";
    if (auto const sides = speaks ? sides_in(pair.value()) : std::nullopt)
      found.insert(*sides);
    else
      find_block_sides(pair.value(), found);
  }
}

}  // namespace detail

/// Returns the blocks that the text of a config.json states, the same wherever it does; a problem where it is no JSON or states
/// two. Throws format_error for what `safetensors::json_content` does not take.
inline stated_blocks blocks_in_config(std::string_view text) {
  constexpr std::string_view name = "config.json beside the model";
  boost::system::error_code why;
  auto const value = boost::json::parse(safetensors::json_content(text), why);
  if (why) return {.problem = "; " + std::string(name) + " is no JSON: " + why.message()};
  std::set<std::pair<index_t, index_t>> found;
  detail::find_block_sides(value, found);
  if (found.empty()) return {};
  auto const [rows, columns] = *found.begin();
  if (found.size() == 1) return {{rows, columns}, std::string(name)};
  auto const [more_rows, more_columns] = *found.rbegin();
  return {.problem = "; " + std::string(name) + " says " + detail::sides_text({rows, columns}) + " and " +
                     detail::sides_text({more_rows, more_columns})};
}

/// Returns the blocks that a config.json in the folder of the file `path` states, where there is one. Throws nothing that such a
/// file gives reason to: what is wrong with it is the problem of the layers that need it.
inline stated_blocks blocks_beside(std::string const& path) try {
  std::string const config = file::folder_of(path) + "config.json";
  if (file::kind_of(config) != file::path_kind::file) return {};
  file::input_file const file(config);
  constexpr std::uint64_t longest = std::uint64_t{16} << 20;
  if (file.size() > longest) return {.problem = "; config.json beside the model has more than 16 MiB"};
  std::string text(static_cast<std::size_t>(file.size()), '\0');
  file.read(0, std::as_writable_bytes(std::span(text)));
  return blocks_in_config(text);
} catch (format_error const& e) {
  return {.problem = std::string("; of config.json beside the model, ") + e.what()};
} catch (io_error const& e) {
  return {.problem = std::string("; ") + e.what()};
}

}  // namespace halfstep
