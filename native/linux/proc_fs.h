// Reading one process's files under /proc.
#ifndef PIDENTITY_NATIVE_LINUX_PROC_FS_H_
#define PIDENTITY_NATIVE_LINUX_PROC_FS_H_

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <optional>

#include "linux/byte_buffer.h"
#include "linux/file_descriptor.h"
#include "parse/proc_stat.h"
#include "process.h"

namespace pidentity {

// Reads the first `capacity` bytes of a file. Their number, or a negated errno.
long read_start_of_file(const char* path, char* buffer, std::size_t capacity);

// /proc/<pid>. Every function answers 0 or an errno: ENOENT or ESRCH when there is no such process
// or /proc hides it (hidepid=2), EACCES or EPERM when access is denied (hidepid=1), EBADMSG when
// the content makes no sense.
class ProcDirectory {
 public:
  explicit ProcDirectory(Pid pid);

  // Opens stat and, when wanted, cmdline, for the reads below; without stat there is nothing to
  // read. An open file of /proc means one process for good: when that is gone, reading it fails,
  // also when another process has its number by then. So a read of stat that succeeds proves that
  // the number was that process's ever since stat was opened, and thus when cmdline was: both are
  // of one process.
  int open(bool with_command_line);

  int read_stat(ProcStat& stat) const;

  // Reads the raw command line into `buffer`, in one read(2) wherever possible: between two the
  // target could execve() another program. `area_length`: see ProcStat::arg_length(). ENOMEM when
  // it is longer than ByteBuffer takes.
  int read_command_line(std::uint64_t area_length, ByteBuffer& buffer) const;

  // "Tgid:" of /proc/<pid>/status.
  std::optional<Pid> thread_group() const;

 private:
  int open_file(const char* name, FileDescriptor& file) const;

  char path_[32];
  std::size_t path_length_;
  FileDescriptor stat_;
  FileDescriptor command_line_;
  int command_line_error_ = EBADF;  // of opening it
};

}  // namespace pidentity

#endif  // PIDENTITY_NATIVE_LINUX_PROC_FS_H_
