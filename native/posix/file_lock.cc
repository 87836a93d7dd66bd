#include "file_lock.h"

#include <sys/file.h>

#include <cerrno>

namespace pidentity {
namespace {

// flock(2) belongs to the open file description: a lock is neither dropped by closing another
// descriptor of the same file nor shared with one.
LockResult lock(int fd, int operation) {
  int result;
  do {
    result = ::flock(fd, operation | LOCK_NB);
  } while (result != 0 && errno == EINTR);
  if (result == 0) return kLockAcquired;
  return errno == EWOULDBLOCK ? kLockHeldElsewhere : -errno;
}

}  // namespace

LockResult lock_try_exclusive(int fd) { return lock(fd, LOCK_EX); }

LockResult lock_probe(int fd) {
  const LockResult result = lock(fd, LOCK_SH);
  if (result != kLockAcquired) return result;
  const LockResult released = lock_release(fd);
  return released == 0 ? kLockAcquired : released;
}

LockResult lock_release(int fd) { return lock(fd, LOCK_UN); }

}  // namespace pidentity
