// Layers in a format and a basis that the library has never heard of, decoded and quantized again.
#include <cmath>
#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <halfstep/converter.hpp>
#include <halfstep/layout/int8_axis.hpp>
#include <halfstep/plan/stored_layers.hpp>
#include <halfstep/recipe/basis_table.hpp>
#include <halfstep/recipe/make_basis.hpp>
#include <halfstep/recipe/make_stages.hpp>
#include <halfstep/safetensors/reader.hpp>
#include <halfstep/safetensors/writer.hpp>

#include "../../examples/custom_format/parts.hpp"
#include "scene.hpp"

namespace {

using namespace halfstep;
using halfstep_test::scratch_folder;
using testing::HasSubstr;
using testing::ThrowsMessage;
namespace st = halfstep::safetensors;

constexpr extents2 shape{96, 256};

/// A layout of somebody else whose numbers are no products: three rows share a scale, and codes are off by a half.
struct halves : symmetric_grid<127> {
  static constexpr std::string_view name = "halves";
  using group_type = float;
  HALFSTEP_HD static constexpr bool fits(extents2 e) { return e.rows % 3 == 0; }
  HALFSTEP_HD static constexpr extents2 groups(extents2 e) { return {e.rows / 3, 1}; }
  HALFSTEP_HD static constexpr index_t run(extents2 e) { return e.columns; }
  HALFSTEP_HD static constexpr index_t group_of(extents2, index_t row, index_t) { return row / 3; }
  HALFSTEP_HD static group_type fit(value_range v) { return v.amax > 0.0f ? v.amax / 126.0f : 1.0f; }
  HALFSTEP_HD static bracket<code_type> locate(float x, step_type s) {
    return symmetric_grid<127>::locate(x - 0.5f * symmetric_grid<127>::decode(1, s), s);
  }
  HALFSTEP_HD static float decode(code_type q, step_type s) { return (static_cast<float>(q) + 0.5f) * s.scale; }
};

class OwnFormats : public testing::Test {
 protected:
  OwnFormats() { write(folder.file("original"), some_weights()); }

  static std::vector<float> some_weights() {
    std::vector<float> w(static_cast<std::size_t>(shape.count()));
    for (std::size_t i = 0; i < w.size(); ++i) w[i] = std::sin(static_cast<float>(i) * 0.37f) * (0.01f + 0.001f * (i / 256 % 7));
    return w;
  }

  static void write(std::string const& path, std::vector<float> const& weight) {
    st::writer file(path, st::arrange({{"blocks.0.weight", dtype::f32, {96, 256}}}, {}), file::overwrite::replace, {});
    file.write(file.at("blocks.0.weight"), 0, std::as_bytes(std::span(weight)));
    file.commit();
  }

  template <class T>
  static std::vector<T> read(std::string const& path, std::string const& name) {
    st::reader const file(path);
    auto const& t = *file.head().find(name);
    std::vector<T> all(t.bytes() / sizeof(T));
    file.read(t, 0, std::as_writable_bytes(std::span(all)));
    return all;
  }

  void run(std::string const& from, std::string const& to, recipe const& target, std::vector<basis_choice> stored_bases = {}) {
    conversion_options options{.input = folder.file(from), .output = folder.file(to), .existing = file::overwrite::replace};
    options.settings.piece_bytes = 5 * 256 * 4;  // pieces that cut groups of three rows
    options.stored_bases = std::move(stored_bases);
    options.layers.target = target;
    options.layers.rules = rule_source::none;
    options.layers.requantize = requantization::allow;
    convert(threads(2), options, formats, stages);
  }

  /// The same codes and scales come of the file as of the numbers that its codes stand for.
  void expect_decoded(std::string const& from, std::vector<float> const& numbers, std::vector<basis_choice> stored_bases = {}) {
    recipe const int8{.format = format_of<int8_axis>};
    write(folder.file("decoded"), numbers);
    run(from, "again", int8, std::move(stored_bases));
    run("decoded", "expected", int8);
    for (std::string const name : {"blocks.0.weight", "blocks.0.weight_scale"})
      EXPECT_EQ(read<char>(folder.file("again"), name), read<char>(folder.file("expected"), name)) << name;
  }

