#include <halfstep/convert/weight_rows.hpp>
#include <halfstep/recipe/bases.hpp>

#include <algorithm>
#include <cstring>
#include <limits>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "scene.hpp"

namespace {

using halfstep::dtype;
using halfstep::extents2;
using halfstep::index_t;
using halfstep::planned_tensor;
using halfstep_test::model_part;
using testing::HasSubstr;
using testing::ThrowsMessage;

constexpr extents2 shape{64, 32};

template <class T>
std::vector<std::byte> bytes_of_all(std::vector<T> const& x) {
  auto const bytes = std::as_bytes(std::span(x));
  return {bytes.begin(), bytes.end()};
}

/// Every code in turn.
model_part codes(dtype type) {
  std::vector<std::uint8_t> all;
  for (index_t i = 0; i < shape.count(); ++i) all.push_back(static_cast<std::uint8_t>(i * 7 % 120));
  return {{"p.weight", type, {64, 32}}, bytes_of_all(all)};
}

float number(dtype type, std::byte code) {
  if (type == dtype::i8) return static_cast<float>(static_cast<std::int8_t>(code));
  return type == dtype::f8_e4m3 ? halfstep::widen(static_cast<halfstep::float8_e4m3>(code))
                                : halfstep::widen(static_cast<halfstep::float8_e5m2>(code));
}

planned_tensor planned(halfstep::safetensors::reader const& input, std::optional<halfstep::code_source> coded) {
  planned_tensor tensor;
  tensor.input = *input.head().find("p.weight");
  tensor.coded = std::move(coded);
  return tensor;
}

class WeightRows : public testing::Test {
 protected:
  std::vector<float> read(halfstep::safetensors::reader const& input, planned_tensor const& tensor, index_t step) {
    std::vector<float> all(static_cast<std::size_t>(shape.count()));
    halfstep::workspace memory;
    for (index_t first = 0; first < shape.rows; first += step) {
      index_t const rows = std::min(step, shape.rows - first);
      auto const bytes = halfstep::read_rows(input, tensor, first, rows, memory);
      std::memcpy(all.data() + first * shape.columns, bytes.data(), bytes.size());
    }
    return all;
  }

  std::string written(std::string const& name, std::vector<model_part> const& parts) const {
    halfstep_test::write_model(folder.file(name), parts);
    return folder.file(name);
  }

  halfstep_test::scratch_folder folder;
};

TEST_F(WeightRows, DecodeTheSameNumbersHoweverTheyAreCut) {
  struct groups {
    extents2 group;
    std::vector<std::uint64_t> scales;
  };
  for (auto const type : {dtype::i8, dtype::f8_e4m3, dtype::f8_e5m2})
    for (auto const& [group, stored] :
         {groups{{64, 32}, {}}, {{1, 32}, {64, 1}}, {{1, 32}, {64}}, {{16, 16}, {4, 2}}, {{32, 32}, {2, 1}}})
      for (bool const is_bf16 : {false, true}) {
        auto const part = codes(type);
        std::vector<float> scales;
        for (index_t i = 0; i < 64 * 32 / group.count(); ++i) scales.push_back(0.5f + 0.25f * static_cast<float>(i % 5));
        std::vector<halfstep::bfloat16> narrowed;
        for (float const s : scales) narrowed.push_back(halfstep::to_bfloat16(s));
        model_part const scale{{"p.weight_scale", is_bf16 ? dtype::bf16 : dtype::f32, stored},
                               is_bf16 ? bytes_of_all(narrowed) : bytes_of_all(scales)};
        halfstep::safetensors::reader const input(written("m", {part, scale}));
        auto tensor = planned(input, halfstep::code_source{"p.weight_scale", group});
        std::vector<float> expected;
        for (index_t i = 0; i < shape.count(); ++i) {
          index_t const at = i / 32 / group.rows * (32 / group.columns) + i % 32 / group.columns;
          expected.push_back(number(type, part.bytes[static_cast<std::size_t>(i)]) * scales[static_cast<std::size_t>(at)]);
        }
        for (index_t const step : {64, 17, 16, 1}) EXPECT_EQ(read(input, tensor, step), expected) << name_of(type) << " " << step;
        halfstep::rotate_by(tensor.coded->bases, 16);
        auto rotated = expected;
        halfstep::host_view<float> const view(rotated.data(), shape);
        halfstep::hadamard_regular(halfstep::serial{}, halfstep::host_view<float const>(view), view, 16);
        EXPECT_EQ(read(input, tensor, 17), rotated);
      }
}

TEST_F(WeightRows, AreTheFilesOwnWhereNothingIsCodedAndTheCodesWhereThereIsNoScale) {
  auto const numbers_of_file = halfstep_test::noise(shape, 3);
  model_part const plain{{"p.weight", dtype::f32, {64, 32}},
                         bytes_of_all(std::vector<float>(numbers_of_file.begin(), numbers_of_file.end()))};
  halfstep::safetensors::reader const from(written("plain", {plain}));
  auto const rows = read(from, planned(from, std::nullopt), 24);
  EXPECT_EQ(std::memcmp(rows.data(), plain.bytes.data(), plain.bytes.size()), 0);

  auto const bare = codes(dtype::f8_e4m3);
  halfstep::safetensors::reader const input(written("bare", {bare}));
  auto const tensor = planned(input, halfstep::code_source{});
  auto const numbers = read(input, tensor, 24);
  for (std::size_t i = 0; i < numbers.size(); ++i) ASSERT_EQ(numbers[i], number(dtype::f8_e4m3, bare.bytes[i]));
}

TEST_F(WeightRows, RefuseScalesThatAreNoNumbers) {
  for (float const bad : {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity()}) {
    halfstep::safetensors::reader const input(
        written("m", {codes(dtype::i8), {{"p.weight_scale", dtype::f32, {}}, bytes_of_all(std::vector{bad})}}));
    auto const tensor = planned(input, halfstep::code_source{"p.weight_scale", shape});
    EXPECT_THAT([&] { read(input, tensor, 64); }, ThrowsMessage<halfstep::value_error>(HasSubstr("'p.weight_scale'")));
  }
}

}  // namespace
