#include <halfstep/safetensors/writer.hpp>

#include <sys/file.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <optional>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "../support/files.hpp"
#include "as_user.hpp"

namespace {

using halfstep::dtype;
using halfstep::io_error;
using halfstep::io_stage;
using halfstep_test::bytes_of;
using halfstep_test::load;
using halfstep_test::save;
using halfstep_test::temporary_folder;
using halfstep_test::thrown;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
namespace st = halfstep::safetensors;

st::header layout() { return st::arrange({{"a", dtype::u8, {4}}, {"b", dtype::i16, {3}}, {"e", dtype::f32, {0}}}, {{"k", "v"}}); }

class Writer : public testing::Test {
 protected:
  st::writer open(halfstep::file::overwrite existing = halfstep::file::overwrite::refuse,
                  std::vector<halfstep::file::file_identity> const& inputs = {}) {
    return st::writer(out_, layout(), existing, inputs);
  }

  void fill(st::writer& w) {
    w.write(w.at("a"), 0, bytes_of("ABCD"));
    w.write(w.at("b"), 0, bytes_of("uvwxyz"));
  }

  // Expects a refusal at `stage` whose text holds `reason`, and nothing new in the folder.
  void expect_refused(io_stage stage, std::string const& reason,
                      halfstep::file::overwrite existing = halfstep::file::overwrite::refuse,
                      std::vector<halfstep::file::file_identity> const& inputs = {}) {
    auto const before = folder_.names();
    try {
      open(existing, inputs);
      ADD_FAILURE() << out_ << " was opened";
    } catch (io_error const& e) {
      EXPECT_EQ(e.stage(), stage) << e.what();
      EXPECT_THAT(e.what(), HasSubstr(reason));
      EXPECT_THAT(e.what(), HasSubstr(out_));
    }
    EXPECT_EQ(folder_.names(), before);
  }

