#include "linux/signal_probe.h"

#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>

namespace pidentity {
namespace {

// tgkill(2) with the pid as thread id too finds process leaders only; kill(2) finds any thread.
// Every refusal but ESRCH is about something that exists: EPERM for another user's process, EACCES
// where a security module (SELinux, AppArmor) mediates signals.
bool leader_exists(pid_t pid) { return ::syscall(SYS_tgkill, pid, pid, 0) == 0 || errno != ESRCH; }
bool anything_exists(pid_t pid) { return ::kill(pid, 0) == 0 || errno != ESRCH; }

}  // namespace

SignalProbe::Trust SignalProbe::test() const {
  const pid_t self = ::getpid();
  if (::kill(self, 0) != 0) return Trust::kNeither;
  return ::syscall(SYS_tgkill, self, self, 0) == 0 ? Trust::kBoth : Trust::kKillOnly;
}

TaskKind SignalProbe::probe(Pid pid) {
  if (trust_ == Trust::kUntested) trust_ = test();
  const auto target = static_cast<pid_t>(pid);
  switch (trust_) {
    case Trust::kBoth:
      if (leader_exists(target)) return TaskKind::kProcess;
      if (!anything_exists(target)) return TaskKind::kNone;
      // A process may have been born between the two calls.
      return leader_exists(target) ? TaskKind::kProcess : TaskKind::kThread;
    case Trust::kKillOnly:
      return anything_exists(target) ? TaskKind::kEither : TaskKind::kNone;
    case Trust::kUntested:
    case Trust::kNeither:
      break;
  }
  return TaskKind::kUnknown;
}

}  // namespace pidentity
