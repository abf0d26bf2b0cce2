// usage: write_bytes FILE BYTES
// The floor of every conversion: allocates a file, writes that many bytes in pieces of 16 MiB from 2 threads, and syncs it.
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

int main(int count, char** arguments) {
  if (count != 3) {
    std::fprintf(stderr, "usage: write_bytes FILE BYTES\n");
    return 2;
  }
  std::uint64_t const bytes = std::strtoull(arguments[2], nullptr, 10);
  std::vector<halfstep::philox::block> piece((16u << 20) / sizeof(halfstep::philox::block));
  for (std::size_t i = 0; i < piece.size(); ++i) piece[i] = halfstep::philox(1)(i);
  std::uint64_t const piece_bytes = 16u << 20;

  int const file = ::open(arguments[1], O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
  if (file < 0 || ::posix_fallocate(file, 0, static_cast<off_t>(bytes)) != 0) {
    std::perror(arguments[1]);
    return 1;
  }
  std::atomic<std::uint64_t> next{0};
  std::atomic<int> failures{0};
  auto const work = [&] {
    for (std::uint64_t at; (at = next.fetch_add(piece_bytes)) < bytes;) {
      std::uint64_t const wanted = std::min(piece_bytes, bytes - at);
      if (::pwrite(file, piece.data(), wanted, static_cast<off_t>(at)) != static_cast<ssize_t>(wanted)) ++failures;
    }
  };
  {
    std::jthread const other(work);
    work();
  }
  if (failures != 0 || ::fsync(file) != 0 || ::close(file) != 0) {
    std::perror(arguments[1]);
    return 1;
  }
  return 0;
}
