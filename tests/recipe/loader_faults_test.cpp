#include <halfstep/recipe/loader_faults.hpp>

#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "file_in_memory.hpp"

namespace {

using halfstep::dtype;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

/// A file with a layer `a` of each row's scale and a layer `b` of blocks, which loaders take.
struct sound_file : halfstep_test::file_in_memory {
  sound_file() {
    set("a.weight", dtype::i8, {32, 64});
    set_scales("a.weight_scale", {32, 1});
    set_marker("a", R"({"format": "int8_tensorwise", "per_row": true, "convrot": true, "convrot_groupsize": 64})");
    set("b.weight", dtype::i8, {32, 64});
    set_scales("b.weight_scale", {2, 4});
    set_marker("b", R"({"format": "int8_blockwise", "group_size": 16})");
    set("norm.weight", dtype::f32, {64});
  }
};

TEST(LoaderFaults, AreNoneInFilesThatLoad) {
  sound_file f;
  EXPECT_THAT(f.faults(), IsEmpty());
  f.set("c.weight", dtype::f8_e4m3, {32, 64});
  f.set_scales("c.weight_scale", {});
  f.set_marker("c", R"({"format": "float8_e4m3fn"})");
  f.set_scales("a.weight_scale", {32});
  f.set_marker("a", R"({"format": "int8_axiswise"})");  // the fork's
  EXPECT_THAT(f.faults(), IsEmpty());
  EXPECT_THAT(halfstep_test::file_in_memory{}.faults(), IsEmpty());
}

TEST(LoaderFaults, NameEachFaultyLayerAndItsRule) {
  auto const only = [](auto const& spoil) {
    sound_file f;
    spoil(f);
    return f.faults();
  };
  auto const is = [](std::string const& rule) { return ElementsAre(HasSubstr("layer 'a': " + rule)); };
  EXPECT_THAT(only([](auto& f) { f.tensors.erase("a.comfy_quant"); }), is("it has scales but no marker"));
  EXPECT_THAT(only([](auto& f) { f.tensors.erase("a.weight_scale"); }), is("it has a marker but no tensor `a.weight_scale`"));
  EXPECT_THAT(only([](auto& f) { f.tensors.erase("a.weight"); }), is("it has no tensor `a.weight`"));
  EXPECT_THAT(only([](auto& f) { f.set_marker("a", R"({"per_row": true})"); }), is("its marker names no format"));
  EXPECT_THAT(only([](auto& f) { f.set_marker("a", std::string("{}\0", 3)); }), is("its marker holds a NUL"));
  EXPECT_THAT(only([](auto& f) { f.set_marker("a", R"({"format": "int8"})"); }),
              is("its marker names the unknown format 'int8'"));
  EXPECT_THAT(only([](auto& f) { f.set("a.comfy_quant", dtype::i8, {2}); }), is("its marker is I8"));
  EXPECT_THAT(only([](auto& f) { f.set("a.weight_scale", dtype::bf16, {32, 1}); }), is("`a.weight_scale` is BF16, not F32"));
  EXPECT_THAT(only([](auto& f) { f.set_scales("a.weight_scale", {32}); }),
              is("`a.weight_scale` has the shape [32], not [32, 1]"));
  EXPECT_THAT(only([](auto& f) { f.set_scales("a.weight_scale", {32, 1}, 0.0f); }), is("`a.weight_scale` holds the scale 0"));
  EXPECT_THAT(only([](auto& f) {
                f.set("a.weight", dtype::f8_e4m3, {32, 64});
              }),
              is("its marker names the format int8_tensorwise"));
  EXPECT_THAT(only([](auto& f) { f.set("a.weight", dtype::i8, {2048}); }), is("`a.weight` has the shape [2048]"));
  EXPECT_THAT(only([](auto& f) {
                f.tensors.erase("a.comfy_quant");
                f.tensors.erase("b.weight_scale");
              }),
              ElementsAre(HasSubstr("layer 'a'"), HasSubstr("layer 'b'")));
}

}  // namespace
