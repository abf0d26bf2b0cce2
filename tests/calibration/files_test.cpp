#include <halfstep/calibration/files.hpp>

#include <cmath>
#include <cstring>
#include <fstream>
#include <limits>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <halfstep/exec/threads.hpp>

#include "../support/files.hpp"
#include "../support/weights.hpp"
#include "layer_basis.hpp"
#include "made_file.hpp"

namespace {

using halfstep::calibration_files;
using halfstep::dtype;
using halfstep::extents2;
using halfstep::host_view;
using halfstep::index_t;
using halfstep::known_range;
using halfstep::serial;
using halfstep_test::made_file;
using halfstep_test::message_of;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

struct CalibrationFiles : testing::Test {
  halfstep_test::temporary_folder folder;

  calibration_files open(made_file const& made) const { return calibration_files({made.save(folder.path("c.safetensors"))}); }
  calibration_files open_json(std::string const& text) const {
    halfstep_test::save(folder.path("c.json"), text);
    return calibration_files({folder.path("c.json")});
  }
};

template <class Executor = serial>
std::optional<halfstep::input_statistics> stated(calibration_files const& files, std::string const& layer, index_t columns,
                                                 int rotation = 0, std::vector<float> const& factors = {},
                                                 Executor const& ex = {}) {
  auto const inputs = files.inputs_of(layer, columns);
  if (!inputs.any()) return std::nullopt;
  return inputs.statistics(ex, halfstep_test::smoothed_and_rotated(factors, rotation));
}

halfstep::known_inputs known(calibration_files const& files, std::string const& layer, index_t columns) {
  return files.inputs_of(layer, columns).known();
}

/// Rows of inputs whose columns differ in size and mean.
std::vector<float> some_rows(extents2 e) {
  auto const x = halfstep_test::noise(e, 7);
  std::vector<float> rows(x.begin(), x.end());
  for (index_t i = 0; i < e.count(); ++i) {
    auto const j = static_cast<float>(i % e.columns);
    rows[static_cast<std::size_t>(i)] = rows[static_cast<std::size_t>(i)] * (1.0f + j) + 0.01f * j;
  }
  return rows;
}

made_file with_rows(std::vector<float> const& rows, extents2 e) {
  made_file made;
  made.add("p.input", dtype::f32, {static_cast<std::uint64_t>(e.rows), static_cast<std::uint64_t>(e.columns)}, rows);
  return made;
}

TEST_F(CalibrationFiles, GiveWhatTheyState) {
  auto const files = open(made_file()
                              .add("p.channel_sq", {1, 2, 3})
                              .add("p.channel_mean", {-1, 0, 1})
                              .add("p.channel_max", {4, 5, 6})
                              .add_scalar("p.input_scale", 0.5f));
  EXPECT_TRUE(files.any());
  auto const s = stated(files, "p", 3);
  ASSERT_TRUE(s);
  EXPECT_THAT(s->channel_sq, ElementsAre(1, 2, 3));
  EXPECT_THAT(s->channel_mean, ElementsAre(-1, 0, 1));
  EXPECT_THAT(s->channel_max, ElementsAre(4, 5, 6));
  EXPECT_EQ(s->input_scale, 0.5f);
  EXPECT_FALSE(s->rows);
  EXPECT_FALSE(stated(files, "q", 3));
  EXPECT_FALSE(calibration_files().any());
}

TEST_F(CalibrationFiles, FindALayerUnderAnyOfItsNames) {
  auto const files = open(made_file()
                              .add("model.diffusion_model.blocks.0.q.channel_sq", {1})
                              .add("lora_unet_blocks_0_attn_k.channel_sq", {2})
                              .add("blocks.0.v.channel_sq", {3}));
  EXPECT_THAT(stated(files, "blocks.0.q", 1)->channel_sq, ElementsAre(1));
  EXPECT_THAT(stated(files, "diffusion_model.blocks.0.q", 1)->channel_sq, ElementsAre(1));
  EXPECT_THAT(stated(files, "blocks.0.attn_k", 1)->channel_sq, ElementsAre(2));
  EXPECT_THAT(stated(files, "transformer.blocks.0.attn.k", 1)->channel_sq, ElementsAre(2));
  EXPECT_THAT(stated(files, "transformer.blocks.0.v", 1)->channel_sq, ElementsAre(3));
  EXPECT_FALSE(stated(files, "blocks_0.v", 1));
}

TEST_F(CalibrationFiles, PreferTheExactNameAndRefuseToGuess) {
  auto const files = open(made_file().add("transformer.q.channel_sq", {1}).add("diffusion_model.q.channel_sq", {2}));
  EXPECT_THAT(stated(files, "transformer.q", 1)->channel_sq, ElementsAre(1));
  EXPECT_THAT(message_of([&] { stated(files, "q", 1); }), HasSubstr("'q' may be 'diffusion_model.q' or 'transformer.q'"));
}

TEST_F(CalibrationFiles, ShareStatisticsThroughAliasesAcrossFiles) {
  auto const first =
      made_file().add("k.channel_max", {9}).say("aliases", R"({"k": "q", "v": "k"})").save(folder.path("a.safetensors"));
  auto const second = made_file().add("model.diffusion_model.q.channel_sq", {2}).save(folder.path("b.safetensors"));
  calibration_files const files({first, second});
  EXPECT_THAT(stated(files, "k", 1)->channel_sq, ElementsAre(2));
  EXPECT_THAT(stated(files, "transformer.v", 1)->channel_sq, ElementsAre(2));
  EXPECT_THAT(stated(files, "v", 1)->channel_max, ElementsAre(9));
  EXPECT_THAT(stated(files, "q", 1)->channel_max, IsEmpty());
  EXPECT_EQ(files.identities().size(), 2u);
  EXPECT_THAT(message_of([&] { calibration_files({first}); }),
              HasSubstr("'k' shares the statistics of 'q', and no file has any"));
}

TEST_F(CalibrationFiles, EndAtAliasesThatLeadInACircle) {
  auto const files = open(made_file().add("a.channel_sq", {1}).say("aliases", R"({"a": "b", "b": "a"})"));
  EXPECT_THAT(stated(files, "b", 1)->channel_sq, ElementsAre(1));
}

TEST_F(CalibrationFiles, RefuseAliasesAndSourcesThatAreNone) {
  for (std::string const text : {"[]", "{\"a\": 1}", "{\"a\": {\"b\": \"c\"}}", "\"a\"", "{\"a\": \"\"}", "{"})
    EXPECT_THAT(message_of([&] { open(made_file().add("a.channel_sq", {1}).say("aliases", text)); }),
                HasSubstr("metadata 'aliases' of the calibration data"))
        << text;
  EXPECT_THAT(message_of([&] { open(made_file().say("source", "dreamt")); }), HasSubstr("its source is 'dreamt'"));
}

TEST_F(CalibrationFiles, ListWhatNoLayerUses) {
  auto const files = open(made_file()
                              .add("transformer.q.channel_sq", {1})
                              .add("old.channel_sq", {1})
                              .add("q.kurtosis", {1})
                              .say("aliases", R"({"k": "q", "gone": "q"})"));
  EXPECT_THAT(files.unmatched(std::vector<std::string>{"q", "k", "other"}), ElementsAre("gone", "old", "q.kurtosis"));
}

TEST_F(CalibrationFiles, NameAStatisticOfTheWrongLengthOrType) {
  auto const files = open(made_file()
                              .add("a.channel_sq", {1, 2})
                              .add<float>("b.input", dtype::f32, {2, 2}, {1, 2, 3, 4})
                              .add<double>("c.channel_mean", dtype::f64, {3}, {1, 2, 3})
                              .add<float>("d.input", dtype::f32, {0, 3}, {})
                              .add<float>("e.hessian", dtype::f32, {3, 3}, std::vector<float>(9, 1.0f))
                              .add("f.input_scale", {1, 2}));
  auto const message = [&](std::string const& layer) { return message_of([&] { known(files, layer, 3); }); };
  EXPECT_THAT(message("a"),
              HasSubstr("c.safetensors': `a.channel_sq` has the shape [2], which does not fit a layer of 3 inputs"));
  EXPECT_THAT(message("b"), HasSubstr("`b.input` has the shape [2, 2]"));
  EXPECT_THAT(message("c"), HasSubstr("`c.channel_mean` is F64, not F32"));
  EXPECT_EQ(message("d"), "nothing thrown");
  EXPECT_THAT(message("e"), HasSubstr("`e.hessian` needs the number of its samples"));
  EXPECT_THAT(message("f"), HasSubstr("`f.input_scale` is no scalar"));
  EXPECT_THAT(message_of([&] { stated(files, "a", 3); }), HasSubstr("`a.channel_sq`"));
}

TEST_F(CalibrationFiles, NameAStatisticThatHoldsNoNumbers) {
  float const nan = std::numeric_limits<float>::quiet_NaN();
  float const infinity = std::numeric_limits<float>::infinity();
  auto const files = open(made_file()
                              .add("a.channel_mean", {0, nan})
                              .add("b.channel_sq", {0, infinity})
                              .add("c.channel_max", {0, -1})
                              .add_scalar("d.input_scale", -0.5f)
                              .add<float>("e.input", dtype::f32, {2, 2}, {1, 2, 3, -infinity})
                              .add<float>("f.hessian", dtype::f32, {2, 2}, {1, 0, 0, nan})
                              .add<std::int64_t>("f.count", dtype::i64, {}, {5})
                              .add<float>("g.hessian", dtype::f32, {2, 2}, {1, 0, 0, -1})
                              .add<std::int64_t>("g.count", dtype::i64, {}, {5})
                              .add<float>("h.hessian", dtype::f32, {2, 2}, {1, 0, 0, 1})
                              .add<std::int64_t>("h.count", dtype::i64, {}, {-2}));
  auto const message = [&](std::string const& layer) { return message_of([&] { stated(files, layer, 2); }); };
  EXPECT_THAT(message("a"), HasSubstr("`a.channel_mean` holds NaN or infinity in column 1"));
  EXPECT_THAT(message("b"), HasSubstr("`b.channel_sq` holds NaN or infinity in column 1"));
  EXPECT_THAT(message("c"), HasSubstr("`c.channel_max` is negative in column 1"));
  EXPECT_THAT(message("d"), HasSubstr("`d.input_scale` is -0.500000, which is no scale"));
  EXPECT_THAT(message("e"), HasSubstr("`e.input` holds NaN or infinity in column 1"));
  EXPECT_THAT(message("f"), HasSubstr("`f.hessian` holds NaN or infinity in row 1"));
  EXPECT_THAT(message("g"), HasSubstr("`g.hessian` is no sum of squares"));
  EXPECT_THAT(message("h"), HasSubstr("`h.count` is -2, not a number of samples"));
}

TEST_F(CalibrationFiles, CountStatisticsOfNothingAsUnknownAndNameThem) {
  auto const files = open(made_file()
                              .add("a.channel_max", {0, -0.0f, 1e-30f})
                              .add("a.channel_sq", {0, 2, 0})
                              .add<float>("b.input", dtype::f32, {2, 3}, std::vector<float>(6))
                              .add<float>("c.input", dtype::f32, {0, 3}, {})
                              .add("c.channel_mean", {1, 2, 3})
                              .add("d.channel_max", {1, 2, 3})
                              .add("d.channel_mean", {1, 2, 3})
                              .add<std::int64_t>("d.count", dtype::i64, {}, {0})
                              .add_scalar("e.input_scale", 1e-30f)
                              .add<float>("f.hessian", dtype::f32, {3, 3}, std::vector<float>(9))
                              .say("aliases", R"({"e": "g"})")
                              .add_scalar("g.input_scale", 0.25f));
  auto const unseen = [&](std::string const& layer) { return files.inputs_of(layer, 3).unseen(); };
  EXPECT_THAT(unseen("a"), ElementsAre("`a.channel_max` is zero"));
  EXPECT_THAT(stated(files, "a", 3)->channel_sq, ElementsAre(0, 2, 0));
  EXPECT_EQ(files.inputs_of("a", 3).unseen_columns(serial{}), 2);
  EXPECT_EQ(known(files, "a", 3).maxima, halfstep::channel_maxima::unknown);
  EXPECT_EQ(known(files, "a", 3).range, known_range::none);
  EXPECT_THAT(unseen("b"), ElementsAre("`b.input` is zero"));
  EXPECT_THAT(unseen("c"), ElementsAre("`c.input` has no rows"));
  EXPECT_TRUE(known(files, "c", 3).mean);
  EXPECT_THAT(unseen("d"), ElementsAre("`d.count` is 0"));
  EXPECT_THAT(unseen("e"), ElementsAre("`e.input_scale` is zero"));
  EXPECT_EQ(stated(files, "e", 3)->input_scale, 0.25f);  // of its alias
  EXPECT_THAT(unseen("f"), ElementsAre("`f.hessian` is zero"));
  for (std::string const layer : {"b", "d", "f"}) {
    auto const s = stated(files, layer, 3);
    EXPECT_THAT(s->channel_max, IsEmpty()) << layer;
    EXPECT_THAT(s->channel_mean, IsEmpty()) << layer;
    EXPECT_THAT(s->channel_sq, IsEmpty()) << layer;
    EXPECT_FALSE(s->input_scale) << layer;
    EXPECT_FALSE(files.inputs_of(layer, 3).hessian_owner()) << layer;
    EXPECT_FALSE(known(files, layer, 3).mean) << layer;
  }
}

TEST_F(CalibrationFiles, SeeAColumnInTheLastOfManyRows) {
  std::vector<float> rows(100 * 3, 0.0f);
  for (int i = 0; i < 100; ++i) rows[static_cast<std::size_t>(3 * i)] = 1.0f;
  auto const unseen = [&] { return open(with_rows(rows, {100, 3})).inputs_of("p", 3).unseen_columns(serial{}); };
  EXPECT_EQ(unseen(), 2);
  rows[99 * 3 + 2] = -1e-20f;
  EXPECT_EQ(unseen(), 1);
}

TEST_F(CalibrationFiles, RefuseAFileOfWhichNothingIsUsedAndShowTheNearestNames) {
  auto const files = open(made_file().add("net.q.channel_sq", {1}).add("net.k.channel_sq", {1}).add("net.v.channel_sq", {1}));
  std::vector<std::string> const all{"a.q", "a.k", "a.v"};
  auto const message = [&](std::vector<std::string> const& layers) {
    return message_of([&] { files.require_used(layers, all); });
  };
  EXPECT_THAT(message({"a.q"}),
              HasSubstr("c.safetensors' is used: its names fit no layer of the model; it has 'net.k' and 'net.q', and "
                        "nearest in the model are 'a.k' and 'a.q'"));
  auto const wrapped = open(made_file().add("_orig_mod.a.q.channel_sq", {1}).add("module.a.k.channel_sq", {1}));
  EXPECT_EQ(message_of([&] { wrapped.require_used(std::vector<std::string>{"a.k"}, all); }), "nothing thrown");
  EXPECT_THAT(message_of([&] { wrapped.require_used(std::vector<std::string>{"a.v"}, all); }),
              HasSubstr("the layers that it knows, such as '_orig_mod.a.q' and 'module.a.k', are not quantized"));
  EXPECT_THAT(message_of([&] { open(made_file().add("q.kurtosis", {1})); }), HasSubstr("holds no `<layer>.input`"));
  EXPECT_THAT(message_of([&] { open_json("{}"); }), HasSubstr("holds no `<layer>.input`"));
}

TEST_F(CalibrationFiles, RefuseWhatIsGivenTwiceAndFilesOfAnotherKind) {
  auto const first = made_file().add("a.channel_sq", {1}).save(folder.path("a.safetensors"));
  auto const second = made_file().add("a.channel_sq", {1}).save(folder.path("b.safetensors"));
  EXPECT_THAT(message_of([&] { calibration_files({first, second}); }), HasSubstr("`a.channel_sq` is given a second time"));
  EXPECT_THROW(calibration_files({folder.path("a.npz")}), halfstep::usage_error);
  EXPECT_THROW(calibration_files({folder.path("missing.json")}), halfstep::io_error);
}

TEST_F(CalibrationFiles, ReadBothFormsOfJson) {
  auto const files = open_json(R"({"p": {"input_scale": 0.25, "channel_max": [1, 2.5e0, 0], "channel_mean": [-1, 0, 1e-60]},
                                   "transformer.q": 0.125, "p2": {"hessian": [1]}})");
  auto const s = stated(files, "model.diffusion_model.p", 3);
  EXPECT_THAT(s->channel_max, ElementsAre(1.0f, 2.5f, 0.0f));
  EXPECT_THAT(s->channel_mean, ElementsAre(-1.0f, 0.0f, 0.0f));
  EXPECT_EQ(s->input_scale, 0.25f);
  EXPECT_EQ(stated(files, "q", 77)->input_scale, 0.125f);
  EXPECT_THAT(files.unmatched(std::vector<std::string>{"p", "q"}), ElementsAre("p2.hessian"));
  EXPECT_THAT(message_of([&] { known(files, "p", 4); }), HasSubstr("`p.channel_max` has the shape [3]"));
}

