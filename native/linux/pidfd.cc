#include "linux/pidfd.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include <cerrno>
#include <cstddef>
#include <cstring>

#include "linux/system_call.h"

// The C library may be older than the kernel: the same numbers on every architecture Node runs on
// (include/uapi/asm-generic/unistd.h).
#ifndef SYS_pidfd_send_signal
#define SYS_pidfd_send_signal 424
#endif
#ifndef SYS_pidfd_open
#define SYS_pidfd_open 434
#endif

namespace pidentity {
namespace {

constexpr auto kPidfsMagic = 0x50494446UL;  // include/uapi/linux/magic.h PID_FS_MAGIC
constexpr int kFileIdKernfs = 0xfe;         // include/linux/exportfs.h FILEID_KERNFS

// poll(2) of one descriptor without waiting: their number that are ready, or a negated errno.
long poll_now(struct pollfd& poll_fd) {
#ifdef SYS_poll
  return system_call(SYS_poll, address_of(&poll_fd), 1, 0);
#else
  const int ready = ::poll(&poll_fd, 1, 0);
  return ready < 0 ? -errno : ready;
#endif
}

}  // namespace

int pidfd_open(Pid pid, FileDescriptor& pidfd) {
  const long fd = system_call(SYS_pidfd_open, static_cast<long>(pid));
  if (fd < 0) return static_cast<int>(-fd);
  pidfd.reset(static_cast<int>(fd));
  return 0;
}

std::optional<bool> pidfd_exited(int pidfd) {
  struct pollfd poll_fd = {pidfd, POLLIN, 0};
  long ready;
  do {
    ready = poll_now(poll_fd);
  } while (ready == -EINTR);
  if (ready == 0) return false;
  if (ready == 1 && (poll_fd.revents & POLLIN) != 0) return true;
  return std::nullopt;
}

std::optional<Liveness> pidfd_liveness(int pidfd) {
  const std::optional<bool> exited = pidfd_exited(pidfd);
  if (!exited) return std::nullopt;
  if (!*exited) return kRunning;
  // Signal 0 reaches a zombie, and no process that was reaped.
  const bool reaped =
      ::syscall(SYS_pidfd_send_signal, pidfd, 0, nullptr, 0U) != 0 && errno == ESRCH;
  return reaped ? kAbsent : kZombie;
}

Delivery pidfd_signal(int pidfd, int number) {
  // A zombie takes every signal.
  if (pidfd_exited(pidfd).value_or(false)) return Delivery::kGone;
  if (::syscall(SYS_pidfd_send_signal, pidfd, number, nullptr, 0U) == 0) return Delivery::kSent;
  switch (errno) {
    case ESRCH:
      return Delivery::kGone;
    case EPERM:
      return Delivery::kAccessDenied;
    default:  // a kernel before 5.1, a number that is no signal
      return Delivery::kUnsupported;
  }
}

bool pidfd_has_own_inode(int pidfd) {
  if constexpr (sizeof(void*) < 8) return false;
  struct statfs file_system;
  return ::fstatfs(pidfd, &file_system) == 0 &&
         static_cast<unsigned long>(file_system.f_type) == kPidfsMagic;
}

std::optional<std::uint64_t> pidfd_inode(int pidfd) {
  struct stat status;
  if (::fstat(pidfd, &status) != 0) return std::nullopt;
  return status.st_ino;
}

int pidfd_open_by_inode(int mount, std::uint64_t inode, FileDescriptor& pidfd) {
  // Pidfs encodes its file handles as the plain inode number (fs/pidfs.c pidfs_encode_fh).
  alignas(struct file_handle) std::byte storage[sizeof(struct file_handle) + sizeof inode];
  auto* const handle = reinterpret_cast<struct file_handle*>(storage);
  handle->handle_bytes = sizeof inode;
  handle->handle_type = kFileIdKernfs;
  std::memcpy(storage + offsetof(struct file_handle, f_handle), &inode, sizeof inode);
  const int fd = ::open_by_handle_at(mount, handle, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return errno;
  pidfd.reset(fd);
  return 0;
}

}  // namespace pidentity
