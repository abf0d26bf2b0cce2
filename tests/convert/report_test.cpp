#include <halfstep/convert/report.hpp>

#include <limits>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <boost/json/parse.hpp>

namespace {

using testing::HasSubstr;
using testing::Not;

halfstep::layer_quality layer(std::string name, double signal, double noise) {
  halfstep::layer_quality q;
  q.layer = std::move(name);
  q.how = {.format = halfstep::scheme::int8_axis};
  q.shape = {4, 5};
  q.error.weight_square = signal;
  q.error.error_square = noise;
  return q;
}

halfstep::run_report report() {
  halfstep::run_report r;
  r.settings = "axis";
  r.input = "in \"quoted\"";
  r.output = "out";
  r.layers = {layer("a", 1000.0, 1.0), layer("b", 100.0, 1.0), layer("c", 1.0, 0.0), layer("d", 1e5, 1.0)};
  r.input_bytes = 200;
  r.output_bytes = 100;
  r.seconds = 2.0;
  return r;
}

TEST(Report, SummarizesMeanMedianAndTheWorstLayers) {
  auto const r = report();
  auto const s = halfstep::summarize(r.layers, 25.0);
  EXPECT_NEAR(s.mean, (30.0 + 20.0 + 50.0) / 3, 1e-9);  // the exact layer has no finite figure
  EXPECT_NEAR(s.median, (30.0 + 50.0) / 2, 1e-9);
  ASSERT_EQ(s.below.size(), 1u);
  EXPECT_EQ(s.below[0]->layer, "b");
  EXPECT_EQ(s.worst[0]->layer, "b");
  EXPECT_EQ(s.worst[1]->layer, "a");
}

TEST(Report, WritesJsonThatReadsBackToTheSameFigures) {
  auto const value = boost::json::parse(halfstep::quality_json(report(), 25.0));
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

TEST(Report, SaysInTheTableWhichLayersAreBelowTheThreshold) {
  auto const text = halfstep::quality_text(report(), 25.0);
  EXPECT_THAT(text, HasSubstr("below: b 20.00 dB"));
  EXPECT_THAT(text, Not(HasSubstr("below: a")));
  EXPECT_THAT(text, HasSubstr("exact"));
}

TEST(Report, GivesSizesSpeedAndTheWorstLayersInTheSummary) {
  auto const text = halfstep::summary_text(report(), 25.0);
  EXPECT_THAT(text, HasSubstr("(50.0 %)"));
  EXPECT_THAT(text, HasSubstr("2.00 s"));
  EXPECT_THAT(text, HasSubstr("20.00 dB  b"));
  EXPECT_THAT(text, HasSubstr("1 layers are below 25.00 dB"));
}

TEST(Report, CallsALayerOfZerosExact) {
  auto const zeros = layer("z", 0.0, 0.0);
  EXPECT_EQ(zeros.sqnr(), std::numeric_limits<double>::infinity());
  EXPECT_EQ(zeros.gain_error(), 0.0);
}

}  // namespace
