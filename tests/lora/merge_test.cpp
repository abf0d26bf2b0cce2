#include <halfstep/lora/merge.hpp>

#include <cmath>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "files.hpp"

namespace {

using halfstep::bfloat16;
using halfstep::dtype;
using halfstep::extents2;
using halfstep::float16;
using halfstep::host_view;
using halfstep::index_t;
using halfstep::lora_dampening;
using halfstep::lora_merge;
using halfstep::lora_options;
using halfstep::lora_request;
using halfstep::unmatched_keys;
using halfstep_test::made_file;
using halfstep_test::message_of;
using halfstep_test::shape;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::SizeIs;

/// What is added to a tensor of this shape.
std::vector<float> added(lora_merge const& merge, std::string const& tensor, extents2 e) {
  std::vector<float> sum(static_cast<std::size_t>(e.count()), 0.0f);
  if (auto const delta = merge.at(tensor)) delta->add_to(host_view<float>(sum.data(), e));
  return sum;
}

struct LoraMerge : testing::Test {
  halfstep_test::temporary_folder folder;
  made_file model = made_file()
                        .ones("blocks.0.attn.to_q.weight", {2, 3})
                        .ones("blocks.0.attn.to_q.bias", {2})
                        .ones("blocks.1.attn.to_q.weight", {2, 3})
                        .ones("norm.weight", {3})
                        .ones("conv.weight", {2, 3, 1, 1});
  int files = 0;

  std::string saved(made_file const& made) { return made.save(folder.path("lora" + std::to_string(files++) + ".safetensors")); }
  lora_merge merged(std::vector<lora_request> const& requests, lora_options const& options = {}) {
    return lora_merge(requests, options, model.head());
  }
  lora_merge merged(made_file const& made, lora_options const& options = {}) { return merged({{saved(made)}}, options); }