TEST_F(CalibrationFiles, RefuseJsonThatSaysSomethingElse) {
  for (std::string const text : {"3", "[1]", "{\"p\": [1]}", "{\"p\": \"x\"}", "{\"p\": {\"channel_max\": [[1]]}}",
                                 "{\"p\": {\"channel_max\": {\"a\": 1}}}", "{\"p\": null}", "{\"p\": true}", "{\"p\": 1e39}",
                                 "{\"p\": 1, \"p\": 2}", "{\"p\": 1", "{\"p\": {\"channel_max\": [\"1\"]}}"})
    EXPECT_THAT(message_of([&] { open_json(text); }), HasSubstr("cannot read the calibration data")) << text;
}

TEST_F(CalibrationFiles, DeriveFromRowsWhatIsNotStated) {
  extents2 const e{5000, 300};  // more than one piece
  auto const rows = some_rows(e);
  auto const files = open(with_rows(rows, e));
  auto const s = stated(files, "p", e.columns);
  ASSERT_EQ(s->samples, e.rows);
  float largest = 0;
  for (index_t j = 0; j < e.columns; ++j) {
    double sum = 0, square = 0;
    float max = 0;
    for (index_t i = 0; i < e.rows; ++i) {
      float const x = rows[static_cast<std::size_t>(i * e.columns + j)];
      sum += static_cast<double>(x);
      square += static_cast<double>(x) * static_cast<double>(x);
      max = std::fmax(max, std::fabs(x));
    }
    auto const at = static_cast<std::size_t>(j);
    EXPECT_EQ(s->channel_mean[at], static_cast<float>(sum / 5000));
    EXPECT_EQ(s->channel_sq[at], static_cast<float>(square / 5000));
    EXPECT_EQ(s->channel_max[at], max);
    largest = std::fmax(largest, max);
  }
  EXPECT_EQ(s->input_scale, largest / 127.0f);
  for (int const count : {1, 2, 5}) {
    auto const again = stated(files, "p", e.columns, 0, {}, halfstep::threads(count));
    EXPECT_EQ(again->channel_sq, s->channel_sq);
    EXPECT_EQ(again->channel_mean, s->channel_mean);
  }
}

