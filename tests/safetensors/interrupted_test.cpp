// The system calls of this program, made to fail, to stop short and to be interrupted.

#include <fcntl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <filesystem>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <halfstep/safetensors/reader.hpp>
#include <halfstep/safetensors/writer.hpp>

#include "../support/files.hpp"

namespace {

struct faults {
  std::atomic<bool> storm{false};   // every transfer is interrupted first and then moves at most 7 bytes
  std::atomic<int> fsync_fails{0};  // the n-th fsync from now fails, 1 the next
  std::atomic<int> rename_fails{0};
  std::atomic<int> write_fails{0};
  std::atomic<int> dies{0};
  std::atomic<int> fsyncs{0};
  std::atomic<unsigned> calls{0};
  std::atomic<size_t> longest_write{0};
};
faults current;

bool due(std::atomic<int>& countdown) { return countdown.load() > 0 && countdown.fetch_sub(1) == 1; }

// As kill -9 would end the process, before the call that the countdown names.
void die_when_due() {
  if (due(current.dies)) ::kill(::getpid(), SIGKILL);
}

}  // namespace

extern "C" ssize_t pread(int file, void* into, size_t size, off_t offset) {
  if (current.storm) {
    if (current.calls++ % 2 == 0) {
      errno = EINTR;
      return -1;
    }
    size = std::min<size_t>(size, 7);
  }
  return ::syscall(SYS_pread64, file, into, size, offset);
}

extern "C" ssize_t pwrite(int file, void const* from, size_t size, off_t offset) {
  if (size > current.longest_write) current.longest_write = size;
  die_when_due();
  if (due(current.write_fails)) {
    errno = EIO;
    return -1;
  }
  if (current.storm) {
    if (current.calls++ % 2 == 0) {
      errno = EINTR;
      return -1;
    }
    size = std::min<size_t>(size, 7);
  }
  return ::syscall(SYS_pwrite64, file, from, size, offset);
}

extern "C" int fsync(int file) {
  die_when_due();
  ++current.fsyncs;
  if (due(current.fsync_fails)) {
    errno = EIO;
    return -1;
  }
  return static_cast<int>(::syscall(SYS_fsync, file));
}

extern "C" int fdatasync(int file) {
  if (due(current.fsync_fails)) {
    errno = EIO;
    return -1;
  }
  return static_cast<int>(::syscall(SYS_fdatasync, file));
}

extern "C" int renameat2(int from, char const* old, int to, char const* name, unsigned flags) noexcept {
  die_when_due();
  if (due(current.rename_fails)) {
    errno = EIO;
    return -1;
  }
  return static_cast<int>(::syscall(SYS_renameat2, from, old, to, name, flags));
}

namespace {

using halfstep::io_error;
using halfstep::io_stage;
namespace st = halfstep::safetensors;

class Interrupted : public testing::Test {
 protected:
  ~Interrupted() override {
    current.storm = false;
    current.fsync_fails = current.rename_fails = current.write_fails = 0;
  }

  // Writes the file and returns where it failed, if it did.
  std::string failure() {
    try {
      st::writer w(out_, st::arrange({{"a", halfstep::dtype::u8, {1000}}}, {}), halfstep::file::overwrite::refuse, {});
      w.write(w.slots()[0], 0, halfstep_test::bytes_of(data_));
      w.commit();
    } catch (io_error const& e) {
      EXPECT_EQ(e.stage(), io_stage::transfer);
      return e.what();
    }
    return "";
  }