  temporary_folder folder_;
  std::string out_ = folder_.path("out.safetensors");
};

TEST_F(Writer, PublishesAFileThatTheReaderTakes) {
  {
    auto w = open();
    fill(w);
    w.commit();
    EXPECT_EQ(std::filesystem::file_size(out_), w.file_bytes());
  }
  EXPECT_EQ(load(out_), halfstep_test::framed(layout(), "uvwxyzABCD"));
  EXPECT_THAT(folder_.names(), ElementsAre("out.safetensors"));
  st::reader const r(out_);
  EXPECT_EQ(r.head(), layout());
}

TEST_F(Writer, WritesPiecesInAnyOrderOnSeveralThreads) {
  constexpr std::size_t size = 80u << 20;  // more than two windows of write-back
  std::string data(size, ' ');
  for (std::size_t i = 0; i < size; ++i) data[i] = static_cast<char>(i * 2654435761u >> 11);
  {
    st::writer w(out_, st::arrange({{"a", dtype::u8, {size}}}, {}), halfstep::file::overwrite::refuse, {});
    std::vector<std::thread> threads;
    for (std::size_t t = 0; t < 4; ++t)
      threads.emplace_back([&, t] {
        for (std::size_t piece = t; piece < 80; piece += 4) {
          std::size_t const at = (79 - piece) << 20;
          w.write(w.slots()[0], at, bytes_of(std::string_view(data).substr(at, 1u << 20)));
        }
      });
    for (std::thread& t : threads) t.join();
    w.commit();
  }
  EXPECT_TRUE(load(out_).substr(8 + st::serialize(st::reader(out_).head()).size()) == data);
}

TEST_F(Writer, ReadsBackWhatItWrote) {
  auto w = open();
  fill(w);
  std::string piece(3, ' ');
  w.read_back(w.at("b"), 2, std::as_writable_bytes(std::span(piece)));
  EXPECT_EQ(piece, "wxy");
}

TEST_F(Writer, RefusesPiecesBeyondATensor) {
  auto w = open();
  EXPECT_THROW(w.write(w.at("a"), 1, bytes_of("ABCD")), halfstep::shape_error);
  std::byte piece[5];
  EXPECT_THROW(w.read_back(w.at("a"), 0, piece), halfstep::shape_error);
}

TEST_F(Writer, RefusesToPublishBeforeEveryByteIsWritten) {
  auto w = open();
  w.write(w.at("a"), 0, bytes_of("ABCD"));
  EXPECT_THAT(thrown<halfstep::error>([&] { w.commit(); }), HasSubstr("4 of its 10 bytes"));
  EXPECT_FALSE(std::filesystem::exists(out_));
}

TEST_F(Writer, SaysWhichTensorLacksBytes) {
  auto w = open();
  w.write(w.at("b"), 0, bytes_of("uvwxyz"));
  w.write(w.at("a"), 0, bytes_of("AB"));
  EXPECT_THAT(thrown<halfstep::error>([&] { w.commit(); }), HasSubstr("of tensor 'a' those from 2 on are missing"));
}

TEST_F(Writer, TakesBytesThatWereWrittenTwiceForNoOthers) {
  {
    auto w = open();
    w.write(w.at("a"), 0, bytes_of("ABCD"));
    for (int i = 0; i < 2; ++i) w.write(w.at("b"), 0, bytes_of("uvw"));  // six bytes in all, as many as it has
    EXPECT_THAT(thrown<halfstep::error>([&] { w.commit(); }), HasSubstr("of tensor 'b' those from 3 on are missing"));
  }
  auto w = open();
  for (int i = 0; i < 3; ++i) w.write(w.at("a"), 0, bytes_of("ABCD"));
  EXPECT_THAT(thrown<halfstep::error>([&] { w.commit(); }), HasSubstr("of tensor 'b' those from 0 on are missing"));
  EXPECT_FALSE(std::filesystem::exists(out_));
}

TEST_F(Writer, WritesWhereItsOwnHeaderSaysWhateverAnotherFileSaysOfTheName) {
  std::string const input = folder_.path("in.safetensors");
  {
    st::writer other(input, st::arrange({{"a", dtype::u8, {4}}, {"aa", dtype::u8, {6}}}, {}), halfstep::file::overwrite::refuse,
                     {});
    EXPECT_NE(other.at("a").entry().begin, layout().find("a")->begin) << "it lies elsewhere there";
    other.write(other.at("a"), 0, bytes_of("ABCD"));
    other.write(other.at("aa"), 0, bytes_of("123456"));
    other.commit();
  }
  st::reader const from(input);
  auto w = open();
  for (auto const& t : from.head().tensors())
    if (t.name == "a") w.write(w.at(t.name), 0, bytes_of("ABCD"));
  w.write(w.at("b"), 0, bytes_of("uvwxyz"));
  w.commit();
  EXPECT_EQ(load(out_), halfstep_test::framed(layout(), "uvwxyzABCD"));
}

TEST_F(Writer, RefusesASlotOfAnotherOutput) {
  auto w = open();
  st::writer other(folder_.path("other"), layout(), halfstep::file::overwrite::refuse, {});
  std::byte piece[4] = {};
  EXPECT_THAT(thrown<halfstep::error>([&] { w.write(other.at("a"), 0, piece); }), HasSubstr("the slot is another output's"));
  EXPECT_THROW(w.read_back(other.at("a"), 0, piece), halfstep::error);
  EXPECT_THROW(w.take_over(other.at("a")), halfstep::error);
}

TEST_F(Writer, NamesATensorThatItHasNot) {
  auto w = open();
  EXPECT_THAT(thrown<halfstep::error>([&] { w.at("missing"); }), HasSubstr("'missing'"));
  ASSERT_EQ(w.slots().size(), w.head().tensors().size());
  for (std::size_t i = 0; i < w.slots().size(); ++i) EXPECT_EQ(&w.slots()[i].entry(), &w.head().tensors()[i]);
}

TEST_F(Writer, LeavesNothingWithoutCommit) {
  {
    auto w = open();
    fill(w);
    EXPECT_THAT(folder_.names(), ElementsAre("out.safetensors.part"));
  }
  EXPECT_THAT(folder_.names(), IsEmpty());
}

TEST_F(Writer, TakesItsFullSizeOnTheDiskAtOnce) {
  st::writer const w(out_, st::arrange({{"a", dtype::u8, {1u << 20}}}, {}), halfstep::file::overwrite::refuse, {});
  struct ::stat s;
  ASSERT_EQ(::stat((out_ + ".part").c_str(), &s), 0);
  EXPECT_EQ(static_cast<std::uint64_t>(s.st_size), w.file_bytes());
  EXPECT_GE(static_cast<std::uint64_t>(s.st_blocks) * 512, w.file_bytes());
}

TEST_F(Writer, KeepsThePartInvalidUntilItIsPublished) {
  auto w = open();
  EXPECT_THROW(st::reader(out_ + ".part"), halfstep::format_error);
  fill(w);
  EXPECT_THROW(st::reader(out_ + ".part"), halfstep::format_error);
  EXPECT_EQ(load(out_ + ".part").substr(0, 8), std::string(8, '\0'));
  w.commit();
  EXPECT_FALSE(std::filesystem::exists(out_ + ".part"));
}

TEST_F(Writer, RefusesAnExistingOutput) {
  save(out_, "old");
  expect_refused(io_stage::create_output, "it exists");
  EXPECT_EQ(load(out_), "old");
}

TEST_F(Writer, ReplacesAnExistingOutputOnRequestAndOnlyWhenComplete) {
  save(out_, "old");
  { auto const w = open(halfstep::file::overwrite::replace); }
  EXPECT_EQ(load(out_), "old");
  {
    auto w = open(halfstep::file::overwrite::replace);
    fill(w);
    EXPECT_EQ(load(out_), "old");
    w.commit();
  }
  EXPECT_EQ(st::reader(out_).head(), layout());
  EXPECT_THAT(folder_.names(), ElementsAre("out.safetensors"));
}

TEST_F(Writer, RefusesAnOutputThatAppearedMeanwhile) {
  auto w = open();
  fill(w);
  save(out_, "somebody else's");
  EXPECT_THAT(thrown<io_error>([&] { w.commit(); }), HasSubstr("it exists"));
  EXPECT_EQ(load(out_), "somebody else's");
}

TEST_F(Writer, RefusesWhatIsNoRegularFileEvenWhenAskedToReplace) {
  std::filesystem::create_directory(out_);
  expect_refused(io_stage::create_output, "it is a directory", halfstep::file::overwrite::replace);
  std::filesystem::remove(out_);
  ASSERT_EQ(::mkfifo(out_.c_str(), 0600), 0);
  expect_refused(io_stage::create_output, "not a regular file", halfstep::file::overwrite::replace);
  std::filesystem::remove(out_);
  std::filesystem::create_symlink(folder_.path("nowhere"), out_);
  expect_refused(io_stage::create_output, "symbolic link to nothing", halfstep::file::overwrite::replace);
  std::filesystem::remove(out_);
  std::filesystem::create_symlink("/dev/null", out_);
  EXPECT_THAT(thrown<io_error>([&] { open(halfstep::file::overwrite::replace); }), HasSubstr("not a regular file"));
  for (std::string const path : {"/dev/null", "/dev/full"}) {
    EXPECT_THAT(thrown<io_error>([&] { st::writer const w(path, layout(), halfstep::file::overwrite::replace, {}); }),
                HasSubstr("not a regular file"));
    EXPECT_TRUE(std::filesystem::is_character_file(path));
    EXPECT_FALSE(std::filesystem::exists(path + ".part"));
  }
}

TEST_F(Writer, LeavesADeviceNodeInAFolderAsItIs) {
  if (::mknod(out_.c_str(), S_IFCHR | 0600, (1u << 8) | 3u) != 0) GTEST_SKIP() << "SKIPPED: cannot make a device node here";
  expect_refused(io_stage::create_output, "not a regular file", halfstep::file::overwrite::replace);
  EXPECT_TRUE(std::filesystem::is_character_file(out_));
}

TEST_F(Writer, RefusesAnInputUnderAnyName) {
  std::string const input = folder_.path("in.safetensors");
  save(input, halfstep_test::framed("{}"));
  std::vector<halfstep::file::file_identity> const inputs{st::reader(input).identity()};
  out_ = input;
  expect_refused(io_stage::create_output, "it is an input", halfstep::file::overwrite::replace, inputs);
  out_ = folder_.path("link");
  std::filesystem::create_symlink(input, out_);
  expect_refused(io_stage::create_output, "it is an input", halfstep::file::overwrite::replace, inputs);
  out_ = folder_.path("hard");
  std::filesystem::create_hard_link(input, out_);
  expect_refused(io_stage::create_output, "it is an input", halfstep::file::overwrite::replace, inputs);
  EXPECT_EQ(load(input), halfstep_test::framed("{}"));
}

TEST_F(Writer, RefusesAPartThatIsAnInputOrHasASecondName) {
  std::string const input = folder_.path("in.safetensors");
  save(input, halfstep_test::framed("{}"));
  std::filesystem::create_hard_link(input, out_ + ".part");
  expect_refused(io_stage::create_output, "it is an input", halfstep::file::overwrite::refuse, {st::reader(input).identity()});
  expect_refused(io_stage::create_output, "second name");
  std::filesystem::remove(out_ + ".part");
  std::filesystem::create_symlink(input, out_ + ".part");
  expect_refused(io_stage::create_output, "out.safetensors.part");
  std::filesystem::remove(out_ + ".part");
  ASSERT_EQ(::mkfifo((out_ + ".part").c_str(), 0600), 0);
  expect_refused(io_stage::create_output, "not a regular file");
  EXPECT_EQ(load(input), halfstep_test::framed("{}"));
}

TEST_F(Writer, FollowsASymlinkToAnOldOutput) {
  std::filesystem::create_directory(folder_.path("real"));
  save(folder_.path("real/file"), "old");
  std::filesystem::create_symlink("real/file", out_);
  {
    auto w = open(halfstep::file::overwrite::replace);
    EXPECT_TRUE(std::filesystem::exists(folder_.path("real/file.part")));
    fill(w);
    w.commit();
  }
  EXPECT_TRUE(std::filesystem::is_symlink(out_));
  EXPECT_EQ(st::reader(folder_.path("real/file")).head(), layout());
}

TEST_F(Writer, RefusesAFolderThatIsMissingOrReadOnly) {
  out_ = folder_.path("missing/out");
  expect_refused(io_stage::create_output, "No such file or directory");
  out_ = folder_.path("file/out");
  save(folder_.path("file"), "");
  expect_refused(io_stage::create_output, "Not a directory");
  out_ = folder_.path("read-only/out");
  std::filesystem::create_directory(folder_.path("read-only"));
  ASSERT_EQ(::chmod(folder_.path().c_str(), 0755), 0);
  halfstep_test::as_user([&] { return thrown<io_error>([&] { open(); }).find("Permission denied") != std::string::npos; });
  EXPECT_TRUE(std::filesystem::is_empty(folder_.path("read-only")));
}

TEST_F(Writer, NamesAFolderGivenAsOutput) {
  out_ = folder_.path() + "/";
  expect_refused(io_stage::create_output, "directory");
  out_ = "..";
  EXPECT_THROW(open(), io_error);
}

TEST_F(Writer, RefusesAnOutputThatAnotherRunHolds) {
  auto first = open();
  fill(first);
  expect_refused(io_stage::busy, "another run");
  first.commit();
  EXPECT_EQ(st::reader(out_).head(), layout());
}

TEST_F(Writer, TakesOverThePartOfARunThatDied) {
  save(out_ + ".part", std::string(100'000, 'x'));
  {
    auto w = open();
    EXPECT_EQ(std::filesystem::file_size(out_ + ".part"), w.file_bytes());
    EXPECT_EQ(load(out_ + ".part").substr(0, 8), std::string(8, '\0'));
    fill(w);
    w.commit();
  }
  EXPECT_EQ(load(out_), halfstep_test::framed(layout(), "uvwxyzABCD"));
}

TEST_F(Writer, RefusesAHeaderTooLongBeforeTouchingTheDisk) {
  auto const h = st::arrange({}, {{"k", std::string(100'000'000, 'v')}});
  EXPECT_THROW(st::writer(out_, h, halfstep::file::overwrite::refuse, {}), halfstep::format_error);
  EXPECT_THAT(folder_.names(), IsEmpty());
}

TEST_F(Writer, ReportsAFullDiskAtOnceAndLeavesNothing) {
  std::string const mount = folder_.path("full");
  std::filesystem::create_directory(mount);
  if (::mount("tmpfs", mount.c_str(), "tmpfs", 0, "size=512k") != 0) GTEST_SKIP() << "SKIPPED: cannot mount a tmpfs here";
  std::string text;
  std::optional<io_stage> stage;
  try {
    st::writer const w(mount + "/out", st::arrange({{"a", dtype::u8, {1u << 20}}}, {}), halfstep::file::overwrite::refuse, {});
  } catch (io_error const& e) {
    text = e.what();
    stage = e.stage();
  }
  bool const empty = std::filesystem::is_empty(mount);
  ::umount2(mount.c_str(), MNT_DETACH);
  EXPECT_EQ(stage, io_stage::transfer);
  EXPECT_THAT(text, HasSubstr("No space left on device"));
  EXPECT_TRUE(empty);
}

TEST_F(Writer, ReportsAFileSizeLimit) {
  ASSERT_EQ(::chmod(folder_.path().c_str(), 0777), 0);
  halfstep_test::as_user([&] {
    ::signal(SIGXFSZ, SIG_IGN);
    rlimit const limit{1 << 16, 1 << 16};
    ::setrlimit(RLIMIT_FSIZE, &limit);
    auto const text = thrown<io_error>([&] {
      st::writer const w(out_, st::arrange({{"a", dtype::u8, {1u << 20}}}, {}), halfstep::file::overwrite::refuse, {});
    });
    return text.find("File too large") != std::string::npos;
  });
  EXPECT_THAT(folder_.names(), IsEmpty());
}

class KeptPart : public Writer {
 protected:
  st::writer open_kept() {
    return st::writer(out_, layout(), halfstep::file::overwrite::refuse, {}, halfstep::file::locked_part::find(out_, {}));
  }

  // Leaves a part that holds `a`, and b as far as `b` goes.
  void leave(std::string const& b) {
    auto w = open();
    w.leave(halfstep::file::unfinished::keep);
    w.write(w.at("a"), 0, bytes_of("ABCD"));
    w.write(w.at("b"), 0, bytes_of(b));
  }

  std::string part_ = out_ + ".part";
};

TEST_F(KeptPart, StaysAndIsGoneOnWith) {
  leave("uvw");
  EXPECT_THAT(folder_.names(), ElementsAre("out.safetensors.part"));
  {
    auto w = open_kept();
    std::string stored(4, ' ');
    w.read_back(w.at("a"), 0, std::as_writable_bytes(std::span(stored)));
    EXPECT_EQ(stored, "ABCD");
    EXPECT_THROW(w.commit(), halfstep::error) << "what was taken over must be said";
  }
  auto w = open_kept();
  w.take_over(w.at("a"));
  w.write(w.at("b"), 0, bytes_of("uvwxyz"));
  EXPECT_TRUE(w.is_kept()) << "what was found stays";
  bool published = false;
  w.commit([&] { published = std::filesystem::exists(out_); });
  EXPECT_TRUE(published);
  EXPECT_EQ(load(out_), halfstep_test::framed(layout(), "uvwxyzABCD"));
  EXPECT_THAT(folder_.names(), ElementsAre("out.safetensors"));
}

TEST_F(KeptPart, IsNoFileUntilItIsSealedAgain) {
  leave("uvwxyz");
  std::string const sealed = halfstep_test::framed(layout(), "uvwxyzABCD");
  save(part_, sealed);
  auto w = open_kept();
  EXPECT_EQ(load(part_).substr(0, 8), std::string(8, '\0'));
  EXPECT_EQ(load(part_).substr(8), sealed.substr(8));
}

TEST_F(KeptPart, OfAnotherSizeIsEmptied) {
  save(part_, "something else");
  auto w = open_kept();
  std::string stored(4, ' ');
  w.read_back(w.at("a"), 0, std::as_writable_bytes(std::span(stored)));
  EXPECT_EQ(stored, std::string(4, '\0'));
  EXPECT_EQ(std::filesystem::file_size(part_), w.file_bytes());
  EXPECT_FALSE(w.is_kept()) << "it was not gone on with";
}

TEST_F(KeptPart, IsNotMadeWhereTheOutputIsRefused) {
  save(out_, "precious");
  EXPECT_THROW(open_kept(), io_error);
  EXPECT_THAT(folder_.names(), ElementsAre("out.safetensors"));
  std::filesystem::remove(out_);
  leave("uvw");
  auto const before = load(part_);
  save(out_, "precious");
  EXPECT_THROW(open_kept(), io_error);
  EXPECT_EQ(load(part_), before) << "nor touched";
}

TEST_F(KeptPart, IsGoneAfterARunThatKeepsNothing) {
  leave("uvw");
  { auto const w = open(); }
  EXPECT_THAT(folder_.names(), IsEmpty());
}

TEST_F(Writer, TellsItsWatcherWhatItWrote) {
  auto w = open();
  w.write(w.at("b"), 0, bytes_of("uvw"));  // before it was asked to
  std::vector<std::string> told;
  w.watch([&](st::slot const& to, std::uint64_t offset, std::span<std::byte const> bytes) {
    told.push_back(to.entry().name + ' ' + std::to_string(offset) + ' ' +
                   std::string(reinterpret_cast<char const*>(bytes.data()), bytes.size()));
  });
  w.write(w.at("b"), 3, bytes_of("xyz"));
  EXPECT_THROW(w.write(w.at("a"), 1, bytes_of("ABCD")), halfstep::shape_error);
  w.watch({});
  w.write(w.at("a"), 0, bytes_of("ABCD"));
  EXPECT_THAT(told, ElementsAre("b 3 xyz"));
}

}  // namespace
