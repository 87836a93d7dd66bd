// The system calls of the lock protocol (lib/lock/README.md), one function for each step, for the C
// programs that pidentity is measured beside. Each makes its calls in the package's order and with
// reads of the same size, and looks at little of what they bring; one that fails ends the program.
// measure/compare-lock-calls.mjs compares them with the package's by strace: what changes there
// changes here.
//
// Three ways, each with a publication, a release and a removal of another process's lock:
//   plain       `wx`, write, unlink: the least that a lock file can cost; no protection
//   guard file  ownership by flock on a named temporary that is linked; changes inside <L>.guard
//   inode       ownership by an open-file-description lock on an unnamed file that is linked;
//               changes inside flock on the lock file itself
#ifndef PIDENTITY_BENCH_LOCK_CALLS_H_
#define PIDENTITY_BENCH_LOCK_CALLS_H_

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

enum {
  kMaxLockPath = 4096,
  kSafely = O_NOCTTY | O_NONBLOCK | O_NOFOLLOW | O_CLOEXEC,
  kReading = O_RDONLY | kSafely,
  kPrivately = O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
  kPlainPayload = 80,  // pid, createdAt and maxHoldMs
};

struct lock_paths {
  char directory[kMaxLockPath];
  char lock[kMaxLockPath + 8];
  char temporary[kMaxLockPath + 64];
  char guard[kMaxLockPath + 16];
  char foreign_guard[kMaxLockPath + 16];
};

static char lock_payload[360];         // as long as a payload of the package
static char lock_area[64 * 1024 + 1];  // as lib/lock/protocol/read.ts

static void fail(const char* what) {
  fprintf(stderr, "%s: %s\n", what, strerror(errno));
  exit(1);
}

static int expect_fd(int fd, const char* what) {
  if (fd < 0) fail(what);
  return fd;
}

static void expect_zero(int result, const char* what) {
  if (result != 0) fail(what);
}

static void expect(int is_so, const char* what) {
  if (is_so) return;
  fprintf(stderr, "not as expected: %s\n", what);
  exit(1);
}

static struct lock_paths paths_of_lock(const char* lock) {
  struct lock_paths paths;
  const char* const slash = strrchr(lock, '/');
  expect(slash != NULL && strlen(lock) < kMaxLockPath, lock);
  snprintf(paths.directory, sizeof paths.directory, "%.*s", (int)(slash - lock), lock);
  snprintf(paths.lock, sizeof paths.lock, "%s", lock);
  snprintf(paths.temporary, sizeof paths.temporary, "%s.%032d.tmp", lock, 0);
  snprintf(paths.guard, sizeof paths.guard, "%s.guard", lock);
  snprintf(paths.foreign_guard, sizeof paths.foreign_guard, "%s.reclaim", lock);
  return paths;
}

static void write_payload(int fd, size_t length) {
  memset(lock_payload, ' ', length);
  if (write(fd, lock_payload, length) != (ssize_t)length) fail("write");
}

static void read_lock(int fd) {
  if (pread(fd, lock_area, sizeof lock_area, 0) <= 0) fail("pread");
}

static void flock_at_once(int fd) { expect_zero(flock(fd, LOCK_EX | LOCK_NB), "flock"); }

// Whether the path names the file that the descriptor has open.
static void expect_named(const char* path, const struct stat* by_descriptor) {
  struct stat by_path;
  expect_zero(lstat(path, &by_path), path);
  expect(by_path.st_ino == by_descriptor->st_ino && by_path.st_dev == by_descriptor->st_dev, path);
}

static void stat_descriptor(int fd, struct stat* status) {
  expect_zero(fstat(fd, status), "fstat");
}

// A share of a virtual machine shows its host's file system; its device number tells that it lies
// on no disk.
static void stat_file_system(int fd) {
  struct statfs status;
  expect_zero(fstatfs(fd, &status), "fstatfs");
  const int is_of_disk = status.f_type == EXT4_SUPER_MAGIC || status.f_type == XFS_SUPER_MAGIC;
  struct stat device;
  if (is_of_disk) stat_descriptor(fd, &device);
}

// ---- plain ----

static inline void plain_create_unlink(const struct lock_paths* paths) {
  const int flags = O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC;
  const int fd = expect_fd(open(paths->lock, flags, 0666), "open");
  write_payload(fd, kPlainPayload);
  close(fd);
  expect_zero(unlink(paths->lock), "unlink");
}

static inline void plain_remove(const struct lock_paths* paths) {
  const int fd = expect_fd(open(paths->lock, kReading), paths->lock);
  read_lock(fd);
  close(fd);
  expect_zero(unlink(paths->lock), "unlink");
}

// ---- guard file ----

