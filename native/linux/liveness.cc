#include "linux/liveness.h"

#include <sys/resource.h>

#include <cerrno>

#include "linux/pidfd.h"
#include "linux/system_call.h"
#include "linux/task_stat.h"

namespace pidentity {
namespace {

constexpr Pid kMaxPid = 1U << 22;  // include/linux/threads.h PID_MAX_LIMIT

}  // namespace

bool is_valid_pid(Pid pid) { return pid > 0 && pid <= kMaxPid; }

// Ten times as fast as failing to open a file of /proc. getpriority(2) answers about every user's
// processes and asks no security module, whose refusal an audit log would show.
bool is_absent(Pid pid) {
  return system_call(SYS_getpriority, PRIO_PROCESS, static_cast<long>(pid)) == -ESRCH;
}

Liveness LivenessReader::open_process(Pid pid, FileDescriptor& pidfd) {
  if (!is_valid_pid(pid)) return kInvalid;
  if (!pidfds_refused_) {
    switch (pidfd_open(pid, pidfd)) {
      case 0:
        return kRunning;
      case ESRCH:
        return kAbsent;
      case ENOSYS:  // before Linux 5.3, or a sandbox
      case EPERM:   // a sandbox
        pidfds_refused_ = true;
        break;
      default:  // a thread's id, or no descriptor to be had just now
        break;
    }
  }
  return by_signal(pid);
}

Liveness LivenessReader::by_signal(Pid pid) {
  switch (signals_.probe(pid)) {
    case TaskKind::kNone:
      return kAbsent;
    case TaskKind::kThread:
      return kThread;
    case TaskKind::kProcess:
      return kDenied;
    case TaskKind::kEither:
      return is_thread_by_proc(pid) ? kThread : kDenied;
    case TaskKind::kUnknown:
      break;
  }
  return kUnsupported;
}

Liveness LivenessReader::by_proc(Pid pid, const ProcDirectory& directory, const ProcStat* stat) {
  ProcStat last;
  if (stat != nullptr && read_leader_stat(pid, directory, last) == 0) {
    return is_zombie(last) ? kZombie : kRunning;
  }
  // Not found is no proof: /proc may hide another user's process.
  return by_signal(pid);
}

int LivenessReader::read_leader_stat(Pid pid, const ProcDirectory& directory, ProcStat& stat,
                                     StatFields fields) {
  for (int attempt = 0; attempt < kReadAttempts; ++attempt) {
    if (const int error = read_settled_stat(directory, stat, fields)) return error;
    if (stat.exit_signal > 0) return 0;
    // 0: a leader cloned without a signal, or a kernel that leaves the field out. -1: a thread, or
    // the old leader during an execve() (read_settled_stat).
    const TaskKind kind = signals_.probe(pid);
    const bool unsure = kind == TaskKind::kEither || kind == TaskKind::kUnknown;
    if (kind == TaskKind::kThread || (unsure && is_thread_by_proc(pid))) return EINVAL;
    if (stat.exit_signal == 0) return 0;
  }
  return EAGAIN;
}

bool LivenessReader::is_thread_by_proc(Pid pid) {
  return own_.get().proc_is_ours && ProcDirectory(pid).thread_group().value_or(pid) != pid;
}

}  // namespace pidentity