TEST_F(CalibrationFiles, LetWhatIsStatedWinOverWhatIsDerived) {
  extents2 const e{10, 3};
  auto made = with_rows(some_rows(e), e);
  made.add("p.channel_sq", {1, 2, 3}).add_scalar("p.input_scale", 7.0f);
  auto const files = open(made);
  auto const s = stated(files, "p", 3);
  EXPECT_THAT(s->channel_sq, ElementsAre(1, 2, 3));
  EXPECT_EQ(s->input_scale, 7.0f);
  EXPECT_EQ(s->channel_mean.size(), 3u);
}

TEST_F(CalibrationFiles, RotateRowsBeforeTheySumThem) {
  extents2 const e{50, 128};
  auto const rows = some_rows(e);
  host_view<float const> const x(rows.data(), e);
  halfstep::host_buffer<float> turned(e.count());
  hadamard_regular(serial{}, x, turned.view(e), 64);
  std::vector<float> const rotated(turned.begin(), turned.end());
  auto const by_hand = stated(open(with_rows(rotated, e)), "p", e.columns);
  auto const files = open(with_rows(rows, e));
  auto const s = stated(files, "p", e.columns, 64);
  EXPECT_EQ(s->channel_sq, by_hand->channel_sq);
  EXPECT_EQ(s->channel_mean, by_hand->channel_mean);
  EXPECT_EQ(s->channel_max, by_hand->channel_max);
  EXPECT_EQ(s->input_scale, by_hand->input_scale);
  halfstep::host_buffer<float> some(3 * e.columns);
  s->rows->read(serial{}, 47, some.view({3, e.columns}));
  EXPECT_EQ(std::memcmp(some.data(), rotated.data() + 47 * e.columns, static_cast<std::size_t>(some.size()) * 4), 0);
}

