#include <halfstep/lora/training_scales.hpp>

#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <halfstep/lora/merge.hpp>

#include "files.hpp"

namespace {

using halfstep::alpha_source;
using halfstep::lora_merge;
using halfstep::scale_place;
using halfstep_test::made_file;
using halfstep_test::message_of;
using testing::AllOf;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::SizeIs;

struct TrainingScales : testing::Test {
  halfstep_test::temporary_folder folder;
  made_file model = made_file()
                        .ones("blocks.0.attn.to_q.weight", {2, 3})
                        .ones("blocks.1.attn.to_q.weight", {2, 3})
                        .ones("text_model.layers.0.fc.weight", {2, 3});
  int files = 0;

  lora_merge merged(made_file const& made, alpha_source from = alpha_source::agreed) {
    return lora_merge({{made.save(folder.path("lora" + std::to_string(files++) + ".safetensors"))}}, {.alpha = from},
                      model.head());
  }

  /// Returns what the only scale of an adapter says.
  halfstep::training_scale scale_of(made_file const& made, alpha_source from = alpha_source::agreed) {
    auto const merge = merged(made, from);
    EXPECT_THAT(merge.adapters()[0].scales, SizeIs(1));
    return merge.adapters()[0].scales.front().scale;
  }
  double factor_of(made_file const& made, alpha_source from = alpha_source::agreed) { return scale_of(made, from).factor(); }
  std::string refusal_of(made_file const& made, alpha_source from = alpha_source::agreed) {
    EXPECT_THROW(merged(made, from), halfstep::format_error);
    return message_of([&] { merged(made, from); });
  }

  /// A pair of rank 4 of ones.
  static made_file pair(std::string const& layer = "blocks.0.attn.to_q", std::string const& down = ".lora_A.weight",
                        std::string const& up = ".lora_B.weight") {
    return made_file().ones(layer + down, {4, 3}).ones(layer + up, {2, 4});
  }
  static made_file kohya() { return pair("lora_unet_blocks_0_attn_to_q", ".lora_down.weight", ".lora_up.weight"); }

  std::string const& beside(std::string const& text) {
    halfstep_test::save(config, text);
    return config;
  }
  std::string const config = folder.path("adapter_config.json");
};

TEST_F(TrainingScales, ReadsTheConfigurationThatDiffusersPacksIntoTheHeader) {
  auto const said = [](std::string const& json) { return pair().say("lora_adapter_metadata", json); };
  EXPECT_EQ(factor_of(said(R"({"transformer.r": 4, "transformer.lora_alpha": 16})")), 4.0);
  EXPECT_EQ(factor_of(said(R"({"transformer.r": 4, "transformer.lora_alpha": 2.0, "transformer.use_rslora": false})")), 0.5);
  EXPECT_EQ(factor_of(said(R"({"unet.r": 4, "unet.lora_alpha": 4, "unet.use_rslora": true})")), 2.0);
  EXPECT_EQ(factor_of(said(R"({"r": 4, "lora_alpha": 16, "peft_type": "LORA"})")), 4.0);
  EXPECT_EQ(factor_of(said(R"({"transformer.r": 4, "transformer.lora_alpha": 16, "transformer.peft_type": "PeftType.LORA"})")),
            4.0);
  auto const scale = scale_of(said(R"({"transformer.r": 4, "transformer.lora_alpha": 16})"));
  EXPECT_EQ(halfstep::scale_in_words(scale), "alpha 16, rank 4, from the header's lora_adapter_metadata: factor 4");
}

TEST_F(TrainingScales, ReadsKeysThatStandAloneInTheHeader) {
  EXPECT_EQ(factor_of(pair().say("transformer.lora_alpha", "16")), 4.0);
  EXPECT_EQ(factor_of(pair().say("lora_alpha", "16.0").say("lora_rank", "4")), 4.0);
  EXPECT_EQ(factor_of(pair().say("transformer.lora_alpha", "4").say("transformer.use_rslora", "True")), 2.0);
  EXPECT_THAT(scale_of(pair().say("transformer.lora_alpha", "16")).from, "the header's transformer.lora_alpha");
  EXPECT_EQ(scale_of(pair().say("rank", "4")).place, scale_place::nowhere) << "a rank alone scales nothing";
  EXPECT_EQ(scale_of(pair().say("lora_alpha", "None")).place, scale_place::nowhere);
}

TEST_F(TrainingScales, TakesTheComponentThatANameBeginsWith) {
  auto const both = [](made_file made) {
    return made.say("lora_adapter_metadata",
                    R"({"transformer.r": 4, "transformer.lora_alpha": 16, "text_encoder.r": 4, "text_encoder.lora_alpha": 2})");
  };
  EXPECT_EQ(factor_of(both(pair("transformer.blocks.0.attn.to_q"))), 4.0);
  EXPECT_EQ(factor_of(both(pair("blocks.0.attn.to_q"))), 4.0);
  EXPECT_EQ(factor_of(both(pair("diffusion_model.blocks.0.attn.to_q"))), 4.0);
  model.ones("text_encoder.layers.0.fc.weight", {2, 3});
  EXPECT_EQ(factor_of(both(pair("text_encoder.layers.0.fc"))), 0.5);
  EXPECT_EQ(scale_of(pair("text_encoder.layers.0.fc").say("transformer.lora_alpha", "16")).place, scale_place::nowhere);
}

TEST_F(TrainingScales, RefusesTwoComponentsThatANameMayBelongTo) {
  auto const two = pair().say("lora_adapter_metadata", R"({"transformer.r": 4, "transformer.lora_alpha": 16,
                                                           "transformer_2.r": 4, "transformer_2.lora_alpha": 8})");
  EXPECT_THAT(refusal_of(two),
              AllOf(HasSubstr("alpha 16, rank 4"), HasSubstr("alpha 8, rank 4"), HasSubstr("`lora_alpha rank`")));
}

