#include <halfstep/safetensors/name_table.hpp>

#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace {

using halfstep::name_form;
using halfstep::name_table;
using testing::ElementsAre;
using testing::IsEmpty;

TEST(NameTable, FindsALayerByEveryNameThatMeansIt) {
  name_table<int> names;
  names.add("model.diffusion_model.blocks.0.q_proj", 1);
  names.add("lora_unet_blocks_1_q_proj", 2);
  names.add("blocks.2.q_proj", 3);
  for (auto const* const name :
       {"blocks.0.q_proj", "module.blocks.0.q_proj", "lora_unet_blocks_0_q_proj", "_orig_mod.blocks.0.q_proj"})
    EXPECT_THAT(names.find(name), ElementsAre(1)) << name;
  for (auto const* const name : {"blocks.1.q_proj", "transformer.blocks.1.q_proj", "lora_transformer_blocks_1_q_proj"})
    EXPECT_THAT(names.find(name), ElementsAre(2)) << name;
  for (auto const* const name : {"blocks.3.q_proj", "blocks_0_q_proj", "0.q_proj", ""})
    EXPECT_THAT(names.find(name), IsEmpty()) << name;
}

TEST(NameTable, TakesANameWithDotsBeforeOneWithUnderscores) {
  name_table<std::string> names;
  names.add("lora_unet_a_b", "underscores");
  names.add("unet.a.b", "dots");
  EXPECT_THAT(names.find("a.b"), ElementsAre("dots"));
  EXPECT_THAT(names.find("a_b"), ElementsAre("underscores"));
}

TEST(NameTable, GivesAllThatANameMayMean) {
  name_table<int> names;
  names.add("module.a.b", 1);
  names.add("unet.a.b", 2);
  names.add("net.a.b", 2);
  EXPECT_THAT(names.find("a.b"), ElementsAre(1, 2));
}

TEST(NameTable, TakesNamesThatHaveLostTheirPrefixAsTheyAre) {
  name_table<int> names;
  names.add({"transformer.resblocks.0", name_form::dotted}, 1);
  EXPECT_THAT(names.find("transformer.resblocks.0"), IsEmpty());
  EXPECT_THAT(names.find({"transformer.resblocks.0", name_form::dotted}), ElementsAre(1));
  std::vector<std::string> texts;
  names.for_each(name_form::underscored, [&](std::string const& text, auto const&) { texts.push_back(text); });
  EXPECT_THAT(texts, ElementsAre("transformer_resblocks_0"));
}

}  // namespace
