#include <halfstep/report/quality_json.hpp>

#include <gtest/gtest.h>
#include <boost/json/parse.hpp>

#include "report_layers.hpp"

namespace {

TEST(ReportJson, ReadsBackToTheSameFigures) {
  auto const value = boost::json::parse(halfstep::quality_json(plain_report(), 25.0));
  auto const& layers = value.at("layers").as_array();
  ASSERT_EQ(layers.size(), 4u);
  EXPECT_EQ(layers[0].at("name").as_string(), "a");
  EXPECT_DOUBLE_EQ(layers[0].at("sqnr_db").to_number<double>(), 10 * std::log10(1000.0));
  EXPECT_TRUE(layers[2].at("sqnr_db").is_null());
  EXPECT_DOUBLE_EQ(layers[1].at("mse").to_number<double>(), 1.0 / 20);
  EXPECT_EQ(value.at("input").as_string(), "in \"quoted\"");
  EXPECT_EQ(value.at("summary").at("below_threshold").as_int64(), 1);
  EXPECT_EQ(value.at("summary").at("worst").as_array()[0].as_string(), "b");
}

TEST(ReportJson, IsNullWhereSomethingIsNotKnown) {
  auto const value = boost::json::parse(halfstep::quality_json(plain_report(), 25.0));
  auto const& layer = value.at("layers").as_array()[0];
  for (auto const* key : {"loss_before", "loss_after", "sqnr_cost_db", "moved_codes", "iterations", "output_error_db",
                          "output_error_8bit_db", "over_half_step", "error_steps"})
    EXPECT_TRUE(layer.at(key).is_null()) << key;
  EXPECT_EQ(layer.at("method").as_string(), "");
  EXPECT_EQ(layer.at("bias").as_string(), "none");
  EXPECT_TRUE(value.at("summary").at("median_output_error_db").is_null());
  EXPECT_TRUE(value.at("summary").at("median_loss_gain_db").is_null());
}

TEST(ReportJson, HoldsWhatSolversAndKnownInputsTell) {
  auto const value = boost::json::parse(halfstep::quality_json(full_report(), 25.0));
  auto const& layer = value.at("layers").as_array()[0];
  EXPECT_EQ(layer.at("method").as_string(), "coordinate, k = 614");
  EXPECT_EQ(layer.at("bias").as_string(), "corrected");
  EXPECT_DOUBLE_EQ(layer.at("loss_before").to_number<double>(), 2.0);
  EXPECT_DOUBLE_EQ(layer.at("loss_after").to_number<double>(), 0.2);
  EXPECT_NEAR(layer.at("loss_gain_db").to_number<double>(), 20.0, 1e-12);
  EXPECT_NEAR(layer.at("sqnr_cost_db").to_number<double>(), 0.1, 1e-6);
  EXPECT_EQ(layer.at("moved_codes").as_int64(), 12345);
  EXPECT_EQ(layer.at("iterations").as_int64(), 9);
  EXPECT_NEAR(layer.at("output_error_db").to_number<double>(), -40.0, 1e-12);
  EXPECT_NEAR(layer.at("output_error_8bit_db").to_number<double>(), 20.0 * std::log10(0.02), 1e-12);
  ASSERT_EQ(layer.at("error_steps").as_array().size(), 20u);
  EXPECT_EQ(layer.at("error_steps").as_array()[9].as_int64(), 5);
  EXPECT_EQ(value.at("settings_list").as_array()[1].as_array()[1].as_string(), "7");
  EXPECT_EQ(value.at("measured_on").as_string(), "400 rows of <captured> inputs");
  EXPECT_EQ(value.at("formats").as_array()[0].as_array()[1].as_int64(), 4);
}

TEST(ReportJson, SaysWhatLayersThatWereDecodedAreMeasuredAgainst) {
  auto const value = boost::json::parse(halfstep::quality_json(requantized_report(), 25.0));
  EXPECT_TRUE(value.at("measured_against").as_string().starts_with("2 layers decoded in FP32 and quantized again; "));
  EXPECT_EQ(value.at("summary").at("requantized_layers").as_int64(), 2);
  EXPECT_FALSE(value.at("layers").as_array()[0].at("requantized").as_bool());
  EXPECT_TRUE(value.at("layers").as_array()[1].at("requantized").as_bool());
  EXPECT_EQ(boost::json::parse(halfstep::quality_json(full_report(), 25.0)).at("measured_against").as_string(), "");
}

TEST(ReportJson, KeepsCountsWholeHoweverLarge) {
  auto r = full_report();
  r.layers[0].solved->moved = 100'000'000'000;
  auto const value = boost::json::parse(halfstep::quality_json(r, 25.0));
  EXPECT_EQ(value.at("layers").as_array()[0].at("moved_codes").as_int64(), 100'000'000'000);
}

}  // namespace