TEST_F(TrainingScales, ReadsTheConfigurationBesideTheFile) {
  beside(R"({"peft_type": "LORA", "r": 4, "lora_alpha": 16, "alpha_pattern": {}, "rank_pattern": null, "use_rslora": false})");
  auto const scale = scale_of(pair("transformer.blocks.0.attn.to_q"));
  EXPECT_EQ(halfstep::scale_in_words(scale), "alpha 16, rank 4, from the adapter_config.json beside it: factor 4");
  EXPECT_THAT(merged(pair()).identities(), SizeIs(2)) << "it is an input too";
  beside("\xef\xbb\xbf{\"r\": 4, \"lora_alpha\": 4, \"use_rslora\": true}");
  EXPECT_EQ(factor_of(pair()), 2.0);
}

TEST_F(TrainingScales, TakesTheFirstPatternThatFitsTheEndOfAName) {
  beside(R"({"r": 8, "lora_alpha": 16, "rank_pattern": {"attn.to_q": 4},
             "alpha_pattern": {"to_k": 1, "0.attn.to_q": 2, "attn.to_q": 32, "q": 64}})");
  EXPECT_EQ(factor_of(pair("blocks.0.attn.to_q")), 0.5);
  EXPECT_EQ(factor_of(pair("blocks.1.attn.to_q")), 8.0);
  EXPECT_EQ(factor_of(pair("transformer.blocks.1.attn.to_q")), 8.0);
  beside(R"({"r": 4, "lora_alpha": 16, "alpha_pattern": {"^blocks.0.attn.to_q": 2, "^attn.to_q": 1}})");
  EXPECT_EQ(factor_of(pair("transformer.blocks.0.attn.to_q")), 0.5);
  EXPECT_EQ(factor_of(pair("blocks.1.attn.to_q")), 4.0) << "an anchored key is for all of a name";
  beside(R"({"r": 4, "lora_alpha": 16, "alpha_pattern": {".*to_q": 2}})");
  EXPECT_THAT(refusal_of(pair()), HasSubstr("the key '.*to_q' is an expression"));
}

