// What a process's own line in /proc/<pid>/stat says about its state.
#ifndef PIDENTITY_NATIVE_LINUX_TASK_STAT_H_
#define PIDENTITY_NATIVE_LINUX_TASK_STAT_H_

#include <cerrno>

#include "linux/proc_fs.h"
#include "parse/proc_stat.h"

namespace pidentity {

// How often a read that met a process in the middle of execve() or of being reaped is repeated.
inline constexpr int kReadAttempts = 4;

inline bool has_exited_leader(const ProcStat& stat) {
  return stat.state == 'Z' || stat.state == 'X';
}

// A zombie leader whose other threads still run is a living process.
inline bool is_zombie(const ProcStat& stat) {
  return has_exited_leader(stat) && stat.num_threads <= 1;
}

// Reads the stat of the task that holds the number now: 0 or an errno. When a thread other than the
// leader calls execve(), it takes over the leader's number (fs/exec.c de_thread), and a reader that
// came just before still gets the old leader: dead (X), or with no thread count. Such a line says
// nothing about the process, and is read again; EAGAIN when that does not help.
inline int read_settled_stat(const ProcDirectory& directory, ProcStat& stat,
                             StatFields fields = StatFields::kAll) {
  for (int attempt = 0; attempt < kReadAttempts; ++attempt) {
    if (const int error = directory.read_stat(stat, fields)) return error;
    if (!has_exited_leader(stat) || (stat.state == 'Z' && stat.num_threads > 0)) return 0;
  }
  return EAGAIN;
}

}  // namespace pidentity

#endif  // PIDENTITY_NATIVE_LINUX_TASK_STAT_H_
