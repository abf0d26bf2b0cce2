// Our writer against the Python library's, byte for byte; our reader accepts a subset of what it accepts.

#include <sys/wait.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <random>
#include <sstream>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <halfstep/safetensors/reader.hpp>
#include <halfstep/safetensors/writer.hpp>

#include "../support/files.hpp"

namespace {

namespace st = halfstep::safetensors;
using halfstep_test::load;

class Python : public testing::Test {
 protected:
  // Runs the script; skips the test where the library is missing.
  std::string python(std::string const& arguments) {
    char const* const program = std::getenv("HALFSTEP_PYTHON");
    std::string const command = std::string(program == nullptr || *program == '\0' ? "python3" : program) + " " +
                                HALFSTEP_TEST_DATA_DIR + "/../interop/writer_bytes.py " + arguments + " 2>&1";
    std::FILE* const pipe = ::popen(command.c_str(), "r");
    if (pipe == nullptr) throw std::runtime_error("cannot start python");
    std::string output;
    std::array<char, 4096> piece;
    for (std::size_t n; (n = std::fread(piece.data(), 1, piece.size(), pipe)) > 0;) output.append(piece.data(), n);
    code_ = WEXITSTATUS(::pclose(pipe));
    return output;
  }

  bool missing(std::string const& output) const { return code_ == 127 || output.find("SKIPPED") != std::string::npos; }

  halfstep_test::temporary_folder folder_;
  int code_ = 0;
};

TEST_F(Python, WriterGivesTheReferencesBytes) {
  std::string const output = python("write " + folder_.path());
  if (missing(output)) GTEST_SKIP() << "SKIPPED: needs Python with safetensors and numpy: " << output;
  ASSERT_EQ(code_, 0) << output;
  std::istringstream names(output);
  int files = 0;
  for (std::string name; names >> name; ++files) {
    st::reader const reference(folder_.path(name));
    std::vector<st::tensor_spec> specs;
    for (st::tensor const& t : reference.head().tensors()) specs.push_back({t.name, t.type, t.shape});
    std::shuffle(specs.begin(), specs.end(), std::mt19937(7));
    {
      st::writer ours(folder_.path(name + ".ours"), st::arrange(specs, reference.head().metadata()),
                      halfstep::file::overwrite::refuse, {});
      for (st::tensor const& t : reference.head().tensors()) {
        std::vector<std::byte> bytes(t.bytes());
        reference.read(t, 0, bytes);
        ours.write(ours.at(t.name), 0, bytes);
      }
      ours.commit();
    }
    EXPECT_TRUE(load(folder_.path(name)) == load(folder_.path(name + ".ours"))) << name;
  }
  EXPECT_EQ(files, 6);
}

// Headers that differ from valid ones in a few characters.
class mutations {
 public:
  std::string next() {
    std::string text = seeds_[pick(seeds_.size())];
    for (std::size_t edits = 1 + pick(3); edits > 0; --edits) {
      std::size_t const at = pick(text.size());
      std::string const& piece = pieces_[pick(pieces_.size())];
      switch (pick(4)) {
        case 0:
          text.insert(at, piece);
          break;
        case 1:
          text.replace(at, std::min(piece.size(), text.size() - at), piece);
          break;
        case 2:
          text.erase(at, 1 + pick(4));
          break;
        default:
          text.insert(at, text.substr(pick(text.size()), pick(20)));
          break;
      }
      if (text.empty()) text = "{}";
    }
    return text;
  }

 private:
  std::size_t pick(std::size_t n) { return random_() % n; }

  std::mt19937_64 random_{11};
  std::vector<std::string> seeds_{
      "{}", R"({"a":{"dtype":"U8","shape":[2,3],"data_offsets":[0,6]},"b":{"dtype":"F32","shape":[],"data_offsets":[6,10]}})",
      R"({"__metadata__":{"k":"v","l":"w"},"a":{"dtype":"F4","shape":[0,2],"data_offsets":[0,0]}})",
      R"( {"\u0061\n":{"data_offsets":[0,0],"x":[1,{"y":null}],"shape":[0],"dtype":"BF16"},"__metadata__":null} )",
      "{\"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\":{\"dtype\":\"F6_E2M3\",\"shape\":[4],\"data_offsets\":[0,3]}}"};
  std::vector<std::string> pieces_{" ",
                                   "\t",
                                   "\n",
                                   "\v",
                                   "\f",
                                   ",",
                                   "[",
                                   "]",
                                   "{",
                                   "}",
                                   "\"",
                                   "0",
                                   "1",
                                   "-",
                                   "+",
                                   ".",
                                   "e0",
                                   "null",
                                   "true",
                                   "\\u0062",
                                   "\\ud800",
                                   "\\ud83d\\ude00",
                                   "\x80",
                                   "\xc2",
                                   "\xed\xa0\x80",
                                   "\x7f",
                                   "\"x\":1,",
                                   "\"x\":{},",
                                   "\"a\":",
                                   "\"__metadata__\":",
                                   "18446744073709551615",
                                   "F8_E8M0",
                                   "\xef\xbb\xbf",
                                   "[]",
                                   "{}",
                                   "\"\"",
                                   "//",
                                   "NaN"};
};

TEST_F(Python, LibraryTakesEveryHeaderThatOurReaderTakes) {
  mutations headers;
  std::string accepted;
  int count = 0;
  for (int i = 0; i < 200'000 && count < 1200; ++i) {
    std::string const text = headers.next();
    for (std::uint64_t const data_bytes : {0u, 3u, 4u, 6u, 10u}) {
      if (!halfstep_test::refusal(text, data_bytes).empty()) continue;
      for (int k = 0; k < 4; ++k) accepted += static_cast<char>(text.size() >> 8 * k & 0xff);
      for (int k = 0; k < 8; ++k) accepted += static_cast<char>(data_bytes >> 8 * k & 0xff);
      accepted += text;
      ++count;
    }
  }
  ASSERT_GE(count, 1000);
  halfstep_test::save(folder_.path("headers"), accepted);
  std::string const output = python("accept " + folder_.path("headers"));
  if (missing(output)) GTEST_SKIP() << "SKIPPED: needs Python with safetensors and numpy: " << output;
  EXPECT_EQ(output, "checked " + std::to_string(count) + "\n");
}

}  // namespace