  scratch_folder folder;
  format_table formats{make_format<int6_axis, ordered_dither, nearest>(), make_format<halves, nearest>(),
                       make_format<int8_axis, nearest>()};
  basis_table bases{make_basis<mirrored>()};
  stage_table stages{make_solver<carry_forward, int6_axis::grid>()};
};

TEST_F(OwnFormats, AreDecodedByTheKernelsOfTheirRows) {
  run("original", "own", {.format = format_of<halves>});
  auto const codes = read<std::int8_t>(folder.file("own"), "blocks.0.weight");
  auto const scales = read<float>(folder.file("own"), "blocks.0.weight_scale");
  ASSERT_EQ(scales.size(), 32u);
  std::vector<float> numbers;
  for (std::size_t i = 0; i < codes.size(); ++i) numbers.push_back((static_cast<float>(codes[i]) + 0.5f) * scales[i / (3 * 256)]);
  expect_decoded("own", numbers);
}

TEST_F(OwnFormats, AreDecodedInABasisThatIsGiven) {
  recipe how{.format = format_of<int6_axis>, .rounding = "ordered_dither", .solver = "carry_forward"};
  how.bases = {bases.at("mirrored")};
  run("original", "own", how);
  auto const codes = read<std::int8_t>(folder.file("own"), "blocks.0.weight");
  auto const scales = read<float>(folder.file("own"), "blocks.0.weight_scale");
  std::vector<float> numbers;
  for (std::size_t row = 0; row < 96; ++row)
    for (std::size_t k = 0; k < 256; ++k) numbers.push_back(static_cast<float>(codes[row * 256 + 255 - k]) * scales[row]);
  expect_decoded("own", numbers, {bases.at("mirrored")});
  EXPECT_THAT(
      [&] { run("own", "again", {.format = format_of<int8_axis>}); },
      ThrowsMessage<usage_error>(HasSubstr("'blocks.0' is int6_axiswise, and what its marker says with 'mirrored' is not")));
}

TEST_F(OwnFormats, AreRefusedWhereTheyContradictTheirFormat) {
  run("original", "own", {.format = format_of<halves>});
  st::reader const own(folder.file("own"));
  auto const refusal = [&](dtype codes, dtype scales, std::vector<std::uint64_t> const& groups, format_table const& known) {
    std::string const marker = R"({"format": "halves"})";
    auto const head = st::arrange(
        {{"p.weight", codes, {96, 256}}, {"p.weight_scale", scales, groups}, {"p.comfy_quant", dtype::u8, {marker.size()}}}, {});
    auto const formats_known = known.formats();
    return stored_layers(head, formats_known,
                         [&](auto const&, std::uint64_t, std::span<std::byte> into) {
                           std::memcpy(into.data(), marker.data(), marker.size());
                         })
        .layers.at("p")
        .obstacle;
  };
  EXPECT_EQ(refusal(dtype::i8, dtype::f32, {32, 1}, formats), "");
  EXPECT_EQ(refusal(dtype::i8, dtype::f32, {32}, formats), "");
  EXPECT_EQ(refusal(dtype::u8, dtype::f32, {32, 1}, formats), "its weight is U8");
  EXPECT_EQ(refusal(dtype::i8, dtype::bf16, {32, 1}, formats), "its scales are BF16");
  EXPECT_EQ(refusal(dtype::i8, dtype::f32, {96, 1}, formats), "its scales have the shape [96, 1]");
  EXPECT_EQ(refusal(dtype::i8, dtype::f32, {96, 1}, format_table(make_format<int8_axis, nearest>())),
            "its format is not known here");
}

}  // namespace
