#include <halfstep/file/journal_file.hpp>

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <halfstep/file/input_file.hpp>

#include "../support/files.hpp"

namespace {

using halfstep::io_error;
using halfstep::io_stage;
using halfstep_test::load;
using halfstep_test::save;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
namespace st = halfstep::file;

class JournalFile : public testing::Test {
 protected:
  JournalFile() { save(part_, "an unfinished output"); }

  void write(std::vector<std::string> const& records) {
    halfstep::file::journal_file journal(out_, {});
    for (auto const& record : records) ASSERT_TRUE(journal.append(record));
    ASSERT_TRUE(journal.flush());
  }

  void expect_refused(std::string const& reason, std::vector<halfstep::file::file_identity> const& inputs = {}) {
    try {
      halfstep::file::journal_file const journal(out_, inputs);
      ADD_FAILURE() << "opened";
    } catch (io_error const& e) {
      EXPECT_EQ(e.stage(), io_stage::create_output);
      EXPECT_THAT(e.what(), HasSubstr(reason));
      EXPECT_THAT(e.what(), HasSubstr(path_));
    }
  }

  halfstep_test::temporary_folder folder_;
  std::string out_ = folder_.path("out.safetensors");
  std::string part_ = out_ + ".part";
  std::string path_ = part_ + ".journal";
  std::vector<std::string> const records_{"first", "", std::string(300, 'x') + "\xc3\xa4", "last {\"of\": 4}"};
};

TEST_F(JournalFile, GivesBackWhatWasAdded) {
  EXPECT_THAT(halfstep::file::journal_file::read(out_).texts, IsEmpty());
  write(records_);
  auto const found = halfstep::file::journal_file::read(out_);
  EXPECT_EQ(found.texts, records_);
  EXPECT_EQ(found.bytes, std::filesystem::file_size(path_));
  EXPECT_THAT(halfstep::file::journal_file::read(out_, 1).texts, ElementsAre("first"));
  std::filesystem::remove(part_);
  EXPECT_THAT(halfstep::file::journal_file::read(out_).texts, IsEmpty()) << "there is nothing that it could speak of";
}

TEST_F(JournalFile, IsReadInPieces) {
  std::vector<std::string> records;
  for (std::size_t i = 0; i < 300; ++i) records.push_back(std::string(i * 97 % 20011, static_cast<char>('a' + i % 26)));
  write(records);
  EXPECT_EQ(halfstep::file::journal_file::read(out_).texts, records);
}

TEST_F(JournalFile, EndsWhereNoRecordIsInSight) {
  write({"one"});
  std::filesystem::resize_file(path_, std::uint64_t{1} << 30);
  EXPECT_THAT(halfstep::file::journal_file::read(out_).texts, ElementsAre("one"));
  save(path_, "");
  std::filesystem::resize_file(path_, std::uint64_t{1} << 30);
  EXPECT_THAT(halfstep::file::journal_file::read(out_).texts, IsEmpty());
}

TEST_F(JournalFile, DropsATornTailWhereverItIsTorn) {
  write(records_);
  std::string const whole = load(path_);
  for (std::size_t size = 0; size < whole.size(); ++size) {
    save(path_, whole.substr(0, size));
    auto const found = halfstep::file::journal_file::read(out_);
    auto const lines =
        static_cast<std::size_t>(std::count(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size), '\n'));
    ASSERT_EQ(found.texts, std::vector(records_.begin(), records_.begin() + static_cast<std::ptrdiff_t>(lines))) << size;
    ASSERT_EQ(found.bytes, lines == 0 ? 0 : whole.rfind('\n', size - 1) + 1) << size;
  }
}

TEST_F(JournalFile, TrustsNothingFromAChangedByteOn) {
  write(records_);
  std::string const whole = load(path_);
  for (std::size_t at = 0; at < whole.size(); ++at) {
    std::string changed = whole;
    changed[at] ^= 4;
    save(path_, changed);
    auto const before =
        static_cast<std::size_t>(std::count(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(at), '\n'));
    ASSERT_EQ(halfstep::file::journal_file::read(out_).texts.size(), before) << at;
  }
  save(path_, whole + std::string(4096, '\0'));
  EXPECT_EQ(halfstep::file::journal_file::read(out_).texts, records_) << "blocks that were allocated and never written";
}

