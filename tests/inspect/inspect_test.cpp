#include <sys/wait.h>

#include <array>
#include <cstdio>
#include <filesystem>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <halfstep/safetensors/header.hpp>

#include "../support/files.hpp"

namespace {

using halfstep::dtype;
using testing::AllOf;
using testing::HasSubstr;
using testing::StartsWith;
namespace st = halfstep::safetensors;

struct ending {
  int code;
  std::string output;  // both streams
};

ending run(std::string const& arguments) {
  std::FILE* const pipe = ::popen((std::string(HALFSTEP_BIN_DIR) + "/inspect " + arguments + " 2>&1").c_str(), "r");
  if (pipe == nullptr) throw std::runtime_error("cannot start the program");
  std::string output;
  std::array<char, 4096> piece;
  for (std::size_t n; (n = std::fread(piece.data(), 1, piece.size(), pipe)) > 0;) output.append(piece.data(), n);
  int const status = ::pclose(pipe);
  return {WEXITSTATUS(status), output};
}

class Inspect : public testing::Test {
 protected:
  void SetUp() override {
    if (!std::filesystem::exists(HALFSTEP_BIN_DIR "/inspect")) GTEST_SKIP() << "SKIPPED: the examples are not built";
  }

  std::string sample() {
    auto const h = st::arrange({{"w\xc3\xa9ight", dtype::bf16, {2, 3}}, {"scale", dtype::f32, {}}}, {{"k", "a\"b\n"}});
    halfstep_test::save(path_, halfstep_test::framed(h, std::string(16, 'x')));
    return path_;
  }

  halfstep_test::temporary_folder folder_;
  std::string path_ = folder_.path("in.safetensors");
};

TEST_F(Inspect, ShowsTheHeaderAsATable) {
  auto const [code, output] = run(sample());
  EXPECT_EQ(code, 0);
  EXPECT_THAT(output,
              AllOf(StartsWith("name    dtype        shape   bytes\n"), HasSubstr("\nscale   F32          []          4\n"),
                    HasSubstr("\nw\xc3\xa9ight  BF16         [2, 3]     12\n"), HasSubstr("metadata 'k' = 'a\"b\\x0a'\n"),
                    HasSubstr("2 tensors, 7 elements, 16 bytes of data, ")))
      << output;
}

TEST_F(Inspect, ShowsTheHeaderAsJson) {
  auto const [code, output] = run("--json " + sample());
  EXPECT_EQ(code, 0);
  EXPECT_THAT(output,
              AllOf(StartsWith("{\"file\":\"" + path_ + "\",\"file_bytes\":"), HasSubstr("\"metadata\":{\"k\":\"a\\\"b\\n\"}"),
                    HasSubstr(R"({"name":"scale","dtype":"F32","shape":[],"bytes":4,"begin":0,"end":4})"),
                    HasSubstr(R"("shape":[2, 3],"bytes":12,"begin":4,"end":16}]})")))
      << output;
}

TEST_F(Inspect, ShowsShardsAsOneModel) {
  for (std::string const name : {"a", "b"})
    halfstep_test::save(folder_.path(name + ".safetensors"),
                        halfstep_test::framed(st::arrange({{name, dtype::u8, {3}}}, {}), std::string(3, 'x')));
  halfstep_test::save(folder_.path("m.safetensors.index.json"),
                      R"({"weight_map": {"a": "a.safetensors", "b": "b.safetensors"}})");
  for (auto const& path : {folder_.path(), folder_.path("m.safetensors.index.json")}) {
    auto const [code, output] = run(path);
    EXPECT_EQ(code, 0);
    EXPECT_THAT(output, HasSubstr("2 tensors, 6 elements, 6 bytes of data, "));
  }
  EXPECT_THAT(run(folder_.path("a.safetensors")).output, HasSubstr("1 tensors, 3 elements"));
  halfstep_test::save(folder_.path("m.safetensors.index.json"), R"({"weight_map": {"a": "c.safetensors"}})");
  EXPECT_EQ(run(folder_.path()).code, 66);
}

TEST_F(Inspect, GivesTheReasonAnd65ForABrokenFile) {
  halfstep_test::save(path_, halfstep_test::framed(R"({"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]}})", "abc"));
  auto const [code, output] = run(path_);
  EXPECT_EQ(code, 65);
  EXPECT_THAT(output,
              AllOf(StartsWith("inspect: error: cannot read '" + path_), HasSubstr("need 4 bytes of data, and 3 follow")));
}

TEST_F(Inspect, Gives66ForAMissingFileAndAFolder) {
  EXPECT_EQ(run(folder_.path("missing")).code, 66);
  EXPECT_EQ(run(folder_.path()).code, 66);
}

TEST_F(Inspect, Gives2ForBadUse) {
  EXPECT_EQ(run("").code, 2);
  EXPECT_EQ(run("--wrong " + sample()).code, 2);
  EXPECT_EQ(run("--help").code, 0);
}

TEST_F(Inspect, Gives74WhereTheOutputIsFull) { EXPECT_EQ(run(sample() + " 2>/dev/null >/dev/full").code, 74); }

}  // namespace
