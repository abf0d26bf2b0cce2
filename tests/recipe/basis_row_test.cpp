// Bases under their runtime names: how they are made, and what files hold of them.
#include <halfstep/recipe/basis_row.hpp>

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <span>
#include <string_view>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <halfstep/exec/serial.hpp>
#include <halfstep/recipe/bases.hpp>
#include <halfstep/transform/basis.hpp>
#include <halfstep/transform/identity.hpp>

#include "../support/weights.hpp"

namespace halfstep_test {

/// A basis of somebody else: every column times a number that the recipe gives, which files hold.
struct scaled_columns {
  static constexpr std::string_view name = "scaled";
  float factor = 1.0f;

  static bool fits(halfstep::extents2) { return true; }
  template <halfstep::host_executor Executor>
  void apply(Executor const& ex, halfstep::host_view<float> w) const {
    ex.for_each(w.extents().count(), [&](halfstep::index_t i) { w.data()[i] *= factor; });
  }
  template <halfstep::host_executor Executor>
  void invert(Executor const& ex, halfstep::host_view<float> w) const {
    ex.for_each(w.extents().count(), [&](halfstep::index_t i) { w.data()[i] /= factor; });
  }
  template <halfstep::host_executor Executor>
  void apply_to_input(Executor const& ex, halfstep::host_view<float> x) const {
    invert(ex, x);
  }
};

}  // namespace halfstep_test

template <>
struct halfstep::stored_basis<halfstep_test::scaled_columns> {
  static basis_record record(halfstep_test::scaled_columns const& t) {
    return {{}, {make_companion(".factor", dtype::f32, {}, std::span(&t.factor, 1))}};
  }
};

template <>
struct halfstep::basis_trait<halfstep_test::scaled_columns> : halfstep::basis_defaults<halfstep_test::scaled_columns> {
  using type = halfstep_test::scaled_columns;
  static constexpr std::string_view method = "scaled";
  static constexpr std::string_view overflow = "its scaled weights exceed FP32";
  static type make(basis_request const& of) { return {static_cast<float>(of.number)}; }
  static type blank(basis_request const&) { return {}; }
  static type restored(basis_request const&, std::span<companion const> parts) {
    type t;
    std::memcpy(&t.factor, parts[0].bytes.data(), sizeof(float));
    return t;
  }
};

namespace {

using halfstep::basis;
using halfstep::basis_choice;
using halfstep::basis_request;
using halfstep::extents2;
using halfstep::host_buffer;
using halfstep::index_t;
using halfstep::make_basis;
using testing::IsEmpty;

constexpr extents2 shape{24, 40};

struct any_row : testing::TestWithParam<basis_choice> {};

INSTANTIATE_TEST_SUITE_P(Rows, any_row,
                         testing::Values(basis_choice{make_basis<halfstep::regular_hadamard>(), 4.0},
                                         basis_choice{make_basis<halfstep::smoothing>(), 0.5},
                                         basis_choice{make_basis<halfstep::two_sided_hadamard>()},
                                         basis_choice{make_basis<halfstep_test::scaled_columns>(), 3.0}));

TEST_P(any_row, ComesBackFromWhatFilesHoldOfIt) {
  auto const& [row, number] = GetParam();
  std::vector<float> weight_max, input_max;
  for (index_t j = 0; j < shape.columns; ++j) {
    weight_max.push_back(1.0f + static_cast<float>(j % 3));
    input_max.push_back(2.0f + static_cast<float>(j % 5));
  }
  basis_request const of{.weight = shape, .number = number, .key = 11, .weight_max = weight_max, .input_max = input_max};
  basis made, restored;
  row.append(of, made);
  ASSERT_TRUE(made.fits(shape));
  EXPECT_EQ(made.mixes_rows(), row.mixes_rows);
  auto const parts = row.record(made).companions;
  auto const blank = row.blank_record({.weight = shape, .number = number}).companions;
  ASSERT_EQ(parts.size(), blank.size());
  for (std::size_t i = 0; i < parts.size(); ++i) {
    EXPECT_EQ(parts[i].ending, blank[i].ending);
    EXPECT_EQ(parts[i].type, blank[i].type);
    EXPECT_EQ(parts[i].shape, blank[i].shape);
    EXPECT_EQ(parts[i].bytes.size(), blank[i].bytes.size());
  }
  row.restore({.weight = shape, .number = number}, parts, restored);
  extents2 const e = made.stored(shape);
  EXPECT_EQ(restored.stored(shape), e);
  auto const w = halfstep_test::noise(shape, 3);
  host_buffer<float> a(e.count()), b(e.count());
  std::copy(w.begin(), w.end(), a.begin());
  std::copy(w.begin(), w.end(), b.begin());
  made.apply_whole(halfstep::serial{}, a.data(), shape);
  restored.apply_whole(halfstep::serial{}, b.data(), shape);
  EXPECT_TRUE(std::equal(a.begin(), a.end(), b.begin()));
  EXPECT_FALSE(std::equal(w.begin(), w.end(), a.begin()));
}

TEST(BasisRow, NeedsNothingBesideATransformThatIsMadeOfNothing) {
  constexpr auto row = make_basis<halfstep::identity>();
  EXPECT_EQ(row.name, "identity");
  basis made;
  row.append({.weight = shape}, made);
  EXPECT_FALSE(made.is_plain());
  EXPECT_EQ(made.stored(shape), shape);
  EXPECT_THAT(row.record(made).companions, IsEmpty());
  EXPECT_THAT(row.record(made).marker, IsEmpty());
}

}  // namespace