TEST_F(CalibrationFiles, RotateAStatedMeanAndLeaveOutWhatCannotBeRotated) {
  extents2 const e{50, 128};
  auto const rows = some_rows(e);
  auto const derived = stated(open(with_rows(rows, e)), "p", e.columns);
  auto const files = open(made_file()
                              .add("p.channel_mean", derived->channel_mean)
                              .add("p.channel_sq", derived->channel_sq)
                              .add("p.channel_max", derived->channel_max)
                              .add_scalar("p.input_scale", 1.0f));
  auto const s = stated(files, "p", e.columns, 64);
  EXPECT_THAT(s->channel_sq, IsEmpty());
  EXPECT_THAT(s->channel_max, IsEmpty());
  EXPECT_FALSE(s->input_scale);
  auto const expected = stated(open(with_rows(rows, e)), "p", e.columns, 64)->channel_mean;
  for (std::size_t j = 0; j < expected.size(); ++j) EXPECT_NEAR(s->channel_mean[j], expected[j], 1e-5f);
}

TEST_F(CalibrationFiles, TakeSquaresFromAHessian) {
  extents2 const e{200, 128};
  auto const rows = some_rows(e);
  std::vector<float> hessian(static_cast<std::size_t>(e.columns * e.columns));
  for (index_t a = 0; a < e.columns; ++a)
    for (index_t b = 0; b < e.columns; ++b) {
      double sum = 0;
      for (index_t i = 0; i < e.rows; ++i)
        sum += static_cast<double>(rows[static_cast<std::size_t>(i * e.columns + a)]) *
               static_cast<double>(rows[static_cast<std::size_t>(i * e.columns + b)]);
      hessian[static_cast<std::size_t>(a * e.columns + b)] = static_cast<float>(sum);
    }
  for (int const group : {0, 16, 64}) {
    auto const expected = stated(open(with_rows(rows, e)), "p", e.columns, group)->channel_sq;
    made_file made;
    made.add("p.hessian", dtype::f32, {128, 128}, hessian).add<std::int64_t>("p.count", dtype::i64, {}, {200});
    auto const s = stated(open(made), "p", e.columns, group);
    EXPECT_EQ(s->samples, 200);
    EXPECT_THAT(s->channel_mean, IsEmpty());
    ASSERT_EQ(s->channel_sq.size(), expected.size());
    for (std::size_t j = 0; j < expected.size(); ++j) EXPECT_NEAR(s->channel_sq[j], expected[j], 1e-3f * expected[j]) << group;
  }
}