TEST_F(JournalFile, GoesOnBehindWhatIsWhole) {
  write({"one", "two"});
  save(path_, load(path_) + "0123 torn");
  {
    auto journal = halfstep::file::journal_file::find(out_, {});
    ASSERT_TRUE(journal);
    EXPECT_THAT(journal->take_records(), ElementsAre("one", "two"));
    EXPECT_THAT(load(path_), HasSubstr("torn")) << "nothing changes before something is added";
    EXPECT_FALSE(journal->is_empty());
    ASSERT_TRUE(journal->append("three"));
    ASSERT_TRUE(journal->append("four"));
  }
  EXPECT_THAT(halfstep::file::journal_file::read(out_).texts, ElementsAre("one", "two", "three", "four"));
  write({"anew"});
  EXPECT_THAT(halfstep::file::journal_file::read(out_).texts, ElementsAre("anew"));
}

TEST_F(JournalFile, IsNotFoundWhereNoRecordIsWhole) {
  EXPECT_FALSE(halfstep::file::journal_file::find(out_, {}));
  EXPECT_FALSE(std::filesystem::exists(path_));
  save(path_, "precious");
  EXPECT_FALSE(halfstep::file::journal_file::find(out_, {}));
  EXPECT_EQ(load(path_), "precious");
}

TEST_F(JournalFile, LiesBesideTheFileThatALinkLeadsTo) {
  std::filesystem::create_directory(folder_.path("there"));
  save(folder_.path("there/real"), "");
  std::filesystem::create_symlink(folder_.path("there/real"), out_);
  save(folder_.path("there/real.part"), "");
  write({"one"});
  EXPECT_TRUE(std::filesystem::exists(folder_.path("there/real.part.journal")));
  EXPECT_THAT(halfstep::file::journal_file::read(out_).texts, ElementsAre("one"));
}

TEST_F(JournalFile, IsRemovedUnlessItIsAnothers) {
  halfstep::file::journal_file journal(out_, {});
  journal.remove();
  EXPECT_THAT(folder_.names(), ElementsAre("out.safetensors.part"));
  halfstep::file::journal_file mine(out_, {});
  std::filesystem::remove(path_);
  write({"another run's"});
  mine.remove();
  EXPECT_THAT(halfstep::file::journal_file::read(out_).texts, ElementsAre("another run's"));
}

TEST_F(JournalFile, IsARegularFileOfItsOwnOrNone) {
  std::filesystem::create_directory(path_);
  expect_refused("Is a directory");
  std::filesystem::remove(path_);
  ASSERT_EQ(::mkfifo(path_.c_str(), 0600), 0);
  expect_refused("not a regular file");
  EXPECT_THROW(halfstep::file::journal_file::read(out_), io_error);
  std::filesystem::remove(path_);
  save(folder_.path("other"), "precious");
  std::filesystem::create_symlink(folder_.path("other"), path_);
  expect_refused("symbolic link");
  std::filesystem::remove(path_);
  std::filesystem::create_hard_link(folder_.path("other"), path_);
  expect_refused("second name");
  std::filesystem::remove(path_);
  std::filesystem::rename(folder_.path("other"), path_);
  expect_refused("not a journal");
  EXPECT_EQ(load(path_), "precious");
  std::filesystem::remove(path_);
  write({"one"});
  halfstep::file::input_file const input(path_);
  expect_refused("an input of this run", {input.identity()});
  EXPECT_THAT(halfstep::file::journal_file::read(out_).texts, ElementsAre("one"));
}

TEST_F(JournalFile, NeedsTheOutputsDirectory) {
  out_ = folder_.path("missing/out.safetensors");
  path_ = out_;
  expect_refused("create it or choose another");
  EXPECT_THROW(halfstep::file::journal_file::read(out_), io_error);
}

}  // namespace
