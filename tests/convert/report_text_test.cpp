#include <halfstep/report/quality_summary.hpp>
#include <halfstep/report/quality_text.hpp>

#include <limits>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "report_layers.hpp"

namespace {

using testing::HasSubstr;
using testing::Not;

TEST(ReportText, SaysWhichLayersAreBelowTheThreshold) {
  auto const text = halfstep::quality_text(plain_report(), 25.0);
  EXPECT_THAT(text, HasSubstr("below: b 20.00 dB"));
  EXPECT_THAT(text, Not(HasSubstr("below: a")));
  EXPECT_THAT(text, HasSubstr("exact"));
}

TEST(ReportText, LeavesOutWhatNoLayerHas) {
  auto const text = halfstep::quality_text(plain_report(), 25.0);
  EXPECT_THAT(text, Not(HasSubstr("output error")));
  EXPECT_THAT(text, Not(HasSubstr("loss")));
  EXPECT_THAT(text, Not(HasSubstr("half a step")));
}

TEST(ReportText, LeadsWithOutputErrorsWhereTheyAreKnown) {
  auto const text = halfstep::quality_text(full_report(), 25.0);
  EXPECT_LT(text.find("output error: median -30.00 dB, with 8-bit activations -33.98 dB, on 400 rows"), text.find("SQNR dB"));
  EXPECT_LT(text.find("output error dB"), text.find("SQNR dB"));
  EXPECT_THAT(text, HasSubstr("-40.00"));
  EXPECT_THAT(text, HasSubstr("2.000e+00"));
  EXPECT_THAT(text, HasSubstr("0.100"));
  EXPECT_THAT(text, HasSubstr("12,345"));
  EXPECT_THAT(text, HasSubstr("25.00 %"));
  EXPECT_THAT(text, HasSubstr("coordinate, k = 614"));
  EXPECT_THAT(text, HasSubstr("corrected"));
}

TEST(ReportText, SaysWhatLayersThatWereDecodedAreMeasuredAgainst) {
  std::string const said =
      "2 layers decoded in FP32 and quantized again; what is reported of them is against what they decode to, not against the "
      "weights they once were\n";
  for (auto const& text :
       {halfstep::quality_text(requantized_report(), 25.0), halfstep::summary_text(requantized_report(), 25.0)}) {
    EXPECT_THAT(text, HasSubstr(said));
    EXPECT_LT(text.find(said), text.find("SQNR"));
  }
  for (auto const& text : {halfstep::quality_text(full_report(), 25.0), halfstep::summary_text(full_report(), 25.0)})
    EXPECT_THAT(text, Not(HasSubstr("decoded")));
}

TEST(ReportText, NamesLayersOfOneNumberAndKeepsThemOutOfMeans) {
  auto report = full_report();
  auto const alone = halfstep::summarize(report.layers, 25.0);
  halfstep::layer_quality zeros = report.layers.front();
  zeros.layer = "zeros";
  zeros.error = {};
  zeros.output_error = zeros.output_error_8bit = std::numeric_limits<double>::quiet_NaN();
  zeros.only_value = 0.0;
  report.layers.insert(report.layers.begin(), zeros);
  auto const s = halfstep::summarize(report.layers, 25.0);
  EXPECT_EQ(s.measured + 1, report.layers.size());
  EXPECT_EQ(s.mean, alone.mean);
  EXPECT_EQ(s.median, alone.median);
  EXPECT_EQ(s.output_error, alone.output_error);
  EXPECT_EQ(s.loss_gain, alone.loss_gain);
  EXPECT_EQ(s.worst.size(), alone.worst.size());
  EXPECT_EQ(s.worst_outputs.size(), alone.worst_outputs.size());
  for (auto const& text : {halfstep::quality_text(report, 25.0), halfstep::summary_text(report, 25.0)})
    EXPECT_THAT(text, HasSubstr("1 layer holds one number alone, and counts in no mean: 'zeros' (0)\n"));
  report.layers = {zeros};
  for (auto const& text : {halfstep::quality_text(report, 25.0), halfstep::summary_text(report, 25.0)})
    EXPECT_THAT(text, Not(HasSubstr("mean 0.00")));
}

TEST(ReportText, AlignsItsColumns) {
  auto const text = halfstep::quality_text(full_report(), 25.0);
  auto const header = text.find("layer  ");
  auto const line = [&](std::size_t from) { return text.substr(from, text.find('\n', from) - from); };
  auto const end_of = [&](std::string const& row, std::string const& word) { return row.find(word) + word.size(); };
  auto const head = line(header);
  auto const first = line(header + head.size() + 1);
  EXPECT_EQ(end_of(head, "SQNR dB"), end_of(first, " 30.00"));
  EXPECT_EQ(head.find("method"), first.find("coordinate"));
}

TEST(ReportText, GivesSizesSpeedAndTheWorstLayersInTheSummary) {
  auto const text = halfstep::summary_text(plain_report(), 25.0);
  EXPECT_THAT(text, HasSubstr("(50.0 %)"));
  EXPECT_THAT(text, HasSubstr("2.00 s"));
  EXPECT_THAT(text, HasSubstr("20.00 dB  b"));
  EXPECT_THAT(text, HasSubstr("1 layer is below 25.00 dB"));
}

TEST(ReportText, ListsTheWorstOutputsBeforeTheWorstWeightsInTheSummary) {
  auto const text = halfstep::summary_text(full_report(), 25.0);
  EXPECT_LT(text.find("-20.00 dB  b"), text.find("-40.00 dB  a"));
  EXPECT_LT(text.find("-40.00 dB  a"), text.find("SQNR of the weights"));
  EXPECT_THAT(text, HasSubstr("\n  solved 2 layers"));
}

}  // namespace
