// Groups at run time against the layouts that they stand for.
#include <gtest/gtest.h>

#include <halfstep/layout/group_geometry.hpp>
#include <halfstep/layout/int8_axis.hpp>
#include <halfstep/layout/int8_block.hpp>
#include <halfstep/layout/int8_tensor.hpp>

namespace {

using halfstep::extents2;
using halfstep::index_t;

template <class Layout>
class GroupGeometry : public testing::Test {};

using layouts = testing::Types<halfstep::int8_block<16>, halfstep::int8_axis, halfstep::int8_tensor>;
TYPED_TEST_SUITE(GroupGeometry, layouts);

TYPED_TEST(GroupGeometry, PutsEveryElementIntoTheGroupOfItsLayout) {
  for (extents2 const e : {extents2{48, 80}, extents2{16, 16}, extents2{96, 32}}) {
    auto const g = halfstep::geometry_of<TypeParam>(e);
    EXPECT_EQ(g.groups(), TypeParam::groups(e));
    for (index_t row = 0; row < e.rows; ++row)
      for (index_t column = 0; column < e.columns; ++column)
        ASSERT_EQ(g.group_of(row, column), TypeParam::group_of(e, row, column));
  }
}

}  // namespace