static int enter_guard_file(const struct lock_paths* paths) {
  struct stat status;
  const int guard = expect_fd(open(paths->guard, O_RDWR | O_CREAT | kSafely, 0666), "open");
  flock_at_once(guard);
  struct stat by_path;
  expect_zero(lstat(paths->guard, &by_path), paths->guard);
  stat_descriptor(guard, &status);
  expect(by_path.st_ino == status.st_ino, paths->guard);
  return guard;
}

static void leave_guard_file(const struct lock_paths* paths, int guard) {
  expect_zero(unlink(paths->guard), "unlink");
  close(guard);
}

static inline void guard_file_acquire_release(const struct lock_paths* paths) {
  struct stat status;
  const int lock = expect_fd(open(paths->temporary, kPrivately, 0666), "open");
  flock_at_once(lock);
  stat_file_system(lock);
  stat_descriptor(lock, &status);
  write_payload(lock, sizeof lock_payload);
  expect_zero(link(paths->temporary, paths->lock), "link");
  expect_zero(unlink(paths->temporary), "unlink");

  const int guard = enter_guard_file(paths);
  const int reader = expect_fd(open(paths->lock, kReading), "open");
  read_lock(reader);
  close(reader);
  expect_zero(unlink(paths->lock), "unlink");
  leave_guard_file(paths, guard);
  close(lock);
}

static inline void guard_file_remove(const struct lock_paths* paths) {
  struct stat status;
  int fd = expect_fd(open(paths->lock, kReading), paths->lock);
  read_lock(fd);
  close(fd);
  expect(access(paths->foreign_guard, F_OK) != 0, paths->foreign_guard);
  const int guard = enter_guard_file(paths);
  fd = expect_fd(open(paths->lock, kReading), paths->lock);
  stat_descriptor(fd, &status);
  read_lock(fd);
  close(fd);
  expect_zero(unlink(paths->lock), "unlink");
  leave_guard_file(paths, guard);
}

// ---- inode ----

// Byte 0, as long as the descriptor's open file description is.
static struct flock ownership(void) {
  return (struct flock){.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = 0, .l_len = 1};
}

static void expect_unowned(int fd) {
  struct flock asked = ownership();
  expect_zero(fcntl(fd, F_OFD_GETLK, &asked), "F_OFD_GETLK");
  expect(asked.l_type == F_UNLCK, "a lock without a holder");
}

// Linux 6.10 and later link by AT_EMPTY_PATH for the one who opened the file; before that it takes
// CAP_DAC_READ_SEARCH, and ENOENT means that it is missing.
static void link_unnamed(int fd, const char* path) {
  static int is_by_descriptor = 1;
  if (is_by_descriptor) {
    if (linkat(fd, "", AT_FDCWD, path, AT_EMPTY_PATH) == 0) return;
    if (errno != ENOENT) fail("linkat");
    is_by_descriptor = 0;
  }
  char open_file[64];
  snprintf(open_file, sizeof open_file, "/proc/self/fd/%d", fd);
  expect_zero(linkat(AT_FDCWD, open_file, AT_FDCWD, path, AT_SYMLINK_FOLLOW), "linkat");
}

static inline void inode_acquire_release(const struct lock_paths* paths) {
  struct stat status;
  const int fd = expect_fd(open(paths->directory, O_RDWR | O_TMPFILE | O_CLOEXEC, 0666), "open");
  stat_file_system(fd);
  struct flock owned = ownership();
  expect_zero(fcntl(fd, F_OFD_SETLK, &owned), "F_OFD_SETLK");
  stat_descriptor(fd, &status);
  write_payload(fd, sizeof lock_payload);
  // Size and mtime as published: with them unchanged a release need not read the bytes again.
  stat_descriptor(fd, &status);
  link_unnamed(fd, paths->lock);

  flock_at_once(fd);
  expect_named(paths->lock, &status);
  expect_zero(unlink(paths->lock), "unlink");
  close(fd);
}

static inline void inode_remove(const struct lock_paths* paths) {
  struct stat status;
  const int fd = expect_fd(open(paths->lock, kReading), paths->lock);
  read_lock(fd);
  stat_descriptor(fd, &status);
  expect_unowned(fd);
  // Free because it was released since it was opened: then it has no name.
  stat_descriptor(fd, &status);
  expect(status.st_nlink == 1, paths->lock);
  // Another program's guard, such as that of fs-safe.
  expect(lstat(paths->foreign_guard, &status) != 0, paths->foreign_guard);
  flock_at_once(fd);
  struct stat by_path;
  expect_zero(lstat(paths->lock, &by_path), paths->lock);
  stat_descriptor(fd, &status);
  expect(by_path.st_ino == status.st_ino && by_path.st_dev == status.st_dev, paths->lock);
  read_lock(fd);
  expect_unowned(fd);
  stat_file_system(fd);
  expect_zero(unlink(paths->lock), "unlink");
  close(fd);
}

#endif  // PIDENTITY_BENCH_LOCK_CALLS_H_