TEST_F(CalibrationFiles, TakeNoMeanNoSquaresAndNoScaleFromSyntheticInputs) {
  extents2 const e{10, 2};
  auto made = with_rows(some_rows(e), e);
  made.add("p.channel_mean", {1, 2}).add("p.channel_sq", {1, 2}).add_scalar("p.input_scale", 1.0f).say("source", "synthetic");
  made.add<float>("p.hessian", dtype::f32, {2, 2}, {1, 0, 0, 1}).add<std::int64_t>("p.count", dtype::i64, {}, {1});
  auto const files = open(made);
  auto const s = stated(files, "p", 2);
  EXPECT_THAT(s->channel_mean, IsEmpty());
  EXPECT_THAT(s->channel_sq, IsEmpty());
  EXPECT_FALSE(s->input_scale);
  EXPECT_EQ(s->channel_max.size(), 2u);
  EXPECT_EQ(s->rows->source(), halfstep::statistics_source::synthetic);
  EXPECT_FALSE(known(files, "p", 2).mean);
  EXPECT_EQ(known(files, "p", 2).range, known_range::none);
}

TEST_F(CalibrationFiles, KnowBeforehandWhatTheyWillGive) {
  auto const files = open(made_file()
                              .add<float>("rows.input", dtype::f32, {1, 16}, std::vector<float>(16))
                              .add("mean.channel_mean", std::vector<float>(16))
                              .add_scalar("scale.input_scale", 0.5f)
                              .add("max.channel_max", std::vector<float>(16))
                              .add("sq.channel_sq", std::vector<float>(16)));
  for (std::string const layer : {"rows", "mean", "scale", "max", "sq", "none"}) {
    auto const before = known(files, layer, 16);
    for (int const group : {0, 16}) {
      auto const s = stated(files, layer, 16, group);
      EXPECT_EQ(before.mean, s && !s->channel_mean.empty()) << layer;
      bool const stated = before.range == known_range::unrotated || before.range == known_range::stated;
      bool const scale = before.range == known_range::any || (stated && group == 0);
      EXPECT_EQ(scale, s && s->input_scale) << layer << group;
      if (scale) {
        EXPECT_GT(*s->input_scale, 0.0f) << layer;
      }
    }
  }
}

