// Every tenth row is held out: what outputs are measured on, and what the other rows say.
#include <halfstep/calibration/files.hpp>

#include <span>
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
using halfstep::host_buffer;
using halfstep::host_view;
using halfstep::index_t;
using halfstep::serial;
using halfstep_test::made_file;

constexpr index_t columns = 32;

struct HeldOutRows : testing::Test {
  halfstep_test::temporary_folder folder;

  calibration_files open(std::vector<float> const& rows, std::string const& name = "c.safetensors") const {
    return calibration_files({made_file()
                                  .add("p.input", dtype::f32, {rows.size() / columns, columns}, rows)
                                  .add("p.channel_sq", std::vector<float>(columns, 3.0f))
                                  .add_scalar("p.input_scale", 9.0f)
                                  .save(folder.path(name))});
  }
};

std::vector<float> rows_of(index_t n) {
  auto const x = halfstep_test::noise({n, columns}, 5);
  return {x.begin(), x.end()};
}

/// The rows of `all` whose place is or is not the last of ten.
std::vector<float> part_of(std::vector<float> const& all, bool tenth) {
  std::vector<float> some;
  for (std::size_t i = 0; i < all.size(); ++i)
    if ((i / columns % 10 == 9) == tenth) some.push_back(all[i]);
  return some;
}

std::vector<float> read(halfstep::input_rows const& rows) {
  host_buffer<float> x(rows.extents().count());
  rows.read(halfstep::threads(2), 0, x.view(rows.extents()));
  return {x.begin(), x.end()};
}

TEST_F(HeldOutRows, AreEveryTenthAndNoneBelowTwenty) {
  for (index_t const n : {1, 9, 10, 19}) EXPECT_FALSE(open(rows_of(n)).inputs_of("p", columns).held_out({})) << n;
  for (index_t const n : {20, 25, 29, 30, 107}) {
    auto const rows = rows_of(n);
    auto const files = open(rows);
    for (bool const is_held : {false, true}) {
      auto inputs = files.inputs_of("p", columns);
      if (is_held) inputs.hold();
      auto const held = inputs.held_out({});
      ASSERT_TRUE(held) << n;
      EXPECT_EQ(held->extents(), (extents2{n / 10, columns}));
      EXPECT_EQ(read(*held), part_of(rows, true)) << n;
      EXPECT_EQ(read(*inputs.without_held_out().statistics(serial{}, {}).rows), part_of(rows, false)) << n;
    }
  }
}

TEST_F(HeldOutRows, AreReadFromAnyPlaceInTheBasisOfTheLayer) {
  auto const rows = rows_of(64);
  auto const in = halfstep_test::smoothed_and_rotated({}, 16);
  auto const files = open(rows);
  auto const inputs = files.inputs_of("p", columns);
  auto const held = part_of(rows, true);
  host_buffer<float> turned(static_cast<index_t>(held.size()));
  hadamard_regular(serial{}, host_view<float const>(held.data(), {6, columns}), turned.view({6, columns}), 16);
  host_buffer<float> found(2 * columns);
  inputs.held_out(in)->read(serial{}, 3, found.view({2, columns}));
  for (index_t i = 0; i < found.size(); ++i) EXPECT_EQ(found[i], turned[3 * columns + i]);
}

TEST_F(HeldOutRows, LeaveWhatTheOthersSayAndNothingThatIsStated) {
  auto const rows = rows_of(64);
  auto const files = open(rows);
  auto const inputs = files.inputs_of("p", columns);
  EXPECT_EQ(inputs.measured_rows(), 64);
  auto const without = inputs.without_held_out();
  EXPECT_EQ(without.measured_rows(), 58);
  calibration_files const others(
      {made_file().add("p.input", dtype::f32, {58, columns}, part_of(rows, false)).save(folder.path("alone.safetensors"))});
  auto const alone = others.inputs_of("p", columns);
  for (int const group : {0, 16}) {
    auto const in = halfstep_test::smoothed_and_rotated({}, group);
    auto const found = without.statistics(serial{}, in), expected = alone.statistics(serial{}, in);
    EXPECT_EQ(found.channel_mean, expected.channel_mean);
    EXPECT_EQ(found.channel_sq, expected.channel_sq);
    EXPECT_EQ(found.channel_max, expected.channel_max);
    EXPECT_EQ(found.input_scale, expected.input_scale);
    EXPECT_EQ(without.moments(serial{}, in, found.channel_mean)->diagonal(),
              alone.moments(serial{}, in, expected.channel_mean)->diagonal());
  }
}

/// What is summed over the other rows is what all rows give, less what those that are held out do.
TEST_F(HeldOutRows, AreTakenFromWhatAllRowsGive) {
  auto rows = rows_of(500);
  for (std::size_t i = 0; i < rows.size(); ++i) rows[i] += 0.25f * static_cast<float>(i % columns % 5);
  calibration_files const files(
      {made_file().add("p.input", dtype::f32, {500, columns}, rows).save(folder.path("all.safetensors"))});
  auto const inputs = files.inputs_of("p", columns), without = inputs.without_held_out();
  for (int const group : {0, 16}) {
    auto const in = halfstep_test::smoothed_and_rotated({}, group);
    auto const all = inputs.statistics(serial{}, in);
    auto const found = without.statistics(serial{}, in, &all), expected = without.statistics(serial{}, in);
    EXPECT_EQ(found.samples, 450);
    for (std::size_t j = 0; j < columns; ++j) {
      EXPECT_NEAR(found.channel_mean[j], expected.channel_mean[j], 1e-6);
      EXPECT_NEAR(found.channel_sq[j], expected.channel_sq[j], 1e-5);
    }
    for (bool const is_centered : {false, true}) {
      auto const center = [&](halfstep::input_statistics const& s) {
        return is_centered ? std::span<float const>(s.channel_mean) : std::span<float const>();
      };
      auto const whole = *inputs.moments(serial{}, in, center(all));
      auto const direct = *without.moments(serial{}, in, center(expected));
      auto const taken = *inputs.moments_without_held_out(halfstep::threads(2), in, center(expected), whole, center(all));
      for (index_t i = 0; i < columns * columns; ++i) ASSERT_NEAR(taken.view().data()[i], direct.view().data()[i], 3e-6) << i;
    }
  }
}

TEST_F(HeldOutRows, AreNotTakenFromColumnsThatOnlyTheyHaveSeen) {
  auto rows = rows_of(500);
  for (std::size_t i = 0; i < 500; ++i)
    if (i % 10 != 9) rows[i * columns + 7] = 0.0f;
  calibration_files const files(
      {made_file().add("p.input", dtype::f32, {500, columns}, rows).save(folder.path("all.safetensors"))});
  auto const inputs = files.inputs_of("p", columns), without = inputs.without_held_out();
  auto const all = inputs.statistics(serial{}, {});
  EXPECT_GT(all.channel_sq[7], 0.0f);
  EXPECT_EQ(without.statistics(serial{}, {}, &all).channel_sq[7], 0.0f);
  auto const taken = *inputs.moments_without_held_out(serial{}, {}, {}, *inputs.moments(serial{}, {}), {});
  for (index_t j = 0; j < columns; ++j) EXPECT_EQ(taken.view()(7, j), 0.0f);
}

}  // namespace
