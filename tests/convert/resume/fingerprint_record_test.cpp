#include <halfstep/convert/resume/fingerprint_record.hpp>

#include <limits>
#include <string>

#include <gtest/gtest.h>

namespace {

using halfstep::fingerprint;

TEST(FingerprintRecord, ComesBackAsItWas) {
  constexpr auto most = std::numeric_limits<std::uint64_t>::max();
  fingerprint const one{.files = {{"the input", {5, -7}}, {"the LoRA \xe9", {most, 8}}},
                        .samples = most,
                        .version = "1.2",
                        .plan = most - 1,
                        .seed = most - 2,
                        .sign_seed = most - 3,
                        .numbers = {{"`rate`", 1.0 / 3.0}, {"`min_k`", 4.0}},
                        .asked = {{"`exclude`", "zz\xe9"}}};
  auto const record = serialize(one);
  EXPECT_EQ(record.find('\n'), std::string::npos) << "a record is a line";
  auto const back = halfstep::parse_fingerprint(record);
  ASSERT_TRUE(back) << "flags need not be UTF-8";
  EXPECT_EQ(*back, one);
  auto const least = halfstep::parse_fingerprint(serialize(fingerprint{}));
  ASSERT_TRUE(least);
  EXPECT_EQ(*least, fingerprint{});
}

TEST(FingerprintRecord, IsNothingElse) {
  for (std::string const text : {"", "{", "[]", "{}", "{\"inputs\": [], \"chosen\": [], \"asked\": []}"})
    EXPECT_FALSE(halfstep::parse_fingerprint(text)) << text;
  auto const record = serialize(fingerprint{.files = {{"the input", {5, 6}}}, .seed = 4});
  EXPECT_TRUE(halfstep::parse_fingerprint(record));
  for (std::string const name : {"version", "files", "samples", "plan", "numbers", "asked"}) {
    auto other = record;
    other.replace(other.find('"' + name + '"') + 1, 1, "_");
    EXPECT_FALSE(halfstep::parse_fingerprint(other)) << name;
  }
}

}  // namespace
