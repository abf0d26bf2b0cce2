// Second moments of inputs from rows and from stored Hessians, in the basis and about the centre that a layer wants.
#include <halfstep/calibration/files.hpp>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <halfstep/exec/threads.hpp>

#include "../support/files.hpp"
#include "../support/weights.hpp"
#include "layer_basis.hpp"

namespace {

using halfstep::bfloat16;
using halfstep::calibration_files;
using halfstep::dtype;
using halfstep::extents2;
using halfstep::host_buffer;
using halfstep::host_view;
using halfstep::index_t;
using halfstep::serial;
using halfstep_test::message_of;
using testing::HasSubstr;

constexpr extents2 shape{2100, 96};

/// What a file holds of a layer `p`: rows, or their Hessian with its count, by the dtype of the rows.
struct HessianOfLayer : testing::Test {
  halfstep_test::temporary_folder folder;

  template <class Values>
  std::string save(std::string const& file, std::string const& name, dtype type, extents2 e, Values const& values,
                   halfstep::safetensors::metadata_list const& metadata = {}) const {
    auto const rows = static_cast<std::uint64_t>(e.rows), columns = static_cast<std::uint64_t>(e.columns);
    std::vector<halfstep::safetensors::tensor_spec> specs{{name, type, {rows, columns}}};
    if (name.ends_with(".hessian")) specs.push_back({"p.count", dtype::i64, {}});
    auto const header = halfstep::safetensors::arrange(specs, metadata);
    std::int64_t const count = shape.rows;
    std::string data;
    for (auto const& t : header.tensors())
      data += t.name == "p.count" ? std::string(reinterpret_cast<char const*>(&count), sizeof count)
                                  : std::string(reinterpret_cast<char const*>(values.data()),
                                                static_cast<std::size_t>(values.size()) * sizeof(*values.data()));
    halfstep_test::save(folder.path(file), halfstep_test::framed(header, data));
    return folder.path(file);
  }
};

/// E[(x - c)(x - c)^T] in FP64 of rows in FP32, rotated if `group` is not 0.
std::vector<double> expected(host_buffer<float> const& rows, int group, std::vector<float> const& center) {
  host_buffer<float> x(rows.size());
  std::copy(rows.begin(), rows.end(), x.begin());
  if (group != 0) halfstep::hadamard_regular(serial{}, host_view<float const>(rows.view(shape)), x.view(shape), group);
  std::vector<double> h(static_cast<std::size_t>(shape.columns * shape.columns));
  for (index_t r = 0; r < shape.rows; ++r)
    for (index_t i = 0; i < shape.columns; ++i)
      for (index_t j = 0; j < shape.columns; ++j) {
        auto const at = [&](index_t k) {
          double const value = x[r * shape.columns + k];
          return center.empty() ? value : value - static_cast<double>(center[static_cast<std::size_t>(k)]);
        };
        h[static_cast<std::size_t>(i * shape.columns + j)] += at(i) * at(j) / static_cast<double>(shape.rows);
      }
  return h;
}

template <class Executor>
std::optional<halfstep::hessian> moments(Executor const& ex, calibration_files const& files, std::string const& layer, int group,
                                         std::vector<float> const& center = {}) {
  return files.inputs_of(layer, shape.columns).moments(ex, halfstep_test::smoothed_and_rotated({}, group), center);
}

void expect_hessian(std::optional<halfstep::hessian> const& found, std::vector<double> const& h, double tolerance) {
  ASSERT_TRUE(found);
  ASSERT_EQ(found->columns(), shape.columns);
  double largest = 0.0;
  for (double const x : h) largest = std::max(largest, std::fabs(x));
  for (index_t i = 0; i < shape.columns; ++i)
    for (index_t j = 0; j <= i; ++j) {
      index_t const place = i * shape.columns + j;
      ASSERT_NEAR(found->view()(i, j), h[static_cast<std::size_t>(place)], tolerance * largest) << i << ", " << j;
    }
}

TEST_F(HessianOfLayer, ComesFromRowsOfEveryTypeInAnyBasisAboutAnyCentre) {
  auto rows = halfstep_test::noise<bfloat16>(shape, 5);
  host_buffer<float> wide(shape.count());
  for (index_t i = 0; i < wide.size(); ++i) wide[i] = halfstep::widen(rows[i]);
  calibration_files const narrow({save("b.safetensors", "p.input", dtype::bf16, shape, rows)});
  calibration_files const plain({save("f.safetensors", "p.input", dtype::f32, shape, wide)});
  std::vector<float> center;
  for (index_t j = 0; j < shape.columns; ++j) center.push_back(0.001f * static_cast<float>(j % 13));
  for (int const group : {0, 16})
    for (auto const& c : {std::vector<float>{}, center}) {
      auto const h = expected(wide, group, c);
      expect_hessian(moments(serial{}, narrow, "p", group, c), h, 3e-6);
      expect_hessian(moments(halfstep::threads(3), plain, "p", group, c), h, 3e-6);
    }
}

TEST_F(HessianOfLayer, ComesFromAStoredOneRotatedOnBothSides) {
  auto const rows = halfstep_test::noise(shape, 6);
  auto const sum = expected(rows, 0, {});
  std::vector<float> stored;
  for (double const x : sum) stored.push_back(static_cast<float>(x * static_cast<double>(shape.rows)));
  calibration_files const files({save("h.safetensors", "p.hessian", dtype::f32, {shape.columns, shape.columns}, stored)});
  std::vector<float> const center(static_cast<std::size_t>(shape.columns), 0.01f);
  for (int const group : {0, 16}) {
    expect_hessian(moments(halfstep::threads(2), files, "p", group), expected(rows, group, {}), 3e-6);
    auto h = expected(rows, group, {});
    for (double& x : h) x -= 1e-4;
    expect_hessian(moments(serial{}, files, "p", group, center), h, 3e-6);
  }
  stored[5] = NAN;
  calibration_files const bad({save("n.safetensors", "p.hessian", dtype::f32, {shape.columns, shape.columns}, stored)});
  EXPECT_THAT(message_of([&] { moments(serial{}, bad, "p", 0); }), HasSubstr("p.hessian"));
}

TEST_F(HessianOfLayer, IsTheSameBitsForEveryNumberOfThreads) {
  calibration_files const files({save("f.safetensors", "p.input", dtype::f32, shape, halfstep_test::noise(shape, 8))});
  auto const alone = moments(serial{}, files, "p", 16);
  auto const together = moments(halfstep::threads(5), files, "p", 16);
  for (index_t i = 0; i < shape.columns; ++i)
    for (index_t j = 0; j <= i; ++j) ASSERT_EQ(alone->view()(i, j), together->view()(i, j));
}

TEST_F(HessianOfLayer, HasOneOwnerForAllThatShareIt) {
  auto const rows = halfstep_test::noise(shape, 9);
  calibration_files const files(
      {save("a.safetensors", "q.input", dtype::f32, shape, rows, {{"aliases", R"({"k": "q", "v": "q"})"}})});
  ASSERT_TRUE(files.inputs_of("k", shape.columns).hessian_owner());
  EXPECT_EQ(files.inputs_of("k", shape.columns).hessian_owner(), files.inputs_of("q", shape.columns).hessian_owner());
  EXPECT_EQ(files.inputs_of("v", shape.columns).hessian_owner(), files.inputs_of("q", shape.columns).hessian_owner());
  EXPECT_FALSE(files.inputs_of("o", shape.columns).hessian_owner());
  EXPECT_FALSE(moments(serial{}, files, "o", 0));
  EXPECT_TRUE(moments(serial{}, files, "v", 0));
}

TEST_F(HessianOfLayer, ComesFromAStoredOneThatSumsMoreRowsThanThereAre) {
  extents2 const few{100, shape.columns};
  auto const sample = save("r.safetensors", "p.input", dtype::f32, few, halfstep_test::noise(few, 11));
  auto const rows = halfstep_test::noise(shape, 12);
  auto const sum = expected(rows, 0, {});
  std::vector<float> stored;
  for (double const x : sum) stored.push_back(static_cast<float>(x * static_cast<double>(shape.rows)));
  calibration_files const files({sample, save("h.safetensors", "p.hessian", dtype::f32, {shape.columns, shape.columns}, stored)});
  expect_hessian(moments(serial{}, files, "p", 0), sum, 3e-6);
  EXPECT_THAT(*files.inputs_of("p", shape.columns).hessian_owner(), HasSubstr("p.hessian"));
}

TEST_F(HessianOfLayer, IsNotMadeOfSyntheticInputs) {
  auto const rows = halfstep_test::noise(shape, 10);
  calibration_files const files({save("s.safetensors", "p.input", dtype::f32, shape, rows, {{"source", "synthetic"}})});
  EXPECT_FALSE(files.inputs_of("p", shape.columns).hessian_owner());
  EXPECT_FALSE(moments(serial{}, files, "p", 0));
}

}  // namespace