  halfstep_test::temporary_folder folder_;
  std::string out_ = folder_.path("out.safetensors");
  std::string data_ = std::string(1000, 'd');
};

TEST_F(Interrupted, ShortAndInterruptedTransfersGiveTheSameBytes) {
  for (std::size_t i = 0; i < data_.size(); ++i) data_[i] = static_cast<char>(i);
  current.storm = true;
  ASSERT_EQ(failure(), "");
  st::reader const r(out_);
  std::string copy(1000, ' ');
  r.read(r.head().tensors()[0], 0, std::as_writable_bytes(std::span(copy)));
  EXPECT_GT(current.calls, 500u);
  current.storm = false;
  EXPECT_TRUE(copy == data_);
}

// Bytes whose every 64 KiB differ.
std::string long_bytes(std::size_t count) {
  std::string all(count, ' ');
  for (std::size_t i = 0; i < count; ++i) all[i] = static_cast<char>(i + i / 65536 * 7);
  return all;
}

TEST_F(Interrupted, LongWritesGoInShortOnes) {
  std::string const bytes = long_bytes(std::size_t{5} * 1000 * 1000);
  current.longest_write = 0;
  st::writer w(out_, st::arrange({{"a", halfstep::dtype::u8, {bytes.size()}}}, {}), halfstep::file::overwrite::refuse, {});
  w.write(w.slots()[0], 0, halfstep_test::bytes_of(bytes));
  w.commit();
  EXPECT_EQ(current.longest_write, std::size_t{64} * 1024);
  st::reader const r(out_);
  std::string copy(bytes.size(), ' ');
  r.read(r.head().tensors()[0], 0, std::as_writable_bytes(std::span(copy)));
  EXPECT_TRUE(copy == bytes);
}

TEST_F(Interrupted, APartIsNotKeptAfterAFailedFlush) {
  for (int n : {1, 2}) {
    st::writer w(out_, st::arrange({{"a", halfstep::dtype::u8, {1000}}}, {}), halfstep::file::overwrite::refuse, {});
    w.leave(halfstep::file::unfinished::keep);
    w.write(w.slots()[0], 0, halfstep_test::bytes_of(data_));
    current.fsync_fails = n;
    if (n == 2) w.flush_data();
    EXPECT_THROW(n == 1 ? w.flush_data() : w.commit(), io_error);
    EXPECT_FALSE(w.is_kept()) << "the system may hold bytes that the disk does not";
  }
  EXPECT_THAT(folder_.names(), testing::IsEmpty());
}

TEST_F(Interrupted, AFailedFlushIsReportedAndNeverTriedAgain) {
  for (int n : {1, 2}) {
    current.fsyncs = 0;
    current.fsync_fails = n;
    EXPECT_THAT(failure(), testing::HasSubstr("cannot flush"));
    EXPECT_EQ(current.fsyncs, n);
    EXPECT_THAT(folder_.names(), testing::IsEmpty());
  }
}

TEST_F(Interrupted, AFailedFlushOfTheFolderLeavesTheCompleteFile) {
  current.fsync_fails = 3;
  EXPECT_THAT(failure(), testing::HasSubstr("cannot flush"));
  EXPECT_THAT(folder_.names(), testing::ElementsAre("out.safetensors"));
  st::reader const r(out_);
}

TEST_F(Interrupted, AFailedRenameLeavesNothing) {
  current.rename_fails = 1;
  EXPECT_THAT(failure(), testing::HasSubstr("cannot rename to"));
  EXPECT_THAT(folder_.names(), testing::IsEmpty());
}

TEST_F(Interrupted, AFailedWriteLeavesNothing) {
  for (int n : {1, 2, 3}) {
    current.write_fails = n;
    EXPECT_THAT(failure(), testing::HasSubstr("cannot write"));
    EXPECT_THAT(folder_.names(), testing::IsEmpty());
  }
}

TEST_F(Interrupted, KilledBeforeAnyCallItLeavesTheCompleteFileOrNoneAtItsPath) {
  std::string const whole = [&] {
    EXPECT_EQ(failure(), "");
    std::string content = halfstep_test::load(out_);
    std::filesystem::remove(out_);
    return content;
  }();
  bool finished = false;
  int calls = 0;
  for (; !finished && calls < 100; ++calls) {
    pid_t const child = ::fork();
    if (child == 0) {
      current.dies = calls + 1;
      ::_exit(failure().empty() ? 0 : 1);
    }
    int status = 0;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    finished = WIFEXITED(status);
    ASSERT_TRUE(finished ? WEXITSTATUS(status) == 0 : WTERMSIG(status) == SIGKILL);
    std::string const part = out_ + ".part";
    if (std::filesystem::exists(part) && halfstep_test::load(part) != whole) {
      EXPECT_THROW(st::reader{part}, halfstep::format_error) << calls;
    }
    if (std::filesystem::exists(out_)) {
      EXPECT_TRUE(halfstep_test::load(out_) == whole) << calls;
      std::filesystem::remove(out_);
    } else {
      EXPECT_FALSE(finished);
    }
  }
  EXPECT_EQ(calls, 8);  // three writes, three flushes and the rename die once each; then nothing does
}

TEST_F(Interrupted, FlushesDataLengthAndFolder) {
  current.fsyncs = 0;
  EXPECT_EQ(failure(), "");
  EXPECT_EQ(current.fsyncs, 3);
}

}  // namespace
