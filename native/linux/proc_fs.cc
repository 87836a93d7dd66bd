#include "linux/proc_fs.h"

#include <fcntl.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <string_view>

#include "linux/system_call.h"

namespace pidentity {
namespace {

// The number of bytes, or a negated errno.
long read_at(int fd, char* buffer, std::size_t capacity, std::size_t offset) {
  long count;
  do {
    // Where a register is too short for the offset it takes two, in an order of each architecture.
    if constexpr (sizeof(long) >= sizeof(std::int64_t)) {
      count = system_call(SYS_pread64, fd, address_of(buffer), static_cast<long>(capacity),
                          static_cast<long>(offset));
    } else {
      count = ::pread(fd, buffer, capacity, static_cast<off_t>(offset));
      if (count < 0) count = -errno;
    }
  } while (count == -EINTR);
  return count;
}

int open_to_read(const char* path, FileDescriptor& file) {
  long fd;
  do {
    fd = system_call(SYS_openat, AT_FDCWD, address_of(path), O_RDONLY | O_CLOEXEC);
  } while (fd == -EINTR);
  if (fd < 0) return static_cast<int>(-fd);
  file.reset(static_cast<int>(fd));
  return 0;
}

}  // namespace

long read_start_of_file(const char* path, char* buffer, std::size_t capacity) {
  FileDescriptor file;
  if (const int error = open_to_read(path, file)) return -error;
  std::size_t size = 0;
  while (size < capacity) {
    const long count = read_at(file.get(), buffer + size, capacity - size, size);
    if (count < 0) return count;
    if (count == 0) break;
    size += static_cast<std::size_t>(count);
  }
  return static_cast<long>(size);
}

ProcDirectory::ProcDirectory(Pid pid) {
  constexpr std::string_view kRoot = "/proc/";
  std::memcpy(path_, kRoot.data(), kRoot.size());
  // Room for ten digits, a slash and the longest file name used here.
  static_assert(sizeof path_ >= kRoot.size() + 10 + sizeof "/cmdline");
  char* const end = std::to_chars(path_ + kRoot.size(), path_ + sizeof path_, pid).ptr;
  *end = '\0';
  path_length_ = static_cast<std::size_t>(end - path_);
}

int ProcDirectory::open(bool with_command_line) {
  if (const int error = open_file("stat", stat_)) return error;
  if (with_command_line) command_line_error_ = open_file("cmdline", command_line_);
  return 0;
}

int ProcDirectory::open_file(const char* name, FileDescriptor& file) const {
  char path[sizeof path_];
  std::memcpy(path, path_, path_length_);
  path[path_length_] = '/';
  const std::size_t name_size = std::strlen(name) + 1;
  if (path_length_ + 1 + name_size > sizeof path) return ENAMETOOLONG;
  std::memcpy(path + path_length_ + 1, name, name_size);
  return open_to_read(path, file);
}

int ProcDirectory::read_stat(ProcStat& stat) const {
  // 52 numbers of at most 20 digits, and a name of at most 64 bytes.
  char line[2048];
  const long count = read_at(stat_.get(), line, sizeof line, 0);
  if (count < 0) return static_cast<int>(-count);
  const auto size = static_cast<std::size_t>(count);
  if (size == sizeof line || !parse_proc_stat({line, size}, stat)) return EBADMSG;
  return 0;
}

int ProcDirectory::read_command_line(std::uint64_t area_length, ByteBuffer& buffer) const {
  buffer.set_size(0);
  if (command_line_error_ != 0) return command_line_error_;
  // One byte more than expected, so that a full buffer always means "there may be more".
  if (area_length >= ByteBuffer::kMaxCapacity) return ENOMEM;
  if (!buffer.reserve(static_cast<std::size_t>(area_length) + 1)) return ENOMEM;
  for (;;) {
    std::size_t size = 0;
    long count;
    // Linux cuts no read short before the end of the file; other kernels with a /proc may.
    do {
      count = read_at(command_line_.get(), buffer.data() + size, buffer.capacity() - size, size);
      if (count < 0) return static_cast<int>(-count);
      size += static_cast<std::size_t>(count);
    } while (count > 0 && size < buffer.capacity() && size != area_length);
    if (size < buffer.capacity()) {
      buffer.set_size(size);
      return 0;
    }
    // Again from the start rather than on from here: one read sees one program.
    if (size == ByteBuffer::kMaxCapacity) return ENOMEM;
    if (!buffer.reserve(std::min(size * 4, ByteBuffer::kMaxCapacity))) return ENOMEM;
  }
}

std::optional<Pid> ProcDirectory::thread_group() const {
  FileDescriptor file;
  if (open_file("status", file) != 0) return std::nullopt;
  char text[1024];  // Tgid is the fourth line
  const long count = read_at(file.get(), text, sizeof text, 0);
  if (count <= 0) return std::nullopt;
  const std::string_view status(text, static_cast<std::size_t>(count));
  // The name in the first line cannot fake this: its newlines are escaped.
  constexpr std::string_view kKey = "\nTgid:\t";
  const std::size_t at = status.find(kKey);
  if (at == std::string_view::npos) return std::nullopt;
  Pid group = 0;
  const char* const end = status.data() + status.size();
  const auto [stop, error] = std::from_chars(status.data() + at + kKey.size(), end, group);
  if (error != std::errc() || stop == end || *stop != '\n') return std::nullopt;
  return group;
}

}  // namespace pidentity
