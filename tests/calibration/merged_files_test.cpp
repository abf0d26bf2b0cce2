// Several captures counted together equal one capture of all their rows.
#include <halfstep/calibration/merged_files.hpp>

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <halfstep/exec/serial.hpp>
#include <halfstep/exec/threads.hpp>

#include "../support/weights.hpp"
#include "made_file.hpp"

namespace {

using halfstep::bfloat16;
using halfstep::dtype;
using halfstep::extents2;
using halfstep::index_t;
using halfstep::merged_files;
using halfstep::merged_layer;
using halfstep::serial;
using halfstep::statistic;
using halfstep_test::made_file;
using halfstep_test::message_of;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Pair;

constexpr index_t columns = 48;

struct MergedFiles : testing::Test {
  halfstep_test::temporary_folder folder;

  std::string save(std::string const& name, made_file const& made) const { return made.save(folder.path(name)); }
};

/// Rows with a mean and columns of different size, in FP32 that BF16 holds exactly.
std::vector<float> rows_of(index_t rows, std::uint64_t seed) {
  auto const x = halfstep_test::noise({rows, columns}, seed);
  std::vector<float> found;
  for (index_t i = 0; i < x.size(); ++i)
    found.push_back(halfstep::widen(halfstep::to_bfloat16(x[i] * static_cast<float>(1 + i % columns) + 0.01f)));
  return found;
}

std::vector<bfloat16> narrow(std::vector<float> const& rows) {
  std::vector<bfloat16> found;
  for (float const x : rows) found.push_back(halfstep::to_bfloat16(x));
  return found;
}

made_file with_rows(std::vector<float> const& rows) {
  return made_file().add("p.input", dtype::f32, {rows.size() / columns, columns}, rows);
}

/// What one pass over `rows` in FP64 finds.
struct truth {
  explicit truth(std::vector<float> const& rows) : count(static_cast<index_t>(rows.size()) / columns) {
    for (index_t r = 0; r < count; ++r)
      for (index_t i = 0; i < columns; ++i) {
        double const x = rows[static_cast<std::size_t>(r * columns + i)];
        auto const at = static_cast<std::size_t>(i);
        mean[at] += x / static_cast<double>(count);
        sq[at] += x * x / static_cast<double>(count);
        max[at] = std::max(max[at], std::fabs(x));
        for (index_t j = 0; j < columns; ++j)
          hessian[static_cast<std::size_t>(i * columns + j)] +=
              x * static_cast<double>(rows[static_cast<std::size_t>(r * columns + j)]);
      }
  }
  index_t count;
  std::vector<double> mean = std::vector<double>(columns), sq = mean, max = mean;
  std::vector<double> hessian = std::vector<double>(columns * columns);
};

void expect_near(std::vector<float> const& found, std::vector<double> const& expected) {
  ASSERT_EQ(found.size(), expected.size());
  for (std::size_t j = 0; j < found.size(); ++j) EXPECT_NEAR(found[j], expected[j], 1e-6 * (1.0 + std::fabs(expected[j]))) << j;
}

void expect_all(merged_layer const& layer, truth const& t) {
  EXPECT_EQ(layer.count(), t.count);
  EXPECT_EQ(layer.columns(), columns);
  auto const figures = layer.figures(halfstep::threads(2));
  expect_near(figures.channel_mean, t.mean);
  expect_near(figures.channel_sq, t.sq);
  expect_near(figures.channel_max, t.max);
  ASSERT_TRUE(figures.input_scale);
  EXPECT_FLOAT_EQ(*figures.input_scale, static_cast<float>(*std::max_element(t.max.begin(), t.max.end()) / 127.0));
  auto const hessian = layer.hessian(halfstep::threads(2));
  double const largest = *std::max_element(t.hessian.begin(), t.hessian.end());
  for (index_t i = 0; i < columns * columns; ++i)
    ASSERT_NEAR(hessian[i], t.hessian[static_cast<std::size_t>(i)], 3e-6 * largest) << i;
}

/// What this library would write of `rows`.
made_file with_statistics(std::vector<float> const& rows) {
  truth const t(rows);
  auto const real = [](std::vector<double> const& x) { return std::vector<float>(x.begin(), x.end()); };
  made_file made;
  made.add("p.channel_mean", real(t.mean)).add("p.channel_sq", real(t.sq)).add("p.channel_max", real(t.max));
  made.add("p.hessian", dtype::f32, {columns, columns}, real(t.hessian));
  made.add<std::int64_t>("p.count", dtype::i64, {}, {t.count});
  return made.add_scalar("p.input_scale", static_cast<float>(*std::max_element(t.max.begin(), t.max.end()) / 127.0));
}

std::vector<float> joined(std::vector<float> a, std::vector<float> const& b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}

TEST_F(MergedFiles, CountRowsOfAnyTypeTogether) {
  auto const a = rows_of(700, 1), b = rows_of(123, 2);
  made_file narrowed;
  narrowed.add("p.input", dtype::bf16, {700, columns}, narrow(a));
  merged_files const files({save("a.safetensors", narrowed), save("b.safetensors", with_rows(b))});
  ASSERT_EQ(files.layers().size(), 1u);
  expect_all(files.layers()[0], truth(joined(a, b)));
}

TEST_F(MergedFiles, CountStatisticsByTheirCountsBesideRows) {
  auto const a = rows_of(700, 3), b = rows_of(60, 4), c = rows_of(9, 5);
  merged_files const files({save("a.safetensors", with_statistics(a)), save("b.safetensors", with_rows(b)),
                            save("c.safetensors", with_statistics(c))});
  expect_all(files.layers()[0], truth(joined(joined(a, b), c)));
}

TEST_F(MergedFiles, DoNotCountRowsTwiceThatAreKeptBesideTheirStatistics) {
  auto const a = rows_of(300, 6), b = rows_of(40, 7);
  merged_files const files({save("a.safetensors", with_statistics(a).add("p.input", dtype::f32, {300, columns}, a)),
                            save("b.safetensors", with_rows(b))});
  expect_all(files.layers()[0], truth(joined(a, b)));
  EXPECT_EQ(files.layers()[0].rows().size(), 2u);
}

TEST_F(MergedFiles, TakeMeansFromTheRowsWhereNoCountSaysWhatStatedOnesAreOf) {
  auto const a = rows_of(300, 8);
  merged_files const files({save("a.safetensors", with_rows(a).add("p.channel_mean", std::vector<float>(columns, 7.0f)))});
  expect_all(files.layers()[0], truth(a));
}

TEST_F(MergedFiles, GiveTheSameBitsForEveryNumberOfThreads) {
  merged_files const files({save("a.safetensors", with_rows(rows_of(2000, 9)))});
  auto const alone = files.layers()[0].hessian(serial{}), together = files.layers()[0].hessian(halfstep::threads(5));
  for (index_t i = 0; i < alone.size(); ++i) ASSERT_EQ(alone[i], together[i]);
}

TEST_F(MergedFiles, CarryAliasesOver) {
  auto const file = [&](std::string const& name, std::string const& aliases) {
    return save(name, with_rows(rows_of(5, 1)).say("aliases", aliases));
  };
  auto const a = file("a.safetensors", R"({"k": "p", "v": "p"})"), b = file("b.safetensors", R"({"v": "p", "o": "p"})");
  EXPECT_THAT(merged_files({a, b}).aliases(), ElementsAre(Pair("k", "p"), Pair("o", "p"), Pair("v", "p")));
  auto const c = file("c.safetensors", R"({"v": "k", "k": "p"})");
  EXPECT_THAT(message_of([&] { merged_files({a, c}); }), HasSubstr("alias of both"));
  auto const lost = file("d.safetensors", R"({"v": "nobody"})");
  EXPECT_THAT(message_of([&] { merged_files({lost}); }), HasSubstr("'nobody', and no file has any"));
}

TEST_F(MergedFiles, RefuseWhatCannotBeCounted) {
  auto const rows = save("rows.safetensors", with_rows(rows_of(5, 1)));
  auto const refusal = [&](made_file const& made) {
    auto const other = save("other.safetensors", made);
    return message_of([&] {
      merged_files const files({rows, other});
      for (auto const& layer : files.layers()) {
        layer.figures(serial{});
        if (layer.has(statistic::hessian)) layer.hessian(serial{});
      }
    });
  };
  std::vector<float> const ones(columns, 1.0f);
  EXPECT_THAT(refusal(made_file().add("p.channel_sq", ones)), HasSubstr("no `.count` beside it"));
  auto const counted = [&] { return made_file().add<std::int64_t>("p.count", dtype::i64, {}, {5}); };
  EXPECT_THAT(refusal(counted().add("p.channel_sq", ones)), HasSubstr("has no `.channel_mean`, and another file has"));
  made_file no_hessian = counted();
  no_hessian.add("p.channel_sq", ones).add("p.channel_max", ones).add("p.channel_mean", ones);
  EXPECT_THAT(refusal(no_hessian), HasSubstr("leave it out of all with `no hessian`"));
  EXPECT_THAT(refusal(made_file().add("p.channel_sq", std::vector<float>(columns + 1, 1.0f))), HasSubstr("49"));
  EXPECT_THAT(refusal(with_rows(rows_of(6, 1)).say("source", "synthetic")), HasSubstr("its source is synthetic"));
  auto bad = rows_of(6, 1);
  bad[77] = std::numeric_limits<float>::quiet_NaN();
  EXPECT_THAT(refusal(with_rows(bad)), HasSubstr("NaN"));
  EXPECT_THAT(message_of([&] { merged_files({rows, rows}); }), HasSubstr("counted twice"));
  auto const empty = save("empty.safetensors", made_file().add("weight", ones));
  EXPECT_THAT(message_of([&] { merged_files({empty}); }), HasSubstr("no other statistic"));
}

TEST_F(MergedFiles, CopyWhatASingleFileStatesOfUnknownRows) {
  std::vector<float> const twos(columns, 2.0f);
  merged_files const files({save("a.safetensors", made_file().add("p.channel_sq", twos))});
  auto const& layer = files.layers()[0];
  EXPECT_EQ(layer.count(), 0);
  EXPECT_FALSE(layer.has(statistic::hessian));
  EXPECT_FALSE(layer.has(statistic::channel_mean));
  EXPECT_EQ(layer.figures(serial{}).channel_sq, twos);
  EXPECT_FALSE(layer.figures(serial{}).input_scale);
}

}  // namespace
