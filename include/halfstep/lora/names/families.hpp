// The families of models whose layers other programs call by other names.
#pragma once

#include <array>
#include <span>
#include <string>
#include <string_view>

#include <halfstep/lora/names/flux.hpp>
#include <halfstep/lora/names/hunyuan_video.hpp>
#include <halfstep/lora/names/krea2.hpp>
#include <halfstep/lora/names/name_pair.hpp>
#include <halfstep/lora/names/sd3.hpp>
#include <halfstep/lora/names/unet.hpp>
#include <halfstep/lora/names/wan.hpp>
#include <halfstep/lora/names/z_image.hpp>

namespace halfstep {

/// The names of one family's layers.
struct name_family {
  std::string_view name;
  std::span<name_pair const> pairs;
  std::span<name_pair const> parts = {};  ///< behind each name of `pairs`, which are whole names where there are none
};

/// All families. Which one a model is of is not asked: a pair speaks of a model that has a layer of one of its names.
inline constexpr std::array<name_family, 9> name_families{{{"flux", flux_names},
                                                           {"hunyuan_video", hunyuan_video_names},
                                                           {"krea2", krea2_names},
                                                           {"sd3", sd3_names},
                                                           {"unet", unet_names},
                                                           {"unet", unet_residual_blocks, unet_residual_parts},
                                                           {"unet", unet_attention_blocks, unet_attention_parts},
                                                           {"wan", wan_names},
                                                           {"z_image", z_image_names}}};

/// Calls to_first(other, rows) for each first name of a layer whose second one is `name`, and to_second(other, rows) for each
/// second name of one whose first is.
template <class ToFirst, class ToSecond>
void for_each_other_name(std::string_view name, ToFirst&& to_first, ToSecond&& to_second) {
  for (auto const& family : name_families)
    for (auto const& pair : family.pairs) {
      if (family.parts.empty()) {
        if (auto const other = detail::renamed(name, pair.second, pair.first)) to_first(*other, pair.rows);
        if (auto const other = detail::renamed(name, pair.first, pair.second)) to_second(*other, pair.rows);
        continue;
      }
      bool const first = name.starts_with(pair.first), second = name.starts_with(pair.second);
      for (auto const& part : family.parts) {
        if (!first && !second) break;
        if (second)
          if (auto const other = detail::renamed(name.substr(pair.second.size()), part.second, part.first))
            to_first(std::string(pair.first) + *other, part.rows);
        if (first)
          if (auto const other = detail::renamed(name.substr(pair.first.size()), part.first, part.second))
            to_second(std::string(pair.second) + *other, part.rows);
      }
    }
}

}  // namespace halfstep
