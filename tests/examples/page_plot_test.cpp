#include <page/quality_plot.hpp>

#include <cmath>
#include <limits>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace {

using convert_to_quant::page::axis_scale;
using testing::HasSubstr;
using testing::Not;

std::vector<std::string> labels(convert_to_quant::page::quality_axis const& axis) {
  std::vector<std::string> all;
  for (double const tick : axis.ticks) all.push_back(axis.label(tick));
  return all;
}

TEST(ReportAxis, HasRoundMarksThatHoldTheValues) {
  EXPECT_THAT(labels(convert_to_quant::page::make_axis(27.3, 44.9, axis_scale::linear)),
              testing::ElementsAre("25", "30", "35", "40", "45"));
  EXPECT_THAT(labels(convert_to_quant::page::make_axis(-0.21, 0.3, axis_scale::linear)),
              testing::ElementsAre("-0.3", "-0.2", "-0.1", "0.0", "0.1", "0.2", "0.3"));
}

TEST(ReportAxis, HasRoomWhereAllValuesAreEqual) {
  for (double const value : {0.0, 30.0, -43.21})
    for (double const high : {value, std::nextafter(value, 100.0)}) {
      auto const axis = convert_to_quant::page::make_axis(value, high, axis_scale::linear);
      EXPECT_LT(axis.low, axis.high);
      EXPECT_GE(axis.ticks.size(), 2u);
      EXPECT_LE(axis.ticks.size(), 11u);
      EXPECT_LE(axis.low, value);
      EXPECT_GE(axis.high, high);
    }
}

TEST(ReportAxis, NeverHasTooManyMarks) {
  for (double low = 1e-6; low < 1e6; low *= 3.7)
    for (double high = low; high < 1e9; high *= 2.3)
      for (auto const scale : {axis_scale::linear, axis_scale::logarithmic}) {
        auto const axis = convert_to_quant::page::make_axis(low, high, scale);
        EXPECT_LE(axis.ticks.size(), 11u) << low << " " << high;
        EXPECT_GE(axis.place(high), axis.place(low));
      }
}

TEST(ReportAxis, MarksPowersOfTenOnALogarithmicScale) {
  EXPECT_THAT(labels(convert_to_quant::page::make_axis(0.002, 40.0, axis_scale::logarithmic)),
              testing::ElementsAre("0.01", "0.1", "1", "10"));
  EXPECT_THAT(labels(convert_to_quant::page::make_axis(1.1, 7.0, axis_scale::logarithmic)), testing::ElementsAre("1", "2", "5"));
  EXPECT_NEAR(convert_to_quant::page::make_axis(0.1, 10.0, axis_scale::logarithmic).place(1.0), 0.5, 1e-12);
}

TEST(ReportPlot, PutsInfiniteValuesAtTheEdgesAndNamesThem) {
  double const infinity = std::numeric_limits<double>::infinity();
  convert_to_quant::page::layer_plot plot{
      .title = "t", .series = {{.name = "s"}}, .marks = {{0, 0, 1.0, "one"}, {1, 0, infinity, "two"}}, .layers = 2};
  auto svg = convert_to_quant::page::to_svg(plot);
  EXPECT_THAT(svg, HasSubstr(">exact</text>"));
  EXPECT_THAT(svg, Not(HasSubstr(">-inf</text>")));
  EXPECT_THAT(svg, HasSubstr("cx=\"75%\" cy=\"6\""));
  plot.marks[1].value = -infinity;
  EXPECT_THAT(convert_to_quant::page::to_svg(plot), HasSubstr(">-inf</text>"));
  EXPECT_THAT(svg, Not(HasSubstr("nan")));
}

TEST(ReportPlot, DrawsTheThresholdWithinTheAxisAndNamesIt) {
  convert_to_quant::page::layer_plot plot{.title = "t", .series = {{.name = "s"}}, .marks = {{0, 0, 40.0, "one"}}, .layers = 1};
  EXPECT_THAT(convert_to_quant::page::to_svg(plot), Not(HasSubstr("limit")));
  plot.line = 30.0;
  plot.line_name = "threshold 30 dB";
  auto const svg = convert_to_quant::page::to_svg(plot);
  EXPECT_THAT(svg, HasSubstr("threshold 30 dB"));
  EXPECT_THAT(svg, HasSubstr("class=\"limit\" x1=\"0\" x2=\"100%\" y1=\"200\""));  // 30 is the low end of the axis
}

TEST(ReportPlot, JoinsTheTwoMarksOfALayer) {
  convert_to_quant::page::layer_plot plot{.title = "t",
                                          .series = {{.name = "before"}, {.name = "after"}},
                                          .marks = {{0, 0, 1.0, ""}, {0, 1, 2.0, ""}, {1, 0, 1.0, ""}},
                                          .layers = 2};
  auto const svg = convert_to_quant::page::to_svg(plot);
  EXPECT_NE(svg.find("class=\"stem\" x1=\"25%\""), std::string::npos);
  EXPECT_EQ(svg.find("class=\"stem\" x1=\"75%\""), std::string::npos);
}

TEST(ReportPlot, GivesEachRangeOfErrorsItsShare) {
  std::array<halfstep::index_t, 20> counts{};
  counts[0] = 3;
  counts[19] = 1;
  auto const svg = convert_to_quant::page::error_histogram(counts);
  EXPECT_THAT(svg, HasSubstr("0.00 to 0.05 of a step: 75.00 %"));
  EXPECT_THAT(svg, HasSubstr("0.95 of a step and beyond: 25.00 %"));
  EXPECT_THAT(svg, HasSubstr("half a step"));
}

}  // namespace
