#include <halfstep/safetensors/reader.hpp>

#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <optional>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <halfstep/safetensors/mapped_file.hpp>

#include "../support/files.hpp"
#include "as_user.hpp"

namespace {

using halfstep::format_error;
using halfstep::io_error;
using halfstep::io_stage;
using halfstep_test::framed;
using halfstep_test::load;
using halfstep_test::save;
using halfstep_test::temporary_folder;
using halfstep_test::thrown;
using testing::AllOf;
using testing::HasSubstr;
namespace st = halfstep::safetensors;

std::string const two_tensors =
    R"({"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]},"b":{"dtype":"U8","shape":[2],"data_offsets":[4,6]}})";

template <class Action>
io_stage stage_of(Action action) {
  try {
    action();
  } catch (io_error const& e) {
    return e.stage();
  }
  throw std::runtime_error("no io_error");
}

class Reader : public testing::Test {
 protected:
  std::string refusal(std::string_view content) {
    save(path_, content);
    return thrown<format_error>([&] { st::reader const r(path_); });
  }

  temporary_folder folder_;
  std::string path_ = folder_.path("in.safetensors");
};

TEST_F(Reader, ReadsPiecesOfTensors) {
  save(path_, framed(two_tensors, "ABCDef"));
  st::reader const r(path_);
  EXPECT_EQ(r.file_bytes(), 8 + two_tensors.size() + 6);
  EXPECT_EQ(r.path(), path_);
  std::string piece(2, ' ');
  r.read(*r.head().find("a"), 1, std::as_writable_bytes(std::span(piece)));
  EXPECT_EQ(piece, "BC");
  r.read(*r.head().find("b"), 0, std::as_writable_bytes(std::span(piece)));
  EXPECT_EQ(piece, "ef");
  r.read(*r.head().find("b"), 2, {});
}

TEST_F(Reader, RefusesPiecesBeyondATensor) {
  save(path_, framed(two_tensors, "ABCDef"));
  st::reader const r(path_);
  std::byte piece[5];
  EXPECT_THROW(r.read(*r.head().find("a"), 0, piece), halfstep::shape_error);
  EXPECT_THROW(r.read(*r.head().find("b"), 3, {}), halfstep::shape_error);
  EXPECT_THROW(r.read(*r.head().find("b"), ~std::uint64_t{0}, piece), halfstep::shape_error);
}

TEST_F(Reader, RefusesFilesTooShortForALength) {
  EXPECT_THAT(refusal(""), AllOf(HasSubstr("it has 0 bytes"), HasSubstr("in.safetensors")));
  EXPECT_THAT(refusal(std::string(7, '\0')), HasSubstr("it has 7 bytes"));
}

TEST_F(Reader, RefusesALengthOfZero) {
  EXPECT_THAT(refusal(std::string(8, '\0')), HasSubstr("an unfinished file, which begins with zeros"));
  EXPECT_THAT(refusal(std::string(8, '\0') + two_tensors + "ABCDef"), HasSubstr("an unfinished file, which begins with zeros"));
}

TEST_F(Reader, NamesBothSizesOfATruncatedFile) {
  std::string const whole = framed(two_tensors, "ABCDef");
  EXPECT_THAT(refusal(whole.substr(0, whole.size() - 1)), HasSubstr("need 6 bytes of data, and 5 follow"));
  EXPECT_THAT(refusal(whole + '\0'), HasSubstr("need 6 bytes of data, and 7 follow"));
  EXPECT_THAT(refusal(whole.substr(0, 50)),
              AllOf(HasSubstr("it has 50 bytes"), HasSubstr("needs " + std::to_string(8 + two_tensors.size()))));
  for (std::size_t size = 0; size < whole.size(); ++size) ASSERT_NE(refusal(whole.substr(0, size)), "") << size;
}

