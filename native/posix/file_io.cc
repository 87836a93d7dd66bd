#include "file_io.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <limits>

namespace pidentity {
int open_file(const char* path, int flags, int mode) {
  int fd;
  do {
    // The waiting open of a FIFO or of a network file system is what a signal can interrupt.
    fd = ::open(path, flags | O_CLOEXEC, static_cast<mode_t>(mode));
  } while (fd < 0 && errno == EINTR);
  return fd >= 0 ? fd : -errno;
}

int read_file_at(int fd, std::span<std::uint8_t> into, std::uint32_t offset) {
  // No more than the answer can say.
  const std::size_t length =
      std::min(into.size(), static_cast<std::size_t>(std::numeric_limits<int>::max()));
  ssize_t count;
  do {
    count = ::pread(fd, into.data(), length, static_cast<off_t>(offset));
  } while (count < 0 && errno == EINTR);
  return count >= 0 ? static_cast<int>(count) : -errno;
}

int write_file(int fd, std::string_view text) {
  while (!text.empty()) {
    const ssize_t count = ::write(fd, text.data(), text.size());
    if (count >= 0) {
      text.remove_prefix(static_cast<std::size_t>(count));
    } else if (errno != EINTR) {
      return -errno;
    }
  }
  return 0;
}

int close_file(int fd) {
  // Never repeated: the number is free by then, another thread may already own it. And as libuv
  // has it: an interrupted close goes on.
  if (::close(fd) == 0 || errno == EINTR || errno == EINPROGRESS) return 0;
  return -errno;
}

int unlink_file(const char* path) { return ::unlink(path) == 0 ? 0 : -errno; }

}  // namespace pidentity