  /// A pair of rank 1 whose product is [[10, 20, 30], [-1, -2, -3]].
  template <class T = float>
  static made_file pair(std::string const& layer, std::string const& down = ".lora_A.weight",
                        std::string const& up = ".lora_B.weight") {
    return made_file().add<T>(layer + down, {1, 3}, {1, 2, 3}).template add<T>(layer + up, {2, 1}, {10, -1});
  }
  static auto times(float factor) {
    std::vector<float> product{10, 20, 30, -1, -2, -3};
    for (float& x : product) x *= factor;
    return testing::Pointwise(testing::FloatEq(), product);
  }
};

TEST_F(LoraMerge, TakesEverySpellingOfPairsAndNames) {
  std::vector<made_file> const spellings{
      pair("blocks.0.attn.to_q"),
      pair("model.diffusion_model.blocks.0.attn.to_q"),
      pair("diffusion_model.blocks.0.attn.to_q"),
      pair("transformer.blocks.0.attn.to_q"),
      pair("lora_unet_blocks_0_attn_to_q", ".lora_down.weight", ".lora_up.weight"),
      pair("lora_te_blocks_0_attn_to_q", ".lora_down.weight", ".lora_up.weight"),
      pair("blocks.0.attn.to_q", ".lora_down.weight", ".lora_up.weight"),
      pair<float16>("blocks.0.attn.to_q"),
      pair<bfloat16>("blocks.0.attn.to_q"),
  };
  for (auto const& spelling : spellings) {
    auto const merge = merged(spelling);
    SCOPED_TRACE(merge.adapters()[0].path);
    EXPECT_THAT(added(merge, "blocks.0.attn.to_q.weight", {2, 3}), times(1.0f));
    EXPECT_EQ(merge.adapters()[0].layers, 1u);
    EXPECT_FALSE(merge.changes("blocks.1.attn.to_q.weight"));
    EXPECT_EQ(merge.at("blocks.1.attn.to_q.weight"), nullptr);
  }
}

TEST_F(LoraMerge, FindsLayersOfAModelWithAPrefix) {
  for (std::string const prefix : {"model.diffusion_model.", "diffusion_model.", "transformer."}) {
    model = made_file().ones(prefix + "blocks.0.attn.to_q.weight", {2, 3});
    EXPECT_THAT(added(merged(pair("blocks.0.attn.to_q")), prefix + "blocks.0.attn.to_q.weight", {2, 3}), times(1.0f));
    EXPECT_THAT(added(merged(pair("lora_unet_blocks_0_attn_to_q")), prefix + "blocks.0.attn.to_q.weight", {2, 3}), times(1.0f));
  }
}

TEST_F(LoraMerge, ScalesByAlphaOverTheRank) {
  made_file const rank2 = made_file()
                              .add("blocks.0.attn.to_q.lora_A.weight", {2, 3}, {1, 2, 3, 100, 100, 100})
                              .add("blocks.0.attn.to_q.lora_B.weight", {2, 2}, {10, 0, -1, 0});
  auto const of = [&](made_file made) { return added(merged(made), "blocks.0.attn.to_q.weight", {2, 3}); };
  EXPECT_THAT(of(rank2), times(1.0f)) << "alpha is the rank where nothing is said";
  EXPECT_THAT(of(made_file(rank2).add("blocks.0.attn.to_q.alpha", {}, {1})), times(0.5f));
  EXPECT_THAT(of(made_file(rank2).add<bfloat16>("blocks.0.attn.to_q.alpha", {1}, {8})), times(4.0f));
  std::int64_t const whole = 6;
  EXPECT_THAT(of(made_file(rank2).raw("blocks.0.attn.to_q.alpha", dtype::i64, {}, &whole, 8)), times(3.0f));
  std::int32_t const negative = -2;
  EXPECT_THAT(of(made_file(rank2).raw("blocks.0.attn.to_q.alpha", dtype::i32, {}, &negative, 4)), times(-1.0f));
  EXPECT_THAT(of(made_file(rank2).say("blocks_0_attn_to_q_alpha", "4.0")), times(2.0f));
  auto const both = made_file(rank2).say("blocks_0_attn_to_q_alpha", "4").add("blocks.0.attn.to_q.alpha", {}, {1});
  EXPECT_THAT(message_of([&] { of(both); }), AllOf(HasSubstr("alpha 1, rank 2"), HasSubstr("alpha 4, rank 2")));
}

TEST_F(LoraMerge, FindsTheMetadatasAlphaUnderTheNameWithAndWithoutItsPrefix) {
  for (std::string const key : {"transformer_blocks_0_attn_to_q_alpha", "blocks_0_attn_to_q_alpha"}) {
    auto const merge = merged(pair("transformer.blocks.0.attn.to_q").say(key, "0.25"));
    EXPECT_THAT(added(merge, "blocks.0.attn.to_q.weight", {2, 3}), times(0.25f)) << key;
  }
}

TEST_F(LoraMerge, RefusesAnAlphaThatIsNoNumber) {
  auto const layer = pair("blocks.0.attn.to_q");
  EXPECT_THAT(message_of([&] { merged(made_file(layer).say("blocks_0_attn_to_q_alpha", "4x")); }),
              AllOf(HasSubstr("'blocks_0_attn_to_q_alpha'"), HasSubstr("'4x'")));
  EXPECT_THAT(message_of([&] {
                merged(made_file(layer).add("blocks.0.attn.to_q.alpha", {2}, {1, 2}));
              }),
              HasSubstr("no single number"));
  EXPECT_THAT(message_of([&] { merged(made_file(layer).add("blocks.0.attn.to_q.alpha", {}, {NAN})); }), HasSubstr("not finite"));
}

TEST_F(LoraMerge, DampensTheSecondAndThirdOfSeveral) {
  std::vector<lora_request> const three{
      {saved(pair("blocks.0.attn.to_q"))}, {saved(pair("blocks.0.attn.to_q"))}, {saved(pair("blocks.0.attn.to_q")), 2.0}};
  auto const damped = merged(three);
  EXPECT_DOUBLE_EQ(damped.adapters()[0].factor(), 1.0);
  EXPECT_DOUBLE_EQ(damped.adapters()[1].factor(), 0.9);
  EXPECT_DOUBLE_EQ(damped.adapters()[2].factor(), 2.0 * 0.81);
  EXPECT_THAT(added(damped, "blocks.0.attn.to_q.weight", {2, 3}), times(1.0f + 0.9f + 2.0f * 0.81f));
  auto const undamped = merged(three, {.scale = 0.5, .dampening = lora_dampening::none});
  EXPECT_THAT(added(undamped, "blocks.0.attn.to_q.weight", {2, 3}), times(0.5f * (1.0f + 1.0f + 2.0f)));
}

TEST_F(LoraMerge, DampensByTheOrderOfTheFilesWhateverLayersTheyChange) {
  auto const merge = merged({{saved(pair("blocks.0.attn.to_q"))}, {saved(pair("blocks.1.attn.to_q")), -3.0}});
  EXPECT_THAT(added(merge, "blocks.1.attn.to_q.weight", {2, 3}), times(-2.7f));
}

TEST_F(LoraMerge, AddsDifferencesOfWeightsAndBiasesAndNorms) {
  auto const merge = merged({{saved(pair("blocks.0.attn.to_q")
                                        .add("blocks.0.attn.to_q.diff", {2, 3}, {1, 0, 0, 0, 0, 2})
                                        .add<float16>("blocks.0.attn.to_q.diff_b", {2}, {0.5f, -4})
                                        .add("norm.diff", {3}, {1, 2, 3})),
                              0.5}});
  EXPECT_THAT(added(merge, "blocks.0.attn.to_q.weight", {2, 3}), ElementsAre(5.5f, 10, 15, -0.5f, -1, -0.5f));
  EXPECT_THAT(added(merge, "blocks.0.attn.to_q.bias", {2, 1}), ElementsAre(0.25f, -2));
  EXPECT_THAT(added(merge, "norm.weight", {3, 1}), ElementsAre(0.5f, 1, 1.5f));
  EXPECT_EQ(merge.adapters()[0].layers, 2u);
}

TEST_F(LoraMerge, ListsKeysThatMatchNothingWithTheNearestLayers) {
  made_file const lora = pair("transformer.blocks.1.attn.to_k")
                             .ones("lora_unet_blocks_0_attn_toq.lora_down.weight", {1, 3})
                             .ones("lora_unet_blocks_0_attn_toq.lora_up.weight", {2, 1})
                             .ones("blocks.0.attn.to_q.diff", {2, 3})
                             .ones("blocks.1.attn.to_q.diff", {2, 3})
                             .ones("norm.diff", {3});
  EXPECT_THROW(merged(lora), halfstep::usage_error);
  EXPECT_THAT(message_of([&] { merged(lora); }),
              AllOf(HasSubstr("2 LoRA keys match nothing"),
                    HasSubstr("'transformer.blocks.1.attn.to_k.lora_A.weight' (nearest: 'blocks.1.attn.to_q')"),
                    HasSubstr("'lora_unet_blocks_0_attn_toq.lora_down.weight' (nearest: 'blocks.0.attn.to_q')"),
                    HasSubstr("`unmatched warn`")));
}

TEST_F(LoraMerge, CountsWhatIsTooMuchToList) {
  auto lora = made_file().ones("norm.diff", {3});
  for (int i = 0; i < 30; ++i) lora.ones("none." + std::to_string(i) + ".diff", {3});
  EXPECT_THAT(message_of([&] { merged(lora); }), AllOf(HasSubstr("30 LoRA keys"), HasSubstr("and 14 more")));
}

TEST_F(LoraMerge, AdvisesToLeaveOutKeysOnlyWhereMostMatch) {
  auto lora = pair("blocks.0.attn.to_q").ones("norm.diff", {3}).ones("none.0.diff", {3});
  EXPECT_THAT(message_of([&] { merged(lora); }), HasSubstr("`unmatched warn`"));
  EXPECT_EQ(merged(lora, {.unmatched = unmatched_keys::warn}).adapters()[0].layers, 2u);
  lora.ones("none.1.diff", {3});
  EXPECT_THAT(message_of([&] { merged(lora); }), AllOf(Not(HasSubstr("`unmatched warn`")), HasSubstr("trained for this model")));
}

TEST_F(LoraMerge, RefusesAFileOfWhichNothingIsUsedWhateverIsAsked) {
  auto const lora = pair("blocks.1.attn.to_k").ones("norms.diff", {3});
  for (auto const policy : {unmatched_keys::refuse, unmatched_keys::warn}) {
    EXPECT_THROW(merged(lora, {.unmatched = policy}), halfstep::format_error);
    EXPECT_THAT(
        message_of([&] { merged(lora, {.unmatched = policy}); }),
        AllOf(HasSubstr("'blocks.1.attn.to_k.lora_A.weight', 'norms.diff'"),
              HasSubstr("the nearest layers of the model are 'blocks.1.attn.to_q', 'norm'"), Not(HasSubstr("`unmatched"))));
    EXPECT_THROW(merged(made_file().say("format", "pt"), {.unmatched = policy}), halfstep::format_error);
  }
  EXPECT_THAT(message_of([&] { merged(made_file().say("format", "pt")); }), HasSubstr("holds no tensor"));
  EXPECT_THROW(merged({{saved(pair("blocks.0.attn.to_q"))}, {saved(lora)}}, {.unmatched = unmatched_keys::warn}),
               halfstep::format_error)
      << "one of two that is used does not make up for the other";
}

TEST_F(LoraMerge, LeavesOutWhatMatchesNothingWhereThatIsAllowed) {
  auto lora = pair("blocks.0.attn.to_q").ones("blocks.9.attn.to_q.diff", {2, 3}).ones("blocks.1.attn.to_q.diff_b", {2});
  auto const merge = merged(lora, {.unmatched = unmatched_keys::warn, .alpha = halfstep::alpha_source::rank});
  ASSERT_THAT(merge.warnings(), SizeIs(1));
  EXPECT_THAT(merge.warnings()[0], AllOf(HasSubstr("'blocks.9.attn.to_q.diff'"), HasSubstr("'blocks.1.attn.to_q.diff_b'"),
                                         HasSubstr("no bias"), HasSubstr("left out")));
  EXPECT_THAT(added(merge, "blocks.0.attn.to_q.weight", {2, 3}), times(1.0f));
  EXPECT_THAT(
      merged(pair("blocks.0.attn.to_q"), {.unmatched = unmatched_keys::warn, .alpha = halfstep::alpha_source::rank}).warnings(),
      IsEmpty());
}

TEST_F(LoraMerge, LeavesAWholeLayerOutRatherThanHalfOfWhatItMeans) {
  for (auto const& [part, why] : {std::pair<std::string, std::string>{".oft_blocks", "OFT turns the weight and is not merged"},
                                  {".lora_E", "AdaLoRA is not merged"},
                                  {".set_weight", "a weight in place of the model's, not a change of it"},
                                  {".lora_oddity", "no part that is known"}}) {
    auto const lora = pair("blocks.0.attn.to_q").ones("blocks.0.attn.to_q" + part, {2}).ones("norm.diff", {3});
    EXPECT_THAT(message_of([&] { merged(lora); }), HasSubstr("'blocks.0.attn.to_q" + part + "' (" + why + ")"));
    EXPECT_FALSE(merged(lora, {.unmatched = unmatched_keys::warn}).changes("blocks.0.attn.to_q.weight")) << part;
  }
  EXPECT_THAT(message_of([&] { merged(made_file().ones("blocks.0.attn.to_q.alpha", {})); }), HasSubstr("no part that is known"));
}

TEST_F(LoraMerge, AddsPairsOfConvolutionsAndOfPoints) {
  for (auto const& lora :
       {made_file().add("conv.lora_down.weight", {1, 3, 1, 1}, {1, 2, 3}).add("conv.lora_up.weight", {2, 1, 1, 1}, {10, -1}),
        pair("conv")})
    EXPECT_THAT(added(merged(lora), "conv.weight", {2, 3}), times(1.0f));
  EXPECT_THAT(message_of([&] {
                merged(made_file().ones("conv.lora_down.weight", {1, 3, 3, 3}).ones("conv.lora_up.weight", {2, 1, 1, 1}));
              }),
              AllOf(HasSubstr("[1, 3, 3, 3]"), HasSubstr("'conv.weight' of the shape [2, 3, 1, 1]")));
}

TEST_F(LoraMerge, GivesRowsTheLengthThatMagnitudesSay) {
  std::vector<float> const weight{3, 0, 0, 0, 0, -2};
  auto const rows_of = [&](made_file const& lora, double strength) {
    auto const merge = merged({{saved(lora), strength}});
    auto rows = weight;
    merge.at("blocks.0.attn.to_q.weight")->add_to(host_view<float>(rows.data(), {2, 3}));
    EXPECT_TRUE(merge.at("blocks.0.attn.to_q.weight")->depends_on_weight());
    return rows;
  };
  auto const lora = made_file()
                        .add("blocks.0.attn.to_q.lora_A.weight", {1, 3}, {0, 4, 0})
                        .add("blocks.0.attn.to_q.lora_B.weight", {2, 1}, {1, 0})
                        .add("blocks.0.attn.to_q.lora_magnitude_vector", {2}, {10, 6});
  EXPECT_THAT(rows_of(lora, 1.0), ElementsAre(6, 8, 0, 0, 0, -6)) << "(3, 4, 0) has the length 5";
  EXPECT_THAT(rows_of(lora, 0.5), ElementsAre(4.5f, 4, 0, 0, 0, -4)) << "half of the way";
}

TEST_F(LoraMerge, NamesTensorAndBothShapesWhereTheyDoNotFit) {
  auto const text = [&](made_file const& lora) { return message_of([&] { merged(lora); }); };
  std::string const q = "blocks.0.attn.to_q";
  EXPECT_THAT(
      text(made_file().ones(q + ".lora_A.weight", {1, 4}).ones(q + ".lora_B.weight", {2, 1})),
      AllOf(HasSubstr("'" + q + ".lora_A.weight' of the shape [1, 4]"), HasSubstr("'" + q + ".weight' of the shape [2, 3]")));
  EXPECT_THAT(
      text(made_file().ones(q + ".lora_A.weight", {1, 3}).ones(q + ".lora_B.weight", {5, 1})),
      AllOf(HasSubstr("'" + q + ".lora_B.weight' of the shape [5, 1]"), HasSubstr("'" + q + ".weight' of the shape [2, 3]")));
  EXPECT_THAT(text(made_file().ones(q + ".lora_A.weight", {2, 3}).ones(q + ".lora_B.weight", {2, 1})),
              AllOf(HasSubstr("[2, 3]"), HasSubstr("[2, 1]"), HasSubstr("no rank in common")));
  EXPECT_THAT(text(made_file().ones(q + ".diff", {3, 2})), AllOf(HasSubstr("[3, 2]"), HasSubstr("[2, 3]")));
  EXPECT_THAT(text(made_file().ones(q + ".diff_b", {3})),
              AllOf(HasSubstr("[3]"), HasSubstr("'" + q + ".bias' of the shape [2]")));
  EXPECT_THAT(text(made_file().ones("norm.lora_A.weight", {1, 3}).ones("norm.lora_B.weight", {2, 1})),
              AllOf(HasSubstr("'norm.weight' of the shape [3]")));
}

TEST_F(LoraMerge, RefusesHalfAPairAndPairsInTwoSpellings) {
  EXPECT_THAT(message_of([&] {
                merged(made_file().ones("blocks.0.attn.to_q.lora_A.weight", {1, 3}));
              }),
              HasSubstr("has no up (B) matrix"));
  EXPECT_THAT(message_of([&] {
                merged(made_file().ones("blocks.0.attn.to_q.lora_up.weight", {2, 1}));
              }),
              HasSubstr("has no down (A) matrix"));
  EXPECT_THAT(message_of([&] {
                merged(pair("blocks.0.attn.to_q").ones("blocks.0.attn.to_q.lora_up.weight", {2, 1}));
              }),
              HasSubstr("are the same part"));
  EXPECT_THAT(message_of([&] {
                merged(pair("blocks.0.attn.to_q").ones("transformer.blocks.0.attn.to_q.diff", {2, 3}));
              }),
              HasSubstr("are both for the layer 'blocks.0.attn.to_q'"));
}

TEST_F(LoraMerge, RefusesANameThatTwoLayersHave) {
  model = made_file().ones("a_b.c.weight", {2, 3}).ones("a.b_c.weight", {2, 3});
  EXPECT_THAT(message_of([&] { merged(pair("lora_unet_a_b_c")); }), AllOf(HasSubstr("'a.b_c'"), HasSubstr("'a_b.c'")));
}

TEST_F(LoraMerge, RefusesTypesThatNoWeightHas) {
  std::int8_t const bytes[3] = {};
  EXPECT_THAT(message_of([&] { merged(made_file().raw("norm.diff", dtype::i8, {3}, bytes, 3)); }), HasSubstr("is I8, not F32"));
  model = made_file().raw("norm.weight", dtype::u8, {3}, bytes, 3);
  EXPECT_THAT(message_of([&] { merged(made_file().ones("norm.diff", {3})); }),
              HasSubstr("cannot be added to 'norm.weight': it is U8"));
}

TEST_F(LoraMerge, NamesAFileThatIsMissingAndANumberThatIsNotFinite) {
  EXPECT_THROW(merged({{folder.path("nowhere.safetensors")}}), halfstep::io_error);
  auto const merge = merged(made_file().add("norm.diff", {3}, {1, INFINITY, 1}));
  EXPECT_THAT(message_of([&] {
                added(merge, "norm.weight", {3, 1});
              }),
              AllOf(HasSubstr("'norm.diff'"), HasSubstr("NaN or infinity at element 1")));
  auto const nan = merged(
      made_file().add("blocks.0.attn.to_q.lora_A.weight", {1, 3}, {1, NAN, 1}).ones("blocks.0.attn.to_q.lora_B.weight", {2, 1}));
  EXPECT_THAT(message_of([&] { nan.at("blocks.0.attn.to_q.weight"); }), HasSubstr("NaN or infinity"));
}

TEST_F(LoraMerge, AddsTheSameBitsHoweverATensorIsCutAndAgreesWithFp64) {
  extents2 const e{75, 130};
  index_t const rank = 37;
  auto const m = static_cast<std::uint64_t>(e.rows), n = static_cast<std::uint64_t>(e.columns);
  auto const fill = [](extents2 of, std::uint64_t seed) {
    auto const x = halfstep_test::noise<float>(of, seed);
    return std::vector<float>(x.begin(), x.end());
  };
  auto const a = fill({rank, e.columns}, 1), b = fill({e.rows, rank}, 2), d = fill(e, 3), w = fill(e, 4);
  model = made_file().add("l.weight", {m, n}, w);
  auto const merge = merged({{saved(made_file()
                                        .add("l.lora_A.weight", {37, n}, a)
                                        .add("l.lora_B.weight", {m, 37}, b)
                                        .add("l.diff", {m, n}, d)
                                        .add("l.alpha", {}, {74})),
                              0.3}});
  auto const whole = [&] {
    auto sum = w;
    merge.at("l.weight")->add_to(host_view<float>(sum.data(), e));
    return sum;
  }();
  for (index_t const step : {1, 3, 16}) {
    auto sum = w;
    for (index_t first = 0; first < e.rows; first += step)
      merge.at("l.weight")->add_to(host_view<float>(sum.data(), e).rows(first, std::min(step, e.rows - first)));
    EXPECT_EQ(sum, whole) << step;
  }
  for (index_t i = 0; i < e.count(); ++i) {
    double sum = 0.0;
    for (index_t k = 0; k < rank; ++k)
      sum += static_cast<double>(b[static_cast<std::size_t>(i / e.columns * rank + k)]) *
             static_cast<double>(a[static_cast<std::size_t>(k * e.columns + i % e.columns)]);
    auto const at = static_cast<std::size_t>(i);
    double const exact = static_cast<double>(w[at]) + 0.3 * 2.0 * sum + 0.3 * static_cast<double>(d[at]);
    ASSERT_NEAR(whole[at], exact, 1e-7);
  }
}

}  // namespace
