#include <halfstep/report/quality_summary.hpp>

#include <limits>

#include <gtest/gtest.h>

#include "report_layers.hpp"

namespace {

TEST(Report, SummarizesMeanMedianAndTheWorstLayers) {
  auto const r = plain_report();
  auto const s = halfstep::summarize(r.layers, 25.0);
  EXPECT_NEAR(s.mean, (30.0 + 20.0 + 50.0) / 3, 1e-9);  // the exact layer has no finite figure
  EXPECT_NEAR(s.median, (30.0 + 50.0) / 2, 1e-9);
  ASSERT_EQ(s.below.size(), 1u);
  EXPECT_EQ(s.below[0]->layer, "b");
  EXPECT_EQ(s.worst[0]->layer, "b");
  EXPECT_EQ(s.worst[1]->layer, "a");
}

TEST(Report, SummarizesNothingThatIsNotKnown) {
  auto const s = halfstep::summarize(plain_report().layers, 25.0);
  EXPECT_FALSE(s.output_error);
  EXPECT_FALSE(s.output_error_8bit);
  EXPECT_TRUE(s.worst_outputs.empty());
  EXPECT_EQ(s.solved, 0u);
}

TEST(Report, SummarizesOutputErrorsAndWhatSolversDid) {
  auto const r = full_report();
  auto const s = halfstep::summarize(r.layers, 25.0);
  EXPECT_NEAR(s.output_error.value(), (-40.0 - 20.0) / 2, 1e-9);
  EXPECT_NEAR(s.output_error_8bit.value(), 20.0 * std::log10(0.02), 1e-9);
  ASSERT_EQ(s.worst_outputs.size(), 2u);
  EXPECT_EQ(s.worst_outputs[0]->layer, "b");
  EXPECT_EQ(s.solved, 2u);
  EXPECT_NEAR(s.loss_gain, (20.0 + 20.0 * std::log10(2.0)) / 2, 1e-9);
  EXPECT_NEAR(s.sqnr_cost, 0.05, 1e-6);
  EXPECT_EQ(s.moved, 12350);
  EXPECT_EQ(s.solved_weights, 40);
  EXPECT_EQ(s.error_steps[19], 1);
}

TEST(Report, ListsAtMostEightWorstLayersAndEveryFailure) {
  std::vector<halfstep::layer_quality> layers;
  for (int i = 0; i < 20; ++i) layers.push_back(quality_of(std::to_string(i), 100.0 + i, 1.0));
  auto const s = halfstep::summarize(layers, 25.0);
  EXPECT_EQ(s.worst.size(), 8u);
  EXPECT_EQ(s.below.size(), 20u);
  EXPECT_EQ(s.worst.front()->layer, "0");
}

TEST(Report, CallsALayerOfZerosExact) {
  auto const zeros = quality_of("z", 0.0, 0.0);
  EXPECT_EQ(zeros.sqnr(), std::numeric_limits<double>::infinity());
  EXPECT_EQ(zeros.gain_error(), 0.0);
}

TEST(Report, KnowsTheShareOfWeightsMoreThanHalfAStepOff) {
  auto const& figure = halfstep::figure_named("over_half_step");
  EXPECT_DOUBLE_EQ(figure.of(full_report().layers[0]).value(), 0.25);  // 5 of 20: the bins from 0.5 on
  EXPECT_FALSE(figure.of(full_report().layers[1]));
}

}  // namespace
