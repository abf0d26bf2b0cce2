#include <halfstep/convert/resume/sample_digest.hpp>

#include <cstdint>
#include <set>

#include <gtest/gtest.h>

#include "../scene.hpp"

namespace {

TEST(SampleDigest, TellsTrainingsOfOneModelApart) {
  halfstep_test::scratch_folder const folder;
  std::set<std::uint64_t> digests;
  for (std::uint64_t const seed : {1, 2}) {
    halfstep_test::write_model(folder.file("m"), {halfstep_test::weight<float>("a.weight", {64, 64}, seed)});
    for (int i = 0; i < 2; ++i) digests.insert(halfstep::sample_digest(halfstep::safetensors::reader(folder.file("m"))));
  }
  EXPECT_EQ(digests.size(), 2u);
}

}  // namespace
