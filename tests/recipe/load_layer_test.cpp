// Layers that are stored and loaded again, in every layout and basis, and files that say something else.
#include <halfstep/recipe/load_layer.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <limits>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <halfstep/exec/serial.hpp>
#include <halfstep/layout/fp16.hpp>
#include <halfstep/layout/fp8_axis.hpp>
#include <halfstep/layout/fp8_block.hpp>
#include <halfstep/layout/fp8_tensor.hpp>
#include <halfstep/layout/int8_axis.hpp>
#include <halfstep/layout/int8_block.hpp>
#include <halfstep/layout/int8_tensor.hpp>
#include <halfstep/recipe/store_layer.hpp>
#include <halfstep/safetensors/mapped_file.hpp>
#include <halfstep/safetensors/reader.hpp>
#include <halfstep/tensor/dequantize.hpp>
#include <halfstep/tensor/quantizer.hpp>

#include "../support/files.hpp"
#include "../support/weights.hpp"

namespace {

using namespace halfstep;
using halfstep_test::message_of;
using halfstep_test::noise;
using testing::HasSubstr;
namespace st = halfstep::safetensors;

constexpr extents2 shape{192, 128};

using all_layouts = type_list<int8_block<64>, int8_axis, int8_tensor, fp8_block<64>, fp8_axis, fp8_tensor, fp16>;
using smooth_and_rotated = chain<smoothing, regular_hadamard>;
using all_bases = type_list<identity, regular_hadamard, smoothing, smooth_and_rotated, two_sided_hadamard>;
constexpr layer_table<all_layouts, all_bases> everything;

template <class Basis>
Basis some_basis() {
  if constexpr (std::is_same_v<Basis, regular_hadamard>) {
    return {64};
  } else if constexpr (std::is_same_v<Basis, smoothing>) {
    std::vector<float> factors;
    for (index_t j = 0; j < shape.columns; ++j) factors.push_back(0.5f + 0.125f * static_cast<float>(j % 11));
    return smoothing(std::move(factors));
  } else if constexpr (std::is_same_v<Basis, smooth_and_rotated>) {
    return smooth_and_rotated(some_basis<smoothing>(), some_basis<regular_hadamard>());
  } else if constexpr (std::is_same_v<Basis, two_sided_hadamard>) {
    return two_sided_hadamard(philox(5), shape);
  } else {
    return {};
  }
}

/// A layer of codes in a basis: any codes will do, whatever weight they are of.
template <class Layout, class Basis = identity>
quantized_tensor<Layout, host_space, Basis> some_layer(Basis basis = some_basis<Basis>()) {
  extents2 e = shape;
  if constexpr (std::is_same_v<Basis, two_sided_hadamard>) e = basis.padded();
  auto const weight = noise(e, 3);
  auto plain = quantizer<Layout>()(serial{}, weight.view(e));
  auto [codes, groups] = std::move(plain).release();
  return {e, std::move(codes), std::move(groups), std::move(basis)};
}

/// A model of one layer "blocks.0.attn" with a bias, and other tensors of your own.
class Layers : public testing::Test {
 protected:
  struct part {
    st::tensor_spec spec;
    std::vector<std::byte> bytes;
  };

  template <class T>
  static part make_part(std::string name, dtype type, std::vector<std::uint64_t> extents, std::vector<T> const& values) {
    auto const bytes = std::as_bytes(std::span(values));
    return {{std::move(name), type, std::move(extents)}, {bytes.begin(), bytes.end()}};
  }

  template <class Layout, class Basis>
  void store(quantized_tensor<Layout, host_space, Basis> const& q, marker_style style = marker_style::comfyui,
             std::vector<part> const& others = {}, st::metadata_list metadata = {}) {
    auto specs = layer_specs(layer, q, style);
    specs.push_back({"blocks.0.attn.bias", dtype::f32, {4}});
    for (auto const& other : others) specs.push_back(other.spec);
    st::writer output(path, st::arrange(specs, std::move(metadata)), file::overwrite::replace, {});
    store_layer(output, layer, q, style);
    std::vector<float> const bias(4, 1.0f);
    output.write(output.at("blocks.0.attn.bias"), 0, std::as_bytes(std::span(bias)));
    for (auto const& other : others) output.write(output.at(other.spec.name), 0, other.bytes);
    output.commit();
  }

