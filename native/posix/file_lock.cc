#include "file_lock.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <new>

namespace pidentity {
namespace {

// f_type of the Linux SMB client (linux/magic.h, fs/smb/client/cifsfs.h). It answers a conflict
// with EACCES (cifs_lock_add_if in fs/smb/client/file.c), which anywhere else is a refusal
// (SELinux).
bool is_smb(int fd) {
  const std::optional<std::int64_t> type = file_system_type(fd);
  if (!type) return false;
  const auto number = static_cast<std::uint32_t>(*type);
  return number == 0x517B || number == 0xFF534D42 || number == 0xFE534D42;
}

// flock(2) belongs to the open file description: a lock is neither dropped by closing another
// descriptor of the same file nor shared with one.
LockResult lock(int fd, int operation) {
  int result;
  do {
    result = ::flock(fd, operation | LOCK_NB);
  } while (result != 0 && errno == EINTR);
  if (result == 0) return kLockAcquired;
  const int error = errno;
  const bool is_held = error == EWOULDBLOCK || (error == EACCES && is_smb(fd));
  return is_held ? kLockHeldElsewhere : -error;
}

class OwnFile final : public KeptFile {
 public:
  explicit OwnFile(int fd) : fd_(fd) {}
  // Never repeated on EINTR: the number is free by then, another thread may already own it.
  ~OwnFile() override { ::close(fd_); }
  int descriptor() const override { return fd_; }

 private:
  int fd_;
};

FileId id_of(const struct stat& status) {
  return {.device = static_cast<std::int64_t>(status.st_dev),
          .inode = static_cast<std::int64_t>(status.st_ino)};
}

FileStamp stamp_of(const struct stat& status) {
#ifdef __APPLE__
  const timespec& modified = status.st_mtimespec;
#else
  const timespec& modified = status.st_mtim;
#endif
  return {.id = id_of(status),
          .size = static_cast<std::int64_t>(status.st_size),
          .modified_s = static_cast<std::int64_t>(modified.tv_sec),
          .modified_ns = static_cast<std::int64_t>(modified.tv_nsec)};
}

}  // namespace

LockResult lock_try_exclusive(int fd) { return lock(fd, LOCK_EX); }

LockResult lock_probe(int fd) {
  const LockResult result = lock(fd, LOCK_SH);
  if (result != kLockAcquired) return result;
  const LockResult released = lock(fd, LOCK_UN);
  return released == 0 ? kLockAcquired : released;
}

LockResult lock_drop(int fd) { return lock(fd, LOCK_UN); }

std::unique_ptr<KeptFile> keep_file(int fd) {
  const int duplicate = ::fcntl(fd, F_DUPFD_CLOEXEC, 0);
  if (duplicate < 0) return nullptr;
  std::unique_ptr<KeptFile> kept = own_file(duplicate);
  if (!kept) ::close(duplicate);
  return kept;
}

std::unique_ptr<KeptFile> own_file(int fd) {
  return std::unique_ptr<KeptFile>(new (std::nothrow) OwnFile(fd));
}

std::optional<FileId> file_id(int fd) {
  struct stat status;
  if (::fstat(fd, &status) != 0) return std::nullopt;
  return id_of(status);
}

std::optional<FileStamp> file_stamp(int fd) {
  struct stat status;
  if (::fstat(fd, &status) != 0) return std::nullopt;
  return stamp_of(status);
}

std::optional<FileStamp> file_stamp_at(const char* path) {
  struct stat status;
  if (::lstat(path, &status) != 0) return std::nullopt;
  return stamp_of(status);
}

std::optional<PathKind> path_kind(const char* path) {
  struct stat status;
  if (::lstat(path, &status) != 0) {
    return errno == ENOENT ? std::optional(PathKind::kNothing) : std::nullopt;
  }
  switch (status.st_mode & S_IFMT) {
    case S_IFREG:
      return PathKind::kFile;
    case S_IFDIR:
      return PathKind::kDirectory;
    case S_IFLNK:
      return PathKind::kLink;
    default:
      return PathKind::kOther;
  }
}

bool is_named(const char* path, int fd) {
  struct stat by_path;
  if (::lstat(path, &by_path) != 0 || !S_ISREG(by_path.st_mode)) return false;
  return file_id(fd) == id_of(by_path);
}

}  // namespace pidentity
