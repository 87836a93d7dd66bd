// Pidfds: descriptors that mean one process for good, whatever happens to its number.
#ifndef PIDENTITY_NATIVE_LINUX_PIDFD_H_
#define PIDENTITY_NATIVE_LINUX_PIDFD_H_

#include <cstdint>
#include <optional>

#include "linux/file_descriptor.h"
#include "process.h"

namespace pidentity {

// pidfd_open(2), Linux 5.3. 0 with `pidfd` set, or an errno: ESRCH no such process or thread;
// EINVAL (before 6.15) or ENOENT a thread that does not lead its process; ENOSYS old kernel or
// sandbox; EPERM sandbox (the call itself asks for no permission); EMFILE, ENFILE, ENOMEM.
int pidfd_open(Pid pid, FileDescriptor& pidfd);

// Whether the process has exited, reaped or not: poll(2) finds its pidfd readable. A process whose
// leader thread exited while others run has not. nullopt when that cannot be asked.
std::optional<bool> pidfd_exited(int pidfd);

// The same as an answer: a process that has exited is a zombie until its parent has reaped it.
std::optional<Liveness> pidfd_liveness(int pidfd);

// pidfd_send_signal(2), Linux 5.1, to the process that the pidfd means.
Delivery pidfd_signal(int pidfd, int number);

// Whether pidfds are on pidfs (Linux 6.9) and tell their whole inode number: before, all shared one
// inode, and 32-bit kernels cut the number. The same for every pidfd.
bool pidfd_has_own_inode(int pidfd);

// The inode number of such a pidfd: 64 bits, counted up for each process of this boot in all pid
// namespaces together.
std::optional<std::uint64_t> pidfd_inode(int pidfd);

// Opens a pidfd by that inode, Linux 6.14. `mount` is any pidfd: it only says which file system.
// 0 with `pidfd` set, or an errno: ESTALE when no process visible from the caller's pid namespace
// has it, but also on kernels that cannot look up pidfds at all.
int pidfd_open_by_inode(int mount, std::uint64_t inode, FileDescriptor& pidfd);

}  // namespace pidentity

#endif  // PIDENTITY_NATIVE_LINUX_PIDFD_H_