  void store_parts(std::vector<part> const& parts) {
    std::vector<st::tensor_spec> specs;
    for (auto const& one : parts) specs.push_back(one.spec);
    st::writer output(path, st::arrange(specs, {}), file::overwrite::replace, {});
    for (auto const& one : parts) output.write(output.at(one.spec.name), 0, one.bytes);
    output.commit();
  }

  /// INT8 codes [4, 4] with scales as given, and a marker unless that is empty.
  void store_small(part scales, std::string const& marker) {
    std::vector<part> parts{make_part("blocks.0.attn.weight", dtype::i8, {4, 4}, std::vector<std::int8_t>(16, 3)),
                            std::move(scales)};
    if (!marker.empty())
      parts.push_back(
          make_part("blocks.0.attn.comfy_quant", dtype::u8, {marker.size()}, std::vector<char>(marker.begin(), marker.end())));
    store_parts(parts);
  }

  static part row_scales(std::vector<std::uint64_t> extents = {4, 1}) {
    return make_part("blocks.0.attn.weight_scale", dtype::f32, std::move(extents), std::vector<float>{1, 2, 3, 4});
  }

  std::string marker() const {
    st::reader const model(path);
    auto const& t = *model.head().find("blocks.0.attn.comfy_quant");
    std::string text(static_cast<std::size_t>(t.bytes()), '\0');
    model.read(t, 0, std::as_writable_bytes(std::span(text)));
    return text;
  }

  std::vector<std::uint64_t> shape_of(std::string const& name) const { return st::reader(path).head().find(name)->shape; }

  /// What the layer is loaded as, such as "int8_axiswise in identity".
  template <class Table>
  std::string loaded_as(Table table) const {
    return load_layer(st::reader(path), layer, table,
                      []<class Layout, class Basis>(quantized_tensor<Layout, host_space, Basis> const&) {
                        return std::string(Layout::name) + " in " + std::string(Basis::name);
                      });
  }

  template <class Table>
  std::string refusal(Table table) const {
    return message_of([&] { loaded_as(table); });
  }

