// The questions that XNU answers about a process without privileges and without Mach task ports.
//
//   question             call                                              answered to
//   unique id            proc_pidinfo PROC_PIDUNIQIDENTIFIERINFO, arg 1    every user
//   state, parent        proc_pidinfo PROC_PIDT_SHORTBSDINFO, arg 1        every user
//   state, start time    sysctl kern.proc.pid                              every user
//   argument strings     sysctl kern.procargs2                             the same user, root
//   is the pid taken     kill(pid, 0)                                      every user
//   all pids             proc_listpids PROC_ALL_PIDS                       every user
//
// All but the argument strings are also told of zombies. A sandbox may refuse any of them (EPERM).
// A process that one of them does not know (ESRCH; length 0 from kern.proc.pid) has ended: XNU
// looks through the living and the zombies first (bsd/kern/proc_info.c, kern_sysctl.c, kern_sig.c).
#ifndef PIDENTITY_NATIVE_DARWIN_KERNEL_QUERIES_H_
#define PIDENTITY_NATIVE_DARWIN_KERNEL_QUERIES_H_

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "process.h"

namespace pidentity {

enum class Answer : std::uint8_t {
  kGiven,
  kGone,     // no such process, neither living nor zombie
  kRefused,  // a sandbox says no
  kFailed,
};

struct UniqueId {
  Answer answer = Answer::kFailed;
  std::uint64_t value = 0;  // p_uniqueid: counts up per fork, kept over exec, unique in one boot
  // p_idversion: another one after every exec. Older kernels leave it 0.
  std::int32_t program = 0;
};
UniqueId ask_unique_id(pid_t pid);

struct Status {
  Answer answer = Answer::kFailed;
  bool zombie = false;
  bool exiting = false;  // in exit(): still alive, its memory may be gone already
  pid_t parent = 0;
};
// Two look-ups in hash tables, where kern.proc.pid walks over all processes and waits for a target
// that is in the middle of exec.
Status ask_status(pid_t pid);

struct Record {
  Answer answer = Answer::kFailed;
  bool zombie = false;
  pid_t parent = 0;
  // Microseconds since the Unix epoch: fork sets it, nothing changes it.
  std::optional<std::int64_t> start_time = std::nullopt;
};
Record ask_record(pid_t pid);

// Reads the argument strings (see parse/procargs2.h). `size`: room in, length out. 0 or an errno.
// Too little room is no error: the *tail* of the strings fills it up.
int read_argument_strings(pid_t pid, char* buffer, std::size_t& size);

// The room that kern.procargs2 may ever need and at the same time the most it accepts.
std::size_t ask_argument_space();

enum class PidUse : std::uint8_t { kFree, kTaken, kUnknown };

// kTaken: by a process or a zombie of any user. ESRCH comes before any permission is checked.
PidUse ask_by_signal(pid_t pid);

// 0 or an errno.
int send_signal(pid_t pid, int number);

// All but the kernel's own, 0. False when they cannot be listed.
bool list_all(std::vector<Pid>& pids);

}  // namespace pidentity

#endif  // PIDENTITY_NATIVE_DARWIN_KERNEL_QUERIES_H_