TEST_F(CalibrationFiles, DivideEverythingByTheSmoothingOfALayer) {
  extents2 const e{40, 32};
  auto const rows = some_rows(e);
  std::vector<float> factors;
  for (int j = 0; j < 32; ++j) factors.push_back(0.5f + 0.25f * static_cast<float>(j % 5));
  auto divided = rows;
  for (std::size_t i = 0; i < divided.size(); ++i) divided[i] /= factors[i % 32];
  auto const row_of = [](halfstep::input_statistics const& s) {
    std::vector<float> row(32);
    s.rows->read(serial{}, 7, host_view<float>(row.data(), {1, 32}));
    return row;
  };
  for (int const group : {0, 16}) {
    auto const expected = stated(open(with_rows(divided, e)), "p", 32, group);
    auto const expected_row = row_of(*expected);
    auto const files = open(with_rows(rows, e));  // in the place of the other
    auto const s = stated(files, "p", 32, group, factors);
    EXPECT_EQ(s->channel_max, expected->channel_max);
    EXPECT_EQ(s->channel_mean, expected->channel_mean);
    EXPECT_EQ(s->channel_sq, expected->channel_sq);
    EXPECT_EQ(s->input_scale, expected->input_scale);
    EXPECT_EQ(row_of(*s), expected_row);
  }
}

