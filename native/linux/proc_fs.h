// Reading one process's files under /proc.
#ifndef PIDENTITY_NATIVE_LINUX_PROC_FS_H_
#define PIDENTITY_NATIVE_LINUX_PROC_FS_H_

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <string_view>
#include <vector>

#include "linux/byte_buffer.h"
#include "linux/file_descriptor.h"
#include "linux/system_call.h"
#include "parse/proc_stat.h"
#include "process.h"

namespace pidentity {

// pread(2): the number of bytes, or a negated errno.
inline long read_at(int fd, char* buffer, std::size_t capacity, std::size_t offset) {
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

// 0 or an errno.
inline int open_to_read(const char* path, FileDescriptor& file) {
  long fd;
  do {
    fd = system_call(SYS_openat, AT_FDCWD, address_of(path), O_RDONLY | O_CLOEXEC);
  } while (fd == -EINTR);
  if (fd < 0) return static_cast<int>(-fd);
  file.reset(static_cast<int>(fd));
  return 0;
}

// The pids under /proc, those of zombies among them; the ids of other threads are not listed there.
// 0 or an errno.
int list_proc(std::vector<Pid>& pids);

// Reads the first `capacity` bytes of a file. Their number, or a negated errno.
long read_start_of_file(const char* path, char* buffer, std::size_t capacity);

// /proc/<pid>. Every function answers 0 or an errno: ENOENT or ESRCH when there is no such process
// or /proc hides it (hidepid=2), EACCES or EPERM when access is denied (hidepid=1), EBADMSG when
// the content makes no sense.
class ProcDirectory {
 public:
  explicit ProcDirectory(Pid pid) {
    constexpr std::string_view kRoot = "/proc/";
    std::memcpy(path_, kRoot.data(), kRoot.size());
    // Room for ten digits, a slash and the longest file name used here.
    static_assert(sizeof path_ >= kRoot.size() + 10 + sizeof "/cmdline");
    name_ = std::to_chars(path_ + kRoot.size(), path_ + sizeof path_, pid).ptr;
    *name_++ = '/';
  }
  ProcDirectory(const ProcDirectory&) = delete;
  ProcDirectory& operator=(const ProcDirectory&) = delete;

  // Opens stat and, when wanted, cmdline, for the reads below; without stat there is nothing to
  // read. An open file of /proc means one process for good: when that is gone, reading it fails,
  // also when another process has its number by then. So a read of stat that succeeds proves that
  // the number was that process's ever since stat was opened, and thus when cmdline was: both are
  // of one process.
  int open(bool with_command_line) {
    if (const int error = open_file("stat", stat_)) return error;
    if (with_command_line) command_line_error_ = open_file("cmdline", command_line_);
    return 0;
  }

  int read_stat(ProcStat& stat, StatFields fields = StatFields::kAll) const {
    // 52 numbers of at most 20 digits, and a name of at most 64 bytes.
    char line[2048];
    const long count = read_at(stat_.get(), line, sizeof line, 0);
    if (count < 0) return static_cast<int>(-count);
    const auto size = static_cast<std::size_t>(count);
    return size < sizeof line && parse_proc_stat({line, size}, stat, fields) ? 0 : EBADMSG;
  }

  // Reads the raw command line into `buffer`, in one read(2) wherever possible: between two the
  // target could execve() another program. `area_length`: see ProcStat::arg_length(). ENOMEM when
  // it is longer than ByteBuffer takes.
  int read_command_line(std::uint64_t area_length, ByteBuffer& buffer) const;

  // "Tgid:" of /proc/<pid>/status.
  std::optional<Pid> thread_group();

 private:
  template <std::size_t kSize>
  int open_file(const char (&name)[kSize], FileDescriptor& file) {
    static_assert(kSize <= sizeof "cmdline");
    std::memcpy(name_, name, kSize);
    return open_to_read(path_, file);
  }

  char path_[32];
  char* name_;  // where a file's name goes in path_
  FileDescriptor stat_;
  FileDescriptor command_line_;
  int command_line_error_ = EBADF;  // of opening it
};

}  // namespace pidentity

#endif  // PIDENTITY_NATIVE_LINUX_PROC_FS_H_
