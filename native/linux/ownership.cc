#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>

#include "file_lock.h"

namespace pidentity {
namespace {

// One byte; l_pid must be 0 going in (fcntl_getlk and fcntl_setlk in fs/locks.c say EINVAL
// otherwise).
struct flock first_byte(short type) {
  struct flock range{};
  range.l_type = type;
  range.l_whence = SEEK_SET;
  range.l_len = 1;
  return range;
}

}  // namespace

LockResult ownership_try(int fd) {
  struct flock range = first_byte(F_WRLCK);
  if (::fcntl(fd, F_OFD_SETLK, &range) == 0) return kLockAcquired;
  return errno == EAGAIN || errno == EACCES ? kLockHeldElsewhere : -errno;
}

LockResult ownership_probe(int fd) {
  struct flock range = first_byte(F_WRLCK);
  if (::fcntl(fd, F_OFD_GETLK, &range) != 0) return -errno;
  // The owner of an open-file-description lock is told as -1, that of a record lock as its pid.
  const bool is_owned = range.l_type == F_WRLCK && range.l_pid == -1;
  return is_owned ? kLockHeldElsewhere : kLockAcquired;
}

int link_open_file(int fd, const char* path, LinkBy by) {
  if (by == LinkBy::kDescriptor) {
    return ::linkat(fd, "", AT_FDCWD, path, AT_EMPTY_PATH) == 0 ? 0 : -errno;
  }
  char name[32];
  std::snprintf(name, sizeof name, "/proc/self/fd/%d", fd);
  return ::linkat(AT_FDCWD, name, AT_FDCWD, path, AT_SYMLINK_FOLLOW) == 0 ? 0 : -errno;
}

}  // namespace pidentity