TEST_F(CalibrationFiles, DivideStatedFiguresByTheSmoothingOfALayer) {
  auto const files = open(made_file()
                              .add("p.channel_max", {2, 9})
                              .add("p.channel_mean", {1, -3})
                              .add("p.channel_sq", {1, 18})
                              .add_scalar("p.input_scale", 5.0f)
                              .add("q.channel_mean", {1, 2})
                              .add_scalar("q.input_scale", 5.0f));
  std::vector<float> const factors{2.0f, 3.0f};
  auto const s = stated(files, "p", 2, 0, factors);
  EXPECT_THAT(s->channel_max, ElementsAre(1, 3));
  EXPECT_THAT(s->channel_mean, ElementsAre(0.5f, -1));
  EXPECT_THAT(s->channel_sq, ElementsAre(0.25f, 2));
  EXPECT_EQ(s->input_scale, 3.0f / 127.0f);  // not the stated one, which is of other inputs
  EXPECT_FALSE(stated(files, "q", 2, 0, factors)->input_scale);
  EXPECT_EQ(known(files, "q", 2).range, known_range::stated);
  EXPECT_EQ(known(files, "q", 2).maxima, halfstep::channel_maxima::unknown);
  EXPECT_EQ(known(files, "p", 2).maxima, halfstep::channel_maxima::known);
}