TEST_F(Reader, RefusesALengthBeforeAllocatingIt) {
  std::string content = framed(two_tensors, "ABCDef");
  for (char const last : {'\x01', '\x7f', '\x80', '\xff'}) {
    content[7] = last;
    EXPECT_THAT(refusal(content), HasSubstr("longer than 100000000")) << static_cast<int>(last);
  }
  std::string const just_over = framed("").replace(0, 4, "\x01\xe1\xf5\x05");  // 100,000,001
  EXPECT_THAT(refusal(just_over), HasSubstr("longer than 100000000"));
  std::string const at_limit = framed("").replace(0, 4, std::string("\x00\xe1\xf5\x05", 4));
  EXPECT_THAT(refusal(at_limit), AllOf(HasSubstr("it has 8 bytes"), HasSubstr("100000008")));
}

TEST_F(Reader, AcceptsAHeaderOfTheLongestLength) {
  std::string json = "{}";
  json.append(100'000'000 - json.size(), ' ');
  EXPECT_EQ(refusal(framed(json)), "");
}

TEST_F(Reader, RefusesOtherFiles) {
  EXPECT_THAT(refusal("PK\x03\x04 a zip archive of pickles"), HasSubstr("it is a ZIP archive"));
  EXPECT_THAT(refusal(framed("[]")), HasSubstr("an object"));
}

TEST_F(Reader, ReadsBeyondFourGigabytes) {
  std::uint64_t const elements = (std::uint64_t{1} << 32) + 8;
  std::string const n = std::to_string(elements);
  std::string const json =
      R"({"big":{"dtype":"I8","shape":[2,)" + std::to_string(elements / 2) + R"(],"data_offsets":[0,)" + n + "]}}";
  save(path_, framed(json));
  std::filesystem::resize_file(path_, 8 + json.size() + elements);
  int const file = ::open(path_.c_str(), O_WRONLY);
  ASSERT_EQ(::pwrite(file, "Z", 1, static_cast<off_t>(8 + json.size() + elements - 1)), 1);
  ::close(file);
  st::reader const r(path_);
  EXPECT_EQ(r.head().tensors()[0].count(), elements);
  std::byte last[2];
  r.read(r.head().tensors()[0], elements - 2, last);
  EXPECT_EQ(last[0], std::byte{0});
  EXPECT_EQ(last[1], std::byte{'Z'});
}

TEST_F(Reader, RefusesWhatIsNoRegularFileWithoutWaiting) {
  ASSERT_EQ(::mkfifo(folder_.path("fifo").c_str(), 0600), 0);
  for (std::string const& path : {folder_.path(), folder_.path("fifo"), std::string("/dev/null"), folder_.path("missing"),
                                  folder_.path("missing/file"), std::string()})
    EXPECT_EQ(stage_of([&] { st::reader const r(path); }), io_stage::open_input) << path;
  EXPECT_THAT(thrown<io_error>([&] { st::reader const r(folder_.path("missing")); }), HasSubstr("No such file or directory"));
  EXPECT_THAT(thrown<io_error>([&] { st::reader const r(folder_.path()); }), HasSubstr("it is a directory"));
}

TEST_F(Reader, SaysWhyAFileIsUnreadable) {
  save(path_, framed("{}"));
  ASSERT_EQ(::chmod(path_.c_str(), 0), 0);
  ASSERT_EQ(::chmod(folder_.path().c_str(), 0755), 0);
  halfstep_test::as_user(
      [&] { return thrown<io_error>([&] { st::reader const r(path_); }).find("Permission denied") != std::string::npos; });
}

TEST_F(Reader, NoticesAFileThatShrinksWhileItIsRead) {
  save(path_, framed(two_tensors, "ABCDef"));
  st::reader const r(path_);
  std::filesystem::resize_file(path_, r.file_bytes() - 1);
  std::byte piece[2];
  EXPECT_EQ(stage_of([&] { r.read(*r.head().find("b"), 0, piece); }), io_stage::input_changed);
  EXPECT_THAT(thrown<io_error>([&] { r.read(*r.head().find("b"), 0, piece); }),
              AllOf(HasSubstr("had " + std::to_string(r.file_bytes())), HasSubstr("byte " + std::to_string(r.file_bytes() - 1))));
  EXPECT_EQ(stage_of([&] { r.require_unchanged(); }), io_stage::input_changed);
}