TEST_F(TrainingScales, ReadsRecordsOfATrainingForPairsInItsOwnNames) {
  auto const trained = [](made_file made, std::string const& alpha) {
    return made.say("ss_network_dim", "4").say("ss_network_alpha", alpha).say("ss_network_module", "networks.lora_flux");
  };
  EXPECT_EQ(factor_of(trained(kohya(), "16.0")), 4.0);
  EXPECT_EQ(factor_of(trained(kohya(), "0")), 1.0) << "0 is the rank there";
  EXPECT_EQ(factor_of(trained(kohya(), "16").ones("lora_unet_blocks_0_attn_to_q.alpha", {}), alpha_source::tensors), 0.25);
  EXPECT_EQ(factor_of(kohya().say("ot_config", R"({"lora_rank": 4, "lora_alpha": 1.0, "peft_type": "LORA"})")), 0.25);
  auto const renamed = scale_of(trained(pair(), "16"));
  EXPECT_EQ(renamed.place, scale_place::nowhere) << "who renames pairs multiplies the scale into them";
  EXPECT_THAT(merged(trained(pair(), "16")).warnings(), testing::ElementsAre(HasSubstr("ss_network_alpha is 16 for rank 4")));
}

TEST_F(TrainingScales, LeavesRecordsThatOneNumberDoesNotTell) {
  auto const tensors = kohya().add("lora_unet_blocks_0_attn_to_q.alpha", {}, {8});
  auto const said = [&](std::string const& key, std::string const& value) {
    return made_file(tensors).say("ss_network_dim", "4").say("ss_network_alpha", "2").say(key, value);
  };
  EXPECT_EQ(factor_of(said("ss_network_args", R"({"conv_dim": "4", "conv_alpha": "8"})")), 2.0);
  EXPECT_EQ(factor_of(said("ss_network_module", "lycoris.kohya")), 2.0);
  EXPECT_EQ(factor_of(made_file(tensors).say("ss_network_dim", "Dynamic").say("ss_network_alpha", "Dynamic")), 2.0);
  EXPECT_EQ(factor_of(made_file(tensors).say("ss_network_dim", "None").say("ss_network_alpha", "1.0")), 2.0);
  EXPECT_THAT(refusal_of(said("ss_network_module", "networks.lora")),
              AllOf(HasSubstr("alpha 8, rank 4, from the .alpha tensors"),
                    HasSubstr("alpha 2, rank 4, from the header's ss_network_alpha")));
}

TEST_F(TrainingScales, RefusesPlacesThatDifferWithBothValuesAndTheChoice) {
  auto const lora = pair().say("transformer.lora_alpha", "16").add("blocks.0.attn.to_q.alpha", {}, {8});
  EXPECT_THAT(refusal_of(lora), AllOf(HasSubstr("'blocks.0.attn.to_q.lora_A.weight'"),
                                      HasSubstr("alpha 8, rank 4, from the .alpha tensors: factor 2"),
                                      HasSubstr("alpha 16, rank 4, from the header's transformer.lora_alpha: factor 4"),
                                      HasSubstr("`lora_alpha tensors` or `lora_alpha header`")));
  EXPECT_EQ(factor_of(lora, alpha_source::tensors), 2.0);
  EXPECT_EQ(factor_of(lora, alpha_source::header), 4.0);
  EXPECT_EQ(factor_of(lora, alpha_source::rank), 1.0);
  EXPECT_THROW(merged(lora, alpha_source::config), halfstep::usage_error);
  beside(R"({"r": 4, "lora_alpha": 1})");
  EXPECT_EQ(factor_of(lora, alpha_source::config), 0.25);
  EXPECT_THAT(refusal_of(pair().say("lora_alpha", "16")), HasSubstr("`lora_alpha header` or `lora_alpha config`"));
}

TEST_F(TrainingScales, TakesPlacesThatAgreeUpToTheRoundingOfATensor) {
  auto const stored = pair().say("lora_alpha", "0.1").add<halfstep::bfloat16>("blocks.0.attn.to_q.alpha", {}, {0.1f});
  EXPECT_EQ(scale_of(stored).place, scale_place::tensors);
  auto const stabilised = pair().say("lora_alpha", "4").say("use_rslora", "True").add("blocks.0.attn.to_q.alpha", {}, {8});
  EXPECT_EQ(factor_of(stabilised), 2.0) << "8 / 4 and 4 / sqrt(4) are the same";
}

