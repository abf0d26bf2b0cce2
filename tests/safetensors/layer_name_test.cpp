#include <halfstep/safetensors/layer_name.hpp>

#include <gtest/gtest.h>

namespace {

using halfstep::name_form;
using halfstep::without_prefix;

TEST(LayerName, LosesTheModulesThatTorchWrapsAroundOthers) {
  for (auto const* const name :
       {"module.a.q", "_orig_mod.a.q", "module._orig_mod.module.a.q", "a._orig_mod._fsdp_wrapped_module.q"})
    EXPECT_EQ(without_prefix(name).text, "a.q") << name;
}

TEST(LayerName, KeepsWhatOnlyLooksLikeAWrapper) {
  for (auto const* const name : {"a.module.q", "modules.q", "my_orig_mod.q", "module.", ""})
    EXPECT_EQ(without_prefix(name).text, name);
}

TEST(LayerName, LosesItsPrefixBehindTheWrappers) {
  EXPECT_EQ(without_prefix("module.model.diffusion_model.a.q").text, "a.q");
  EXPECT_EQ(without_prefix("transformer._orig_mod.a.q").text, "a.q");
  EXPECT_EQ(without_prefix("lora_unet_a_q").form, name_form::underscored);
}

}  // namespace
