// A program's own basis in a recipe: by its name, in the marker, among the artifacts, and where it is refused.
#include <halfstep/recipe/basis_table.hpp>

#include <algorithm>
#include <array>
#include <string>
#include <string_view>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <halfstep/exec/concept.hpp>
#include <halfstep/layout/int8_axis.hpp>
#include <halfstep/recipe/artifact.hpp>
#include <halfstep/recipe/bases.hpp>
#include <halfstep/recipe/known_formats.hpp>
#include <halfstep/recipe/make_basis.hpp>
#include <halfstep/recipe/marker.hpp>
#include <halfstep/recipe/recipe.hpp>
#include <halfstep/transform/two_sided_hadamard.hpp>

#include "../support/weights.hpp"

namespace {

using namespace halfstep;
using halfstep_test::message_of;
using testing::HasSubstr;

/// Groups of columns from the last to the first.
struct mirrored {
  static constexpr std::string_view name = "mirrored";
  index_t group = 0;
  bool fits(extents2 e) const { return group > 0 && e.columns % group == 0; }
  void apply(host_executor auto const&, host_view<float>) const {}
  void invert(host_executor auto const&, host_view<float>) const {}
  void apply_to_input(host_executor auto const&, host_view<float>) const {}
};

}  // namespace

template <>
struct halfstep::basis_trait<mirrored> : basis_defaults<mirrored> {
  static mirrored make(basis_request const& of) { return {static_cast<index_t>(of.number)}; }
};

template <>
struct halfstep::stored_basis<mirrored> {
  static basis_record record(mirrored const& m) {
    float const one = 1.0f;
    return {{{"mirrored", std::to_string(m.group)}}, {make_companion(".mirror", dtype::f32, {1}, std::span(&one, 1))}};
  }
};

namespace {

basis_table const bases(make_basis<mirrored>(), make_basis<two_sided_hadamard>());

recipe mirrored_in(double group) { return {.format = format_of<int8_axis>, .bases = {bases.at("mirrored", group)}}; }

TEST(OwnBasis, IsFoundByItsName) {
  EXPECT_EQ(bases.at("mirrored", 64).words(), "mirrored 64");
  EXPECT_EQ(bases.at("mirrored", 0.5).words(), "mirrored 0.5");
  EXPECT_EQ(bases.at("mirrored").words(), "mirrored");
  EXPECT_THAT(message_of([] { bases.at("mirored"); }), HasSubstr("no basis 'mirored': this build has mirrored, quip"));
  EXPECT_THAT(message_of([] { basis_table().at("x"); }), HasSubstr("this build has none"));
}

TEST(OwnBasis, TellsRecipesApart) {
  EXPECT_EQ(to_string(mirrored_in(64)), "int8_axiswise + mirrored 64");
  EXPECT_EQ(mirrored_in(64), mirrored_in(64));
  EXPECT_FALSE(mirrored_in(64) == mirrored_in(16));
  EXPECT_FALSE(mirrored_in(64) == recipe{.format = format_of<int8_axis>});
}

TEST(OwnBasis, StandsInTheMarkerBeforeTheOthers) {
  auto how = mirrored_in(64);
  how.bases.push_back(convrot(16));
  EXPECT_EQ(marker_text(how, marker_style::comfyui),
            R"({"format": "int8_tensorwise", "per_row": true, "mirrored": 64, "convrot": true, "convrot_groupsize": 16})");
}

TEST(OwnBasis, HasItsTensorsAmongTheArtifacts) {
  auto const parts = artifacts_of("p", {4, 64}, mirrored_in(64), marker_style::comfyui);
  EXPECT_TRUE(std::any_of(parts.begin(), parts.end(), [](artifact const& part) {
    return part.role == artifact_role::basis && part.spec.name == "p.mirror" && part.spec.shape == std::vector<std::uint64_t>{1};
  }));
  EXPECT_THAT(message_of([] {
                artifacts_of("p", {4, 64}, mirrored_in(64), marker_style::none);
              }),
              HasSubstr("only a marker can say that layer 'p' is in the basis mirrored 64"));
}

TEST(OwnBasis, IsRefusedInThePlanWhereItCannotBe) {
  EXPECT_EQ(obstacle(mirrored_in(64), {4, 128}), "");
  EXPECT_EQ(obstacle(mirrored_in(64), {4, 100}), "[4, 100] does not fit the basis mirrored 64");
  recipe const mixing{.format = format_of<int8_axis>, .bases = {bases.at("quip")}};
  EXPECT_EQ(obstacle(mixing, {4, 128}), "");
}

}  // namespace