  halfstep_test::temporary_folder folder;
  std::string path = folder.path("model.safetensors");
  std::string const layer = "blocks.0.attn";
};

template <class T>
bool same(host_view<T const> a, host_view<T const> b) {
  auto const bytes = [](host_view<T const> v) {
    return std::as_bytes(std::span(v.data(), static_cast<std::size_t>(v.extents().count())));
  };
  return a.extents() == b.extents() && std::ranges::equal(bytes(a), bytes(b));
}

/// Expects that the layer of the model at `path` is `q`.
template <class Model, class Layout, class Basis>
void expect_loaded(std::string const& path, quantized_tensor<Layout, host_space, Basis> const& q) {
  bool visited = false;
  load_layer(Model(path), "blocks.0.attn", everything, [&]<class Found>(Found const& found) {
    visited = true;
    if constexpr (std::is_same_v<Found, quantized_tensor<Layout, host_space, Basis>>) {
      EXPECT_TRUE(same(found.codes(), q.codes()));
      if constexpr (has_groups<Layout>) {
        EXPECT_TRUE(same(found.groups(), q.groups()));
      }
      auto const record = stored_basis<Basis>::record(found.transform()), expected = stored_basis<Basis>::record(q.transform());
      EXPECT_EQ(record.marker, expected.marker);
      ASSERT_EQ(record.companions.size(), expected.companions.size());
      for (std::size_t i = 0; i < record.companions.size(); ++i)
        EXPECT_EQ(record.companions[i].bytes, expected.companions[i].bytes);
    } else {
      ADD_FAILURE() << "loaded as " << Found::layout_type::name << " in " << Found::transform_type::name;
    }
  });
  EXPECT_TRUE(visited);
}

TEST_F(Layers, ComeBackAsTheyWereInEveryLayoutAndBasis) {
  all_layouts::for_each([&]<class Layout>() {
    all_bases::for_each([&]<class Basis>() {
      SCOPED_TRACE(std::string(Layout::name) + " in " + std::string(Basis::name));
      auto const q = some_layer<Layout, Basis>();
      bool const needs_marker = !stored_basis<Basis>::record(q.transform()).marker.empty();
      if (needs_marker && !has_groups<Layout>) {
        EXPECT_THAT(message_of([&] { store(q); }), HasSubstr("only a marker can say that a layer is in the basis"));
        return;
      }
      for (auto const style : {marker_style::comfyui, marker_style::fork}) {
        store(q, style);
        expect_loaded<st::reader>(path, q);
        expect_loaded<st::mapped_file>(path, q);
      }
      if (needs_marker) {
        EXPECT_THAT(message_of([&] { store(q, marker_style::none); }), HasSubstr("only a marker can say"));
        return;
      }
      store(q, marker_style::none);
      expect_loaded<st::reader>(path, q);
    });
  });
}

TEST_F(Layers, CarryTheMarkersAndShapesThatLoadersRead) {
  store(some_layer<int8_axis>());
  EXPECT_EQ(marker(), R"({"format": "int8_tensorwise", "per_row": true})");
  EXPECT_THAT(shape_of("blocks.0.attn.weight_scale"), testing::ElementsAre(192, 1));
  store(some_layer<int8_axis>(), marker_style::fork);
  EXPECT_EQ(marker(), R"({"format": "int8_axiswise"})");
  EXPECT_THAT(shape_of("blocks.0.attn.weight_scale"), testing::ElementsAre(192));
  std::string const rotated = R"(, "per_row": true, "convrot": true, "convrot_groupsize": 64})";
  store(some_layer<int8_axis, regular_hadamard>());
  EXPECT_EQ(marker(), R"({"format": "int8_tensorwise")" + rotated);
  store(some_layer<int8_axis, regular_hadamard>(), marker_style::fork);
  EXPECT_EQ(marker(), R"({"format": "int8_axiswise")" + rotated);
  store(some_layer<int8_block<64>>());
  EXPECT_EQ(marker(), R"({"format": "int8_blockwise", "group_size": 64})");
  EXPECT_THAT(shape_of("blocks.0.attn.weight_scale"), testing::ElementsAre(3, 2));
  store(some_layer<fp8_tensor>());
  EXPECT_EQ(marker(), R"({"format": "float8_e4m3fn"})");
  EXPECT_THAT(shape_of("blocks.0.attn.weight_scale"), testing::IsEmpty());
}

TEST_F(Layers, HandTheVisitorsResultOn) {
  store(some_layer<int8_axis>());
  extents2 const found = load_layer(st::reader(path), layer, everything, [](auto const& q) { return q.extents(); });
  EXPECT_EQ(found, shape);
}

TEST_F(Layers, NameWhatWasFoundAndWhatTheTableHas) {
  store(some_layer<int8_block<64>>());
  std::string const why = refusal(layer_table<type_list<int8_block<128>, int8_axis>, type_list<identity, smoothing>>{});
  EXPECT_THAT(why, HasSubstr("cannot load layer 'blocks.0.attn': it is I8 [192, 128] with scales F32 [3, 2]"));
  EXPECT_THAT(why, HasSubstr("format int8_blockwise, group_size 64"));
  EXPECT_THAT(why, HasSubstr("this program loads int8_blockwise 128, int8_axiswise in the bases identity, smoothquant"));
}

TEST_F(Layers, AreRefusedInABasisThatTheTableLacks) {
  store(some_layer<int8_axis, regular_hadamard>());
  EXPECT_THAT(refusal(layer_table<type_list<int8_axis>>{}), HasSubstr("convrot true"));
  store(some_layer<int8_axis, smooth_and_rotated>());
  EXPECT_THAT(refusal(layer_table<type_list<int8_axis>, type_list<identity, regular_hadamard>>{}), HasSubstr("`smooth_factors`"));
}

TEST_F(Layers, AreRefusedWithATensorThatNobodyKnows) {
  store(some_layer<int8_axis>(), marker_style::comfyui,
        {make_part("blocks.0.attn.zero_point", dtype::f32, {1}, std::vector<float>{1})});
  EXPECT_THAT(refusal(everything), HasSubstr("`zero_point`"));
  store(some_layer<int8_axis>(), marker_style::comfyui,
        {make_part("blocks.0.attn.norm.weight", dtype::f32, {1}, std::vector<float>{1})});
  EXPECT_EQ(loaded_as(everything), "int8_axiswise in identity") << "a layer inside it is none of its own tensors";
}

TEST_F(Layers, AreRefusedWithAKeyThatNobodyKnows) {
  store_small(row_scales(), R"({"format": "int8_tensorwise", "per_row": true, "codebook": 3})");
  EXPECT_THAT(refusal(everything), HasSubstr("codebook 3"));
}

TEST_F(Layers, AreTakenByTheirShapesWithoutAMarker) {
  for (auto const& extents : {std::vector<std::uint64_t>{4, 1}, std::vector<std::uint64_t>{4}}) {
    store_small(row_scales(extents), "");
    EXPECT_EQ(loaded_as(everything), "int8_axiswise in identity");
  }
  for (auto const& extents : {std::vector<std::uint64_t>{}, std::vector<std::uint64_t>{1}, std::vector<std::uint64_t>{1, 1}}) {
    store_small(make_part("blocks.0.attn.scale_weight", dtype::f32, extents, std::vector<float>{1}), "");
    EXPECT_EQ(loaded_as(everything), "int8_tensorwise in identity");
  }
  store_small(row_scales({1, 4}), "");
  EXPECT_THAT(refusal(everything), HasSubstr("with scales F32 [1, 4]"));
}

TEST_F(Layers, FollowTheMetadataBeforeTheMarker) {
  auto const q = some_layer<int8_axis, regular_hadamard>({16});
  std::string const said =
      R"({"format_version": "1.0", "layers": {"blocks.0": {"format": "fp8"}, "blocks.0.attn": )"
      R"({"format": "int8_tensorwise", "per_row": true, "convrot": true, "convrot_groupsize": 64}, "z": {}}})";
  store(q, marker_style::comfyui, {}, {{"_quantization_metadata", said}});
  load_layer(st::reader(path), layer, layer_table<type_list<int8_axis>, type_list<regular_hadamard>>{},
             [](auto const& found) { EXPECT_EQ(found.transform().group, 64); });
}

TEST_F(Layers, TakeScalesOfEveryTypeAsTheLayoutsOwn) {
  std::vector<bfloat16> const narrow_scales{narrow<bfloat16>(0.5f), narrow<bfloat16>(2.0f), narrow<bfloat16>(3.0f),
                                            narrow<bfloat16>(4.0f)};
  store_small(make_part("blocks.0.attn.weight_scale", dtype::bf16, {4, 1}, narrow_scales), "");
  load_layer(st::reader(path), layer, layer_table<type_list<int8_axis>>{}, [](auto const& q) {
    EXPECT_EQ(std::vector<float>(q.groups().data(), q.groups().data() + 4), (std::vector<float>{0.5f, 2, 3, 4}));
  });
}

/// Blocks of somebody else, as many of a weight of 192 x 192 as there are partial ones of 128.
struct blocks_of_96 : e4m3_grid {
  static constexpr std::string_view name = "blocks_of_96";
  using group_type = float;
  HALFSTEP_HD static constexpr bool fits(extents2 e) { return e.rows % 96 == 0 && e.columns % 96 == 0; }
  HALFSTEP_HD static constexpr extents2 groups(extents2 e) { return {e.rows / 96, e.columns / 96}; }
  HALFSTEP_HD static constexpr index_t run(extents2) { return 96; }
  HALFSTEP_HD static constexpr index_t group_of(extents2 e, index_t row, index_t column) {
    return row / 96 * (e.columns / 96) + column / 96;
  }
  HALFSTEP_HD static group_type fit(value_range v) { return v.amax / 448.0f; }
  HALFSTEP_HD static step_type unpack(group_type g) { return e4m3_grid::unpack(g); }
};

TEST_F(Layers, TakeBlocksOf128UnderTheNameThatMeansThem) {
  auto const fp8 = [&](std::uint64_t side, std::uint64_t blocks, std::string const& name) {
    std::vector<std::uint8_t> const codes(side * side, 0x38);
    std::vector<float> scales;
    for (std::uint64_t i = 0; i < blocks * blocks; ++i) scales.push_back(1.0f + static_cast<float>(i));
    store_parts({make_part("blocks.0.attn.weight", dtype::f8_e4m3, {side, side}, codes),
                 make_part("blocks.0.attn." + name, dtype::f32, {blocks, blocks}, scales)});
  };
  layer_table<type_list<fp8_block<64>, blocks_of_96, fp8_block<128>, fp8_tensor>> const blocks;
  fp8(256, 2, "weight_scale_inv");
  EXPECT_EQ(loaded_as(blocks), "float8_e4m3fn_blockwise in identity");
  load_layer(st::reader(path), layer, blocks, [](auto const& q) {
    EXPECT_EQ(dequantize(serial{}, q)[200 * 256 + 100], 3.0f) << "E4M3's one, times the scale of block (1, 0)";
  });
  fp8(256, 4, "weight_scale_inv");
  EXPECT_EQ(loaded_as(blocks), "float8_e4m3fn_blockwise in identity") << "64, as the shapes say";
  fp8(64, 1, "weight_scale_inv");
  EXPECT_EQ(loaded_as(layer_table<type_list<fp8_tensor>>{}), "float8_e4m3fn in identity") << "one partial block";
  fp8(192, 2, "weight_scale_inv");
  EXPECT_THAT(refusal(blocks), HasSubstr("with scales F32 [2, 2]")) << "partial blocks of 128, not blocks of 96";
  fp8(192, 2, "weight_scale");
  EXPECT_EQ(loaded_as(blocks), "blocks_of_96 in identity") << "as the shapes say, where no name says otherwise";
}

TEST_F(Layers, AreRefusedWithScalesByTwoNames) {
  for (std::string const other : {"scale_weight", "weight_scale_inv"}) {
    store_parts({make_part("blocks.0.attn.weight", dtype::i8, {4, 4}, std::vector<std::int8_t>(16, 3)), row_scales(),
                 make_part("blocks.0.attn." + other, dtype::f32, {4, 1}, std::vector<float>{1, 2, 3, 4})});
    EXPECT_THAT(refusal(everything), HasSubstr("it has both `blocks.0.attn.weight_scale` and `blocks.0.attn." + other + "`"));
  }
}

TEST_F(Layers, BorrowTheMemoryOfAMappedFile) {
  auto const q = some_layer<int8_axis>();
  store(q);
  auto const before = halfstep_test::load(path);
  using tensor = quantized_tensor<int8_axis, host_space, identity>;
  layer_table<type_list<int8_axis>> const table;
  tensor found;
  {
    st::mapped_file const model(path);
    found = load_layer(model, layer, table, [](tensor&& loaded) { return std::move(loaded); });
    auto const codes = model.bytes(*model.head().find("blocks.0.attn.weight"));
    auto const scales = model.bytes(*model.head().find("blocks.0.attn.weight_scale"));
    EXPECT_EQ(static_cast<void const*>(std::as_const(found).codes().data()), codes.data());
    EXPECT_EQ(static_cast<void const*>(std::as_const(found).groups().data()), scales.data());
  }
  EXPECT_TRUE(same(std::as_const(found).codes(), q.codes())) << "after the model is gone";
  found.codes()(0, 0) = static_cast<std::int8_t>(found.codes()(0, 0) ^ 1);
  EXPECT_EQ(halfstep_test::load(path), before) << "the file keeps its bytes";
  auto const copied = load_layer(st::reader(path), layer, table, [](tensor&& loaded) { return std::move(loaded).release(); });
  EXPECT_FALSE(copied.first.is_borrowed());
}

TEST_F(Layers, CopyWhatIsNotAlignedInAMappedFile) {
  std::string data(3, 'x');
  for (std::uint16_t const half : {0x3c00, 0x4000, 0x4200, 0x4400}) data.append(reinterpret_cast<char const*>(&half), 2);
  std::string json = R"({"a":{"dtype":"U8","shape":[3],"data_offsets":[0,3]},)"
                     R"("blocks.0.attn.weight":{"dtype":"F16","shape":[2,2],"data_offsets":[3,11]}})";
  while (json.size() % 8 != 0) json += ' ';
  halfstep_test::save(path, halfstep_test::framed(json, data));
  auto const found = load_layer(st::mapped_file(path), layer, layer_table<type_list<fp16>>{},
                                []<class Layer>(Layer&& loaded) { return std::forward<Layer>(loaded).release().first; });
  EXPECT_FALSE(found.is_borrowed());
  for (index_t i = 0; i < 4; ++i) EXPECT_EQ(widen(found[i]), static_cast<float>(i + 1));
}

TEST_F(Layers, AreRefusedWithScalesThatAreNone) {
  for (float const bad : {0.0f, -1.0f, std::numeric_limits<float>::infinity(), std::numeric_limits<float>::quiet_NaN()}) {
    store_small(make_part("blocks.0.attn.weight_scale", dtype::f32, {4, 1}, std::vector<float>{1, 2, bad, 4}), "");
    EXPECT_THAT(refusal(everything), HasSubstr("cannot load layer 'blocks.0.attn': one of its scales is"));
  }
}

TEST_F(Layers, AreRefusedWithAMarkerThatIsNone) {
  std::pair<char const*, char const*> const cases[] = {
      {R"({"format": "int8_tensorwise", "per_row": true)", "in its marker, its JSON is broken"},
      {R"(["int8_tensorwise"])", "its marker is no JSON object"},
      {R"({"per_row": true})", "its marker names no format"},
      {R"({"format": {"name": "int8_tensorwise"}})", "in its marker, it holds an object"},
      {R"({"format": "int8_tensorwise", "per_row": true, "convrot": true})", "gives no number for 'convrot_groupsize'"},
      {R"({"format": "int8_tensorwise", "per_row": true, "convrot": true, "convrot_groupsize": 64})",
       "does not fit the basis convrot"},
      {R"({"format": "int8_blockwise", "group_size": 2})", "cannot load layer"}};
  for (auto const& [text, why] : cases) {
    store_small(row_scales(), text);
    EXPECT_THAT(refusal(everything), HasSubstr(why)) << text;
  }
}

TEST_F(Layers, AreRefusedWithoutAWeight) {
  store(some_layer<int8_axis>());
  EXPECT_THAT(message_of([&] { load_layer(st::reader(path), "blocks.1.attn", everything, [](auto const&) {}); }),
              HasSubstr("cannot load layer 'blocks.1.attn': the model has no tensor 'blocks.1.attn.weight'"));
}

TEST_F(Layers, HaveTheShapeThatTheyHadBeforeZerosWereAdded) {
  store(some_layer<int8_axis, two_sided_hadamard>());
  layer_table<type_list<int8_axis>, type_list<two_sided_hadamard>> const table;
  auto const original = [](auto const& q) { return q.transform().original(); };
  EXPECT_EQ(load_layer(st::reader(path), layer, table, original), (extents2{256, 128})) << "nobody says";
  EXPECT_EQ(load_layer(st::reader(path), layer, table, original, shape), shape);
}

/// A basis of somebody else: columns from the last to the first.
struct mirrored {
  static constexpr std::string_view name = "mirrored";
  static bool fits(extents2) { return true; }
  template <host_executor Executor>
  void apply(Executor const& ex, host_view<float> w) const {
    ex.for_each(w.rows(), [&](index_t row) { std::reverse(w.row(row), w.row(row) + w.columns()); });
  }
  template <host_executor Executor>
  void invert(Executor const& ex, host_view<float> w) const {
    apply(ex, w);
  }
  template <host_executor Executor>
  void apply_to_input(Executor const& ex, host_view<float> x) const {
    apply(ex, x);
  }
};

}  // namespace

