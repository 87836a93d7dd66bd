// Whether a number names a running process, without reading more of /proc than that needs.
#ifndef PIDENTITY_NATIVE_LINUX_LIVENESS_H_
#define PIDENTITY_NATIVE_LINUX_LIVENESS_H_

#include "linux/file_descriptor.h"
#include "linux/own_namespaces.h"
#include "linux/proc_fs.h"
#include "linux/signal_probe.h"
#include "parse/proc_stat.h"
#include "process.h"

namespace pidentity {

bool is_valid_pid(Pid pid);

// True only when nothing has this number.
bool is_absent(Pid pid);

class LivenessReader {
 public:
  explicit LivenessReader(OwnNamespaces& own) : own_(own) {}

  // Opens a pidfd. Without one the answer is final when it says gone; otherwise kDenied stands for
  // "exists" and kUnsupported for "cannot be told".
  Liveness open_process(Pid pid, FileDescriptor& pidfd);

  // Never better than kDenied: a zombie answers signals like a running process.
  Liveness by_signal(Pid pid);

  // Where there is no pidfd. `stat`: what was read of the process before, or null.
  Liveness by_proc(Pid pid, const ProcDirectory& directory, const ProcStat* stat);

  // read_settled_stat() of a number that may also name a thread, since /proc/<tid> exists for every
  // one: EINVAL when it does.
  int read_leader_stat(Pid pid, const ProcDirectory& directory, ProcStat& stat,
                       StatFields fields = StatFields::kAll);

 private:
  bool is_thread_by_proc(Pid pid);

  OwnNamespaces& own_;
  SignalProbe signals_;
  bool pidfds_refused_ = false;
};

}  // namespace pidentity

#endif  // PIDENTITY_NATIVE_LINUX_LIVENESS_H_