TEST_F(Reader, NoticesAFileThatIsWrittenToWhileItIsRead) {
  save(path_, framed(two_tensors, "ABCDef"));
  st::reader const r(path_);
  r.require_unchanged();
  std::filesystem::last_write_time(path_, std::filesystem::last_write_time(path_) + std::chrono::milliseconds(1));
  EXPECT_EQ(stage_of([&] { r.require_unchanged(); }), io_stage::input_changed);
}

TEST_F(Reader, ReadsOnSeveralThreadsAtOnce) {
  std::string data(1 << 20, ' ');
  for (std::size_t i = 0; i < data.size(); ++i) data[i] = static_cast<char>(i * 2654435761u >> 13);
  save(path_, framed(R"({"a":{"dtype":"U8","shape":[1048576],"data_offsets":[0,1048576]}})", data));
  st::reader const r(path_);
  std::vector<std::string> copies(4, std::string(data.size(), ' '));
  std::vector<std::thread> threads;
  for (std::string& copy : copies)
    threads.emplace_back([&] {
      for (std::size_t at = 0; at < copy.size(); at += 4096)
        r.read(r.head().tensors()[0], at, std::as_writable_bytes(std::span(copy).subspan(at, 4096)));
    });
  for (std::thread& t : threads) t.join();
  for (std::string const& copy : copies) EXPECT_TRUE(copy == data);
}

TEST_F(Reader, LendsAMappedFilesBytesForChangesOfTheirOwn) {
  save(path_, framed(two_tensors, "ABCDef"));
  auto const lent = [&] {
    st::mapped_file const mapped(path_);
    return mapped.lend(*mapped.head().find("b"));
  }();
  ASSERT_EQ(lent.bytes.size(), 2u);
  lent.bytes[0] = std::byte{'E'};
  EXPECT_EQ(std::string(reinterpret_cast<char const*>(lent.bytes.data()), 2), "Ef");
  EXPECT_EQ(load(path_), framed(two_tensors, "ABCDef"));
}

TEST_F(Reader, MapsAFileToBeReadAloneWhereMemoryIsLimited) {
  save(path_, framed(two_tensors, "ABCDef"));
  ::rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_DATA, &before), 0);
  ::rlimit const least{4096, before.rlim_max};  // 0 would mean none at all to Linux
  ASSERT_EQ(::setrlimit(RLIMIT_DATA, &least), 0);
  std::optional<st::mapped_file> mapped;
  try {
    mapped.emplace(path_);
  } catch (std::exception const&) {
  }
  ASSERT_EQ(::setrlimit(RLIMIT_DATA, &before), 0);
  ASSERT_TRUE(mapped);
  auto const& b = *mapped->head().find("b");
  EXPECT_EQ(std::string(reinterpret_cast<char const*>(mapped->bytes(b).data()), 2), "ef");
  EXPECT_TRUE(mapped->lend(b).bytes.empty());
}

TEST_F(Reader, MapsAFileWhole) {
  save(path_, framed(two_tensors, "ABCDef"));
  st::mapped_file mapped(path_);
  st::mapped_file const moved(std::move(mapped));
  auto const b = moved.bytes(*moved.head().find("b"));
  EXPECT_EQ(std::string(reinterpret_cast<char const*>(b.data()), b.size()), "ef");
  EXPECT_EQ(moved.path(), path_);
  save(path_, "short");
  EXPECT_THROW(st::mapped_file{path_}, format_error);
  EXPECT_THROW(st::mapped_file{folder_.path("missing")}, io_error);
}

}  // namespace