TEST_F(CalibrationFiles, DivideAHessianByTheSmoothingOfALayer) {
  made_file made;
  made.add<float>("p.hessian", dtype::f32, {2, 2}, {8, 4, 4, 18}).add<std::int64_t>("p.count", dtype::i64, {}, {2});
  auto const files = open(made);
  std::vector<float> const factors{2.0f, 3.0f};
  EXPECT_THAT(stated(files, "p", 2, 0, factors)->channel_sq, ElementsAre(1, 1));
}

TEST_F(CalibrationFiles, ReadTheRowsOfALayerOnceWhereItHoldsThem) {
  extents2 const e{40, 32};
  auto const rows = some_rows(e);
  auto const path = with_rows(rows, e).save(folder.path("held.safetensors"));
  calibration_files const files({path});
  auto const in = halfstep_test::smoothed_and_rotated({}, 16);
  auto held = files.inputs_of("p", e.columns);
  auto const figures = held.statistics(serial{}, in);
  auto const moments = held.moments(serial{}, in);
  held.hold();
  std::fstream(path, std::ios::binary | std::ios::in | std::ios::out).seekp(-8, std::ios::end).write("\0\0\0\0\0\0\0\0", 8);
  EXPECT_NE(files.inputs_of("p", e.columns).statistics(serial{}, in).channel_sq, figures.channel_sq);
  auto const again = held.statistics(serial{}, in);
  EXPECT_EQ(again.channel_sq, figures.channel_sq);
  EXPECT_EQ(again.channel_max, figures.channel_max);
  EXPECT_EQ(held.moments(serial{}, in)->diagonal(), moments->diagonal());
  std::vector<float> last(32), of_file(32);
  again.rows->read(serial{}, 39, host_view<float>(last.data(), {1, 32}));
  figures.rows->read(serial{}, 39, host_view<float>(of_file.data(), {1, 32}));
  EXPECT_NE(last, of_file);
}

TEST_F(CalibrationFiles, ReadRowsOfHalfTheWidth) {
  std::vector<float> const values{0.5f, -2.0f, 3.0f, 0.25f};
  std::vector<halfstep::bfloat16> narrow;
  std::vector<halfstep::float16> half;
  for (float const x : values) {
    narrow.push_back(halfstep::to_bfloat16(x));
    half.push_back(halfstep::to_float16(x));
  }
  auto const files = open(made_file().add("b.input", dtype::bf16, {2, 2}, narrow).add("h.input", dtype::f16, {2, 2}, half));
  for (std::string const layer : {"b", "h"}) EXPECT_THAT(stated(files, layer, 2)->channel_max, ElementsAre(3, 2));
}

}  // namespace