template <>
struct halfstep::stored_basis<mirrored> {
  static constexpr std::array<std::string_view, 1> keys{"mirrored"};
  static constexpr std::array<std::string_view, 0> endings{};
  static bool is_in(layer_source const& layer) { return layer.is_marked("mirrored"); }
  static mirrored load(layer_source const&) { return {}; }
  static basis_record record(mirrored const&) { return {{{"mirrored", "true"}}, {}}; }
};

namespace {

/// A layout of somebody else, with FP16 groups.
struct int8_wide : symmetric_grid<127> {
  static constexpr std::string_view name = "int8_wide";
  using group_type = float16;
  HALFSTEP_HD static constexpr bool fits(extents2 e) { return e.columns % 32 == 0; }
  HALFSTEP_HD static constexpr extents2 groups(extents2 e) { return {e.rows, e.columns / 32}; }
  HALFSTEP_HD static constexpr index_t run(extents2) { return 32; }
  HALFSTEP_HD static constexpr index_t group_of(extents2 e, index_t row, index_t column) {
    return row * (e.columns / 32) + column / 32;
  }
  HALFSTEP_HD static group_type fit(value_range v) { return to_float16(v.amax / 127.0f); }
  HALFSTEP_HD static step_type unpack(group_type g) { return symmetric_grid<127>::unpack(widen(g)); }
};

TEST_F(Layers, MayHaveALayoutAndABasisOfYourOwn) {
  auto const q = some_layer<int8_wide, mirrored>();
  store(q);
  EXPECT_EQ(marker(), R"({"format": "int8_wide", "mirrored": true})");
  EXPECT_EQ(loaded_as(layer_table<type_list<int8_axis, int8_wide>, type_list<identity, mirrored>>{}), "int8_wide in mirrored");
  EXPECT_THAT(refusal(everything), HasSubstr("mirrored true"));
}

}  // namespace