TEST_F(TrainingScales, RefusesAConfigurationOfAnotherRank) {
  beside(R"({"r": 16, "lora_alpha": 16})");
  EXPECT_THAT(refusal_of(pair()), AllOf(HasSubstr("has rank 4"), HasSubstr("says 16"), HasSubstr("`lora_alpha tensors`")));
  EXPECT_EQ(factor_of(pair(), alpha_source::tensors), 1.0);
  EXPECT_EQ(factor_of(pair(), alpha_source::rank), 1.0);
}

TEST_F(TrainingScales, RefusesMethodsByTheirNames) {
  auto const header = [](std::string const& more) {
    return pair().say("lora_adapter_metadata", R"({"transformer.r": 4, "transformer.lora_alpha": 4, "transformer.)" + more + "}");
  };
  EXPECT_THAT(refusal_of(header(R"(peft_type": "VERA")")),
              AllOf(HasSubstr("peft_type 'VERA'"), HasSubstr("for the transformer")));
  EXPECT_THAT(refusal_of(header(R"(use_dora": true)")), AllOf(HasSubstr("use_dora"), HasSubstr("DoRA")));
  EXPECT_THAT(refusal_of(header(R"(use_qalora": true)")), HasSubstr("use_qalora"));
  EXPECT_THAT(refusal_of(header(R"(fan_in_fan_out": true)")), HasSubstr("fan_in_fan_out"));
  EXPECT_THAT(refusal_of(header(R"(layer_replication": [[0, 2]])")), HasSubstr("layer_replication"));
  EXPECT_THAT(refusal_of(header(R"(init_lora_weights": "pissa_niter_4")")), HasSubstr("'pissa_niter_4'"));
  EXPECT_THAT(refusal_of(pair().say("peft_type", "FOURIERFT")), HasSubstr("peft_type 'FOURIERFT'"));
  beside(R"({"peft_type": "ADALORA", "r": 4})");
  EXPECT_THAT(refusal_of(pair()), AllOf(HasSubstr("adapter_config.json"), HasSubstr("peft_type 'ADALORA'")));
  beside(
      R"({"peft_type": "LORA", "use_dora": false, "use_qalora": false, "init_lora_weights": true, "layer_replication": null})");
  EXPECT_EQ(scale_of(pair()).place, scale_place::nowhere);
}

TEST_F(TrainingScales, RefusesNumbersThatAreNone) {
  EXPECT_THAT(refusal_of(pair().say("lora_adapter_metadata", "{")), HasSubstr("the header's lora_adapter_metadata is no JSON"));
  EXPECT_THAT(refusal_of(pair().say("lora_adapter_metadata", "[]")), HasSubstr("no JSON object"));
  EXPECT_THAT(refusal_of(pair().say("transformer.lora_alpha", "many")), HasSubstr("lora_alpha \"many\", not a number"));
  beside(R"({"r": 0, "lora_alpha": 1})");
  EXPECT_THAT(refusal_of(pair()), HasSubstr("has the rank 0"));
  beside(R"({"r": 4, "lora_alpha": 1, "alpha_pattern": {"to_q": "x"}})");
  EXPECT_THAT(refusal_of(pair()), HasSubstr("alpha_pattern 'to_q' \"x\", not a number"));
}

TEST_F(TrainingScales, WarnsWhereNothingTellsAndNotWhereThatIsAsked) {
  EXPECT_THAT(merged(pair()).warnings(), testing::ElementsAre(AllOf(HasSubstr("nothing tells the alpha of its pairs"),
                                                                    HasSubstr("alpha / rank as its strength"))));
  EXPECT_THAT(merged(pair(), alpha_source::rank).warnings(), IsEmpty());
  EXPECT_THAT(merged(pair().say("lora_alpha", "4")).warnings(), IsEmpty());
  auto const some = pair()
                        .ones("blocks.0.attn.to_q.alpha", {})
                        .ones("blocks.1.attn.to_q.lora_A.weight", {4, 3})
                        .ones("blocks.1.attn.to_q.lora_B.weight", {2, 4});
  EXPECT_THAT(merged(some).warnings(), testing::ElementsAre(HasSubstr("the alpha of 1 of its 2 pairs")));
  EXPECT_THAT(merged(some).adapters()[0].scales, SizeIs(2));
}

}  // namespace
