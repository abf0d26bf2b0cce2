#include <page/quality_html.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <halfstep/layout/fp16.hpp>

#include "../convert/report_layers.hpp"

namespace {

using testing::HasSubstr;
using testing::Not;

std::size_t count(std::string const& text, std::string const& part) {
  std::size_t found = 0;
  for (auto at = text.find(part); at != std::string::npos; at = text.find(part, at + part.size())) ++found;
  return found;
}

TEST(ReportHtml, ShowsNamesAsTheyAreWhateverTheyHold) {
  EXPECT_EQ(convert_to_quant::page::escaped("a<b>&\"c'"), "a&lt;b&gt;&amp;&quot;c&#39;");
  EXPECT_EQ(convert_to_quant::page::escaped("\u00e9\u4e2d\U0001f600"), "\u00e9\u4e2d\U0001f600");
  EXPECT_EQ(convert_to_quant::page::escaped("a\x01\xff\xe4\xb8z"), "a\uFFFD\uFFFD\uFFFD\uFFFDz");
  auto r = full_report();
  std::string const evil = "x\"><script>alert(1)</script><!--&lt;'\x02";
  r.layers[1].layer = r.layers[0].method = r.output = r.input = r.settings = r.measured_on = evil;
  r.warnings = {evil};
  r.settings_list = {{evil, evil}};
  r.formats = {{evil, 1}};
  auto const page = convert_to_quant::page::quality_html(r, 25.0);
  EXPECT_EQ(count(page, "<script"), 1u);
  EXPECT_EQ(count(page, "</script"), 1u);
  EXPECT_THAT(page, Not(HasSubstr("<!--")));
  EXPECT_THAT(page, HasSubstr("x&quot;&gt;&lt;script&gt;alert(1)&lt;/script&gt;&lt;!--&amp;lt;&#39;\uFFFD"));
}

TEST(ReportHtml, AsksNothingOfANetwork) {
  auto const page = convert_to_quant::page::quality_html(full_report(), 25.0);
  EXPECT_THAT(page, HasSubstr("<meta charset=\"utf-8\">"));
  for (auto const* reference :
       {"http", "//", "url(", "@import", "src=", "<link", "<img", "<iframe", "fetch", "XMLHttpRequest", "import("})
    EXPECT_THAT(page, Not(HasSubstr(reference)));
  for (auto at = page.find("href="); at != std::string::npos; at = page.find("href=", at + 1))
    EXPECT_EQ(page.substr(at, 7), "href=\"#");
}

TEST(ReportHtml, CarriesWhatEachColumnIsSortedBy) {
  auto const page = convert_to_quant::page::quality_html(full_report(), 25.0);
  EXPECT_EQ(count(page, "<th scope=\"col\" data-key=\"sqnr_db\" data-bad=\"small\"><button type=\"button\""), 1u);
  EXPECT_EQ(count(page, "<th scope=\"col\" data-key=\"output_error_db\" data-bad=\"large\">"), 1u);
  EXPECT_THAT(page, HasSubstr("<td data-value=\"-40\">-40.00</td>"));
  EXPECT_THAT(page, HasSubstr("<td data-value=\"Infinity\">exact</td>"));
  EXPECT_THAT(page, HasSubstr("<td class=\"bad\" data-value=\"20\">20.00</td>"));
  EXPECT_THAT(page, HasSubstr("<td data-value=\"12345\">12,345</td>"));
  EXPECT_THAT(page, HasSubstr("<td data-value=\"0.25\">25.00 %</td>"));
  EXPECT_EQ(count(page, "<tr id=\"layer-"), 4u);
}

TEST(ReportHtml, SaysWhatLayersThatWereDecodedAreMeasuredAgainstBesideTheSqnr) {
  auto const page = convert_to_quant::page::quality_html(requantized_report(), 25.0);
  auto const said = page.find("<p class=\"soft\">2 layers decoded in FP32 and quantized again; ");
  EXPECT_LT(page.find("SQNR of the weights, median"), said);
  EXPECT_LT(said, page.find("Worst layers"));
  EXPECT_THAT(convert_to_quant::page::quality_html(full_report(), 25.0), Not(HasSubstr("decoded in FP32")));
}

TEST(ReportHtml, LeadsWithOutputErrorsWhereTheyAreKnown) {
  auto const page = convert_to_quant::page::quality_html(full_report(), 25.0);
  auto const body = page.find("<body>");
  EXPECT_LT(page.find("Output error, median", body), page.find("SQNR of the weights", body));
  EXPECT_THAT(page, HasSubstr("Worst layers by output error"));
  EXPECT_LT(page.find("data-key=\"output_error_db\""), page.find("data-key=\"output_error_8bit_db\""));
  EXPECT_LT(page.find("data-key=\"output_error_8bit_db\""), page.find("data-key=\"sqnr_db\""));
  EXPECT_LT(page.find("Output error of each layer"), page.find("SQNR of each layer"));
}

TEST(ReportHtml, LeavesOutWhatIsNotKnown) {
  auto const page = convert_to_quant::page::quality_html(plain_report(), 25.0);
  auto const body = page.substr(page.find("<body>"), page.find("<script") - page.find("<body>"));
  EXPECT_THAT(body, HasSubstr("Worst layers by SQNR"));
  for (auto const* unknown : {"utput error", "loss", "Loss", "over_half_step", "Errors of the weights", "Warning"})
    EXPECT_THAT(body, Not(HasSubstr(unknown)));
}

TEST(ReportHtml, PutsWorstLayersAndFailuresBeforeEverythingElse) {
  auto const page = convert_to_quant::page::quality_html(full_report(), 25.0);
  EXPECT_THAT(page, HasSubstr("1 of 4 layers below 25 dB"));
  EXPECT_LT(page.find("id=\"worst\""), page.find("id=\"below\""));
  EXPECT_LT(page.find("id=\"below\""), page.find("<figure>"));
  EXPECT_LT(page.find("<figure>"), page.find("id=\"layers\""));
  EXPECT_LT(page.find("id=\"layers\""), page.find("<h2>Run</h2>"));
  EXPECT_THAT(convert_to_quant::page::quality_html(full_report(), 5.0), Not(HasSubstr("id=\"below\"")));
}

TEST(ReportHtml, ListsFailuresOnceWhereTheyAreTheWorstLayers) {
  auto const page = convert_to_quant::page::quality_html(plain_report(), 25.0);
  EXPECT_THAT(page, HasSubstr("<p id=\"below\" class=\"bad\">1 of 4 layers below 25 dB SQNR</p>"));
  EXPECT_EQ(count(page, "<a href=\"#layer-2\">"), 1u);
}

TEST(ReportHtml, KeepsTheListOfFailuresShort) {
  auto r = plain_report();
  r.layers.assign(200, quality_of("many", 100.0, 1.0));
  auto const page = convert_to_quant::page::quality_html(r, 25.0);
  EXPECT_THAT(page, HasSubstr("200 of 200 layers below 25 dB"));
  EXPECT_THAT(page, HasSubstr("The lowest 50; <a href=\"#sort=sqnr_db\">all in the table below</a>"));
}

TEST(ReportHtml, DrawsOneMarkForEachLayerInTheColourOfItsRecipe) {
  auto r = plain_report();
  r.layers[3].how = {.format = halfstep::format_of<halfstep::fp16>};
  auto const page = convert_to_quant::page::quality_html(r, 25.0);
  for (int i = 1; i <= 4; ++i) EXPECT_EQ(count(page, "data-layer=\"" + std::to_string(i) + "\""), 1u);
  EXPECT_THAT(page, HasSubstr("<title>a: 30.00 dB, int8_axiswise</title>"));
  EXPECT_THAT(page, HasSubstr("</svg>int8_axiswise</li>"));
  EXPECT_THAT(page, HasSubstr("</svg>fp16</li>"));
  EXPECT_THAT(page, HasSubstr("</svg>threshold 25 dB</li>"));
}

TEST(ReportHtml, ShowsSettingsAndTotals) {
  auto const page = convert_to_quant::page::quality_html(full_report(), 25.0);
  EXPECT_THAT(page, HasSubstr("<dt>optimizer</dt><dd>coordinate</dd>"));
  EXPECT_THAT(page, HasSubstr("<dt>seed</dt><dd>7</dd>"));
  EXPECT_THAT(page, HasSubstr("<dt>layers as int8_axiswise</dt><dd>4</dd>"));
  EXPECT_THAT(page, HasSubstr("<dt>output errors measured on</dt><dd>400 rows of &lt;captured&gt; inputs</dd>"));
  EXPECT_THAT(page, HasSubstr("<title>Quality of out.safetensors</title>"));
}

TEST(ReportHtml, SaysSoWhereNoLayerWasQuantized) {
  auto r = plain_report();
  r.layers.clear();
  auto const page = convert_to_quant::page::quality_html(r, 25.0);
  EXPECT_THAT(page, HasSubstr("No layer was quantized."));
  EXPECT_THAT(page, Not(HasSubstr("<figure>")));
  EXPECT_THAT(page, Not(HasSubstr("median")));
}

}  // namespace
