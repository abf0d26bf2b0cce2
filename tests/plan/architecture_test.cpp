#include <halfstep/plan/architecture.hpp>

#include <algorithm>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "models.hpp"

namespace {

using halfstep::model_family;
using halfstep::name_parts;

std::string name_of(model_family const* family) { return family == nullptr ? "none" : std::string(family->name); }

model_family const* recognised(std::vector<std::string> const& names) {
  std::vector<std::string_view> const views(names.begin(), names.end());
  return halfstep::recognise(views);
}

std::vector<std::string> names_with(name_parts signs, std::string const& prefix) {
  std::vector<std::string> names{prefix + "other.weight"};
  for (auto const sign : signs)
    names.push_back(prefix + std::string(sign.starts_with('.') ? "x" : "") + std::string(sign) + "tail");
  return names;
}

TEST(Architecture, RecognisesEveryFamilyByEachOfItsSignsWhateverThePrefix) {
  for (auto const& family : halfstep::model_families)
    for (auto const signs : family.detect)
      for (std::string const prefix : {"model.diffusion_model.", "net.", ""})
        EXPECT_EQ(name_of(recognised(names_with(signs, prefix))), family.name) << prefix;
}

TEST(Architecture, WantsAllSignsOfAnAlternative) {
  for (auto const& family : halfstep::model_families)
    for (auto const signs : family.detect)
      for (auto const missing : signs) {
        std::vector<std::string_view> rest(signs.begin(), signs.end());
        rest.erase(std::find(rest.begin(), rest.end(), missing));
        bool const is_part_of_the_rest =
            std::any_of(rest.begin(), rest.end(), [&](auto sign) { return sign.find(missing) != std::string_view::npos; });
        if (is_part_of_the_rest) continue;
        EXPECT_NE(name_of(recognised(names_with(rest, ""))), family.name) << missing;
      }
}

TEST(Architecture, PrefersTheMoreParticularFamily) {
  EXPECT_EQ(name_of(recognised(
                {"double_blocks.0.img_attn.norm.key_norm.scale", "img_in.weight", "double_stream_modulation_img.lin.weight"})),
            "flux2");
  EXPECT_EQ(name_of(recognised({"nerf_blocks.0.a", "distilled_guidance_layer.in.weight", "double_blocks.0.x"})), "nerf_large");
  EXPECT_EQ(name_of(recognised({"double_blocks.0.img_attn.norm.key_norm.scale", "img_in.weight", "x.lora_up.weight"})), "lora");
}

TEST(Architecture, RecognisesRealModels) {
  auto const file = halfstep_test::data_file("models.json");
  for (auto const& [name, entry] : file.at("models").as_object())
    for (std::string const prefix : {"", "model.diffusion_model.", "net."}) {
      auto const header = halfstep_test::model(name, prefix);
      std::vector<std::string_view> names;
      for (auto const& t : header.tensors()) names.emplace_back(t.name);
      EXPECT_EQ(name_of(halfstep::recognise(names)), std::string_view(entry.at("family").as_string())) << name << prefix;
    }
}

TEST(Architecture, KnowsNothingOfAnEncoderOfSentences) {
  EXPECT_EQ(
      recognised({"encoder.layer.0.attention.self.query.weight", "embeddings.word_embeddings.weight", "pooler.dense.weight"}),
      nullptr);
}

TEST(Architecture, ListsEveryFamily) {
  auto const text = halfstep::known_families();
  for (auto const& family : halfstep::model_families) EXPECT_NE(text.find(family.name), std::string::npos);
}

}  // namespace
