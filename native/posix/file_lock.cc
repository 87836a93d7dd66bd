#include "file_lock.h"

#include <sys/file.h>
#include <sys/stat.h>

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

FileId id_of(const struct stat& status) {
  return {.device = static_cast<std::int64_t>(status.st_dev),
          .inode = static_cast<std::int64_t>(status.st_ino)};
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

std::optional<FileId> file_id(int fd) {
  struct stat status;
  if (::fstat(fd, &status) != 0) return std::nullopt;
  return id_of(status);
}

bool is_named(const char* path, int fd) {
  struct stat by_path;
  if (::lstat(path, &by_path) != 0) return false;
  return file_id(fd) == id_of(by_path);
}

}  // namespace pidentity
