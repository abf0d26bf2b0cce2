#include <halfstep/file/locked_part.hpp>

#include <optional>
#include <string>
#include <utility>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "../support/files.hpp"

namespace {

using halfstep::io_error;
using halfstep::io_stage;
using halfstep::file::locked_part;
using halfstep_test::load;
using halfstep_test::save;
using testing::ElementsAre;
using testing::IsEmpty;

class LockedPart : public testing::Test {
 protected:
  void expect_busy() {
    for (auto const& open : {+[](std::string const& path) { return std::optional<locked_part>(locked_part(path, {})); },
                             +[](std::string const& path) { return locked_part::find(path, {}); }}) {
      try {
        static_cast<void>(open(out_));
        ADD_FAILURE() << "opened";
      } catch (io_error const& e) {
        EXPECT_EQ(e.stage(), io_stage::busy) << e.what();
      }
    }
  }

  halfstep_test::temporary_folder folder_;
  std::string out_ = folder_.path("out");
};

TEST_F(LockedPart, IsMadeOrFound) {
  EXPECT_FALSE(locked_part::find(out_, {}));
  EXPECT_THAT(folder_.names(), IsEmpty());
  {
    locked_part const made(out_, {});
    EXPECT_TRUE(made.is_new());
    EXPECT_THAT(folder_.names(), ElementsAre("out.part"));
  }
  save(out_ + ".part", "12345");
  auto const found = locked_part::find(out_, {});
  ASSERT_TRUE(found);
  EXPECT_FALSE(found->is_new());
  EXPECT_EQ(found->identity().size, 5u);
  EXPECT_EQ(load(out_ + ".part"), "12345") << "it is left as it is";
}

TEST_F(LockedPart, KeepsOthersOutUntilItIsGone) {
  {
    locked_part part(out_, {});
    expect_busy();
    locked_part const moved(std::move(part));
    expect_busy();
  }
  EXPECT_TRUE(locked_part::find(out_, {})) << "it stays, and nobody holds it";
  locked_part part(out_, {});
  part.remove();
  EXPECT_THAT(folder_.names(), IsEmpty());
  EXPECT_TRUE(locked_part(out_, {}).is_new());
}

}  // namespace
