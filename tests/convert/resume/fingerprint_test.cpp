#include <halfstep/convert/resume/fingerprint.hpp>

#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace {

using halfstep::fingerprint;
using testing::ElementsAre;
using testing::IsEmpty;

fingerprint const one{
    .files = {{"the input", {5, 0}}}, .samples = 1, .version = "1", .plan = 10, .seed = 3, .numbers = {{"`rate`", 1.0}}};

TEST(Fingerprint, FindsNothingInTheSameRun) {
  EXPECT_THAT(one.changed_inputs(one), IsEmpty());
  EXPECT_THAT(one.changed_choices(one), IsEmpty());
}

TEST(Fingerprint, NamesWhatDiffers) {
  auto now = one;
  now.files = {{"the input", {7, 0}}};
  now.samples = 31;
  EXPECT_THAT(one.changed_inputs(now),
              ElementsAre("the input was 5 bytes of 1970-01-01 00:00:00.000000000 UTC and is 7 bytes of 1970-01-01 "
                          "00:00:00.000000000 UTC",
                          "the input's digest was 1 and is 1f"));
  EXPECT_THAT(one.changed_choices(now), IsEmpty());
  now = one;
  now.version = "2";
  now.seed = 4;
  now.numbers = {{"`rate`", 0.5}};
  auto const differences =
      testing::ElementsAre("the version was 1 and is 2", "the seed was 3 and is 4", "`rate` was 1 and is 0.5");
  EXPECT_THAT(one.changed_choices(now), differences);
  now.asked = {{"`rotation`", ""}};
  EXPECT_THAT(one.changed_choices(now), differences) << "a flag that changed no plan hides nothing";
}

TEST(Fingerprint, NamesWhatOneRunHasAlone) {
  auto now = one;
  now.seed.reset();
  now.sign_seed = 5;
  now.numbers.clear();
  EXPECT_THAT(one.changed_choices(now), ElementsAre("the seed 3 is gone", "`quip_seed` 5 is new", "`rate` 1 is gone"));
  now.plan = 11;
  EXPECT_THAT(one.changed_choices(now), ElementsAre("the plan was a and is b")) << "the rest follows from the plan";
}

TEST(Fingerprint, NamesFilesThatComeAndGoByTheirFlags) {
  auto now = one;
  now.files.push_back({"the LoRA", {6, 0}});
  EXPECT_THAT(one.changed_inputs(now), IsEmpty());
  std::string const lora = "the LoRA 6 bytes of 1970-01-01 00:00:00.000000000 UTC";
  EXPECT_THAT(one.changed_choices(now), ElementsAre(lora + " is new"));
  EXPECT_THAT(now.changed_choices(one), ElementsAre(lora + " is gone"));
  now.asked = {{"--merge-lora", "a"}};
  EXPECT_THAT(one.changed_choices(now), ElementsAre("--merge-lora a is new"));
}

TEST(Fingerprint, NamesTheFlagsOfAUserWhereTheyMatter) {
  auto before = one;
  before.asked = {{"`rotation`", ""}, {"--scaling-mode", "axis"}};
  auto now = before;
  now.asked = {{"--scaling-mode", "block"}, {"--simple", ""}};
  EXPECT_THAT(before.changed_choices(now), IsEmpty()) << "the same output, however it was asked for";
  now.plan = 11;
  now.numbers.push_back({"`top_p`", 1.0});  // follows from the plan
  EXPECT_THAT(before.changed_choices(now),
              ElementsAre("--scaling-mode was axis and is block", "`rotation` is gone", "--simple is new"));
  now.asked = before.asked;
  EXPECT_THAT(before.changed_choices(now), ElementsAre("the plan was a and is b"));
}

}  // namespace
