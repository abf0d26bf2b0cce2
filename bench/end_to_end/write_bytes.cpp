// usage: write_bytes FILE BYTES [PIECE [THREADS]]
// The floor of every conversion: allocates a file, writes that many bytes from 2 threads in pieces as long as the library's
// writes, starts the write-back of every 32 MiB, and syncs it. PIECE: other writes, in bytes, to see what their length costs.
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <thread>
#include <vector>

#include <halfstep/core/random.hpp>
#include <halfstep/file/write_fully.hpp>

int main(int count, char** arguments) {
  if (count < 3 || count > 5) {
    std::fprintf(stderr, "usage: write_bytes FILE BYTES [PIECE [THREADS]]\n");
    return 2;
  }
  auto const number = [&](int i, std::uint64_t otherwise) {
    return i < count ? std::strtoull(arguments[i], nullptr, 10) : otherwise;
  };
  std::uint64_t const bytes = number(2, 0);
  std::uint64_t const piece_bytes = number(3, halfstep::file::detail::longest_write);
  std::uint64_t const threads = number(4, 2);
  if (piece_bytes == 0 || threads == 0) {
    std::fprintf(stderr, "write_bytes: PIECE and THREADS are 1 or more\n");
    return 2;
  }
  std::vector<halfstep::philox::block> piece(piece_bytes / sizeof(halfstep::philox::block) + 1);
  for (std::size_t i = 0; i < piece.size(); ++i) piece[i] = halfstep::philox(1)(i);

  int const file = ::open(arguments[1], O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
  if (file < 0 || ::posix_fallocate(file, 0, static_cast<off_t>(bytes)) != 0) {
    std::perror(arguments[1]);
    return 1;
  }
  std::uint64_t const window_bytes = 32u << 20;
  std::atomic<std::uint64_t> next{0};
  std::atomic<bool> failed{false};
  auto const work = [&] {
    for (std::uint64_t begin; (begin = next.fetch_add(window_bytes)) < bytes && !failed;) {
      std::uint64_t const end = std::min(begin + window_bytes, bytes);
      for (std::uint64_t at = begin; at < end && !failed; at += piece_bytes) {
        std::uint64_t const wanted = std::min(piece_bytes, end - at);
        if (::pwrite(file, piece.data(), wanted, static_cast<off_t>(at)) != static_cast<ssize_t>(wanted)) failed = true;
      }
      ::sync_file_range(file, static_cast<off_t>(begin), static_cast<off_t>(end - begin), SYNC_FILE_RANGE_WRITE);
    }
  };
  {
    std::vector<std::jthread> others;
    for (std::uint64_t i = 1; i < threads; ++i) others.emplace_back(work);
    work();
  }
  if (failed || ::fsync(file) != 0 || ::close(file) != 0) {
    std::perror(arguments[1]);
    return 1;
  }
  return 0;
}
