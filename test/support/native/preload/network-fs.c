// A stand-in for file systems that refuse and repeat: loaded with LD_PRELOAD it makes the files
// below one folder behave as on a network file system, for programs that call the C library (Node
// and the addon do).
//
// PIDENTITY_STAND_IN_FOLDER  the folder's real path
// PIDENTITY_STAND_IN_RULES   a file with words, read again before every such call:
//
//   nfs smb fuse unlisted  what statfs(2) says of it
//   exclusive-needs-writing  NFSv4 (flock(2)): LOCK_EX needs a descriptor open for writing, LOCK_SH
//   one
//                          for reading, else EBADF
//   mandatory              SMB (flock(2), fs/smb/client/file.c): who has not locked a file can
//   neither read
//                          nor write it while another descriptor has (EACCES); a lock's conflict is
//                          EACCES
//   refuses-locks          out of locks: ENOLCK; each time a byte goes into <rules>.refused
//   no-locks               no such locks at all: EOPNOTSUPP
//   no-ofd-locks           a kernel or sandbox that does not know open-file-description locks:
//   EINVAL
//   no-links               no hard links: EPERM
//   no-empty-path          a file without a name is not named by its descriptor: ENOENT
//   no-proc                nor by way of /proc: ENOENT
//   repeats-links          NFS: a call whose answer got lost is repeated: done, and EEXIST
//   repeats-creations      the same of open(O_CREAT | O_EXCL)
//   repeats-unlinks        the same of unlink: done, and ENOENT
//   repeats-renames        the same of rename
//   loses-unlinks          the answer is lost and nothing repeated: done, and EIO
//   own-inodes             mergerfs, bindfs: a linked name leads to another inode, with the same
//   content protected-regular      fs.protected_regular=1 (fs/namei.c, may_create_in_sticky)
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

enum { kDescriptors = 4096, kRulesSize = 512 };

enum { kInside = 1, kLocked = 2 };
// What this process knows of its descriptors.
static _Atomic unsigned char known[kDescriptors];

static const char* folder;
static size_t folder_length;
static const char* rules_path;

static int (*real_open)(const char*, int, ...);
static int (*real_close)(int);
static int (*real_flock)(int, int);
static int (*real_fcntl)(int, int, ...);
static int (*real_link)(const char*, const char*);
static int (*real_linkat)(int, const char*, int, const char*, int);
static int (*real_unlink)(const char*);
static int (*real_rename)(const char*, const char*);
static ssize_t (*real_read)(int, void*, size_t);
static ssize_t (*real_write)(int, const void*, size_t);
static ssize_t (*real_pread)(int, void*, size_t, off_t);
static int (*real_statfs)(const char*, struct statfs*);
static int (*real_fstatfs)(int, struct statfs*);

// Other libraries' constructors may call before one of ours would have run.
static void find_real_calls(void) {
  if (real_fstatfs != NULL) return;
  folder = getenv("PIDENTITY_STAND_IN_FOLDER");
  rules_path = getenv("PIDENTITY_STAND_IN_RULES");
  folder_length = folder == NULL ? 0 : strlen(folder);
  real_open = dlsym(RTLD_NEXT, "open64");
  real_close = dlsym(RTLD_NEXT, "close");
  real_flock = dlsym(RTLD_NEXT, "flock");
  real_fcntl = dlsym(RTLD_NEXT, "fcntl64");
  real_link = dlsym(RTLD_NEXT, "link");
  real_linkat = dlsym(RTLD_NEXT, "linkat");
  real_unlink = dlsym(RTLD_NEXT, "unlink");
  real_rename = dlsym(RTLD_NEXT, "rename");
  real_read = dlsym(RTLD_NEXT, "read");
  real_write = dlsym(RTLD_NEXT, "write");
  real_pread = dlsym(RTLD_NEXT, "pread64");
  real_statfs = dlsym(RTLD_NEXT, "statfs64");
  real_fstatfs = dlsym(RTLD_NEXT, "fstatfs64");
}

static bool is_inside(const char* path) {
  return folder != NULL && strncmp(path, folder, folder_length) == 0 &&
         (path[folder_length] == '/' || path[folder_length] == '\0');
}

static unsigned char what_is_known(int fd) { return fd >= 0 && fd < kDescriptors ? known[fd] : 0; }

// Words stand by themselves, with a blank or a newline after each.
static bool has_rule(const char* rule) {
  char rules[kRulesSize + 2] = " ";
  const int saved = errno;
  const int fd = rules_path == NULL ? -1 : real_open(rules_path, O_RDONLY | O_CLOEXEC);
  if (fd >= 0) {
    const ssize_t length = real_read(fd, rules + 1, kRulesSize);
    rules[length < 0 ? 1 : length + 1] = '\0';
    real_close(fd);
  }
  errno = saved;
  const size_t rule_length = strlen(rule);
  for (const char* found = rules; (found = strstr(found, rule)) != NULL; found += rule_length) {
    if (strchr(" \n", found[-1]) != NULL && strchr(" \n", found[rule_length]) != NULL) return true;
  }
  return false;
}

static int fail(int error) {
  errno = error;
  return -1;
}

// fs/namei.c, may_create_in_sticky: another user's file in a world-writable sticky directory.
static bool is_protected(const char* path, int flags) {
  char copy[PATH_MAX];
  struct stat file;
  struct stat directory;
  if ((flags & O_CREAT) == 0 || (flags & O_EXCL) != 0 || lstat(path, &file) != 0) return false;
  snprintf(copy, sizeof copy, "%s", path);
  if (stat(dirname(copy), &directory) != 0) return false;
  return (directory.st_mode & S_ISVTX) != 0 && (directory.st_mode & S_IWOTH) != 0 &&
         file.st_uid != directory.st_uid && file.st_uid != geteuid();
}

static int open_inside(const char* path, int flags, mode_t mode) {
  if (has_rule("protected-regular") && is_protected(path, flags)) return fail(EACCES);
  if ((flags & O_TMPFILE) == O_TMPFILE && (has_rule("nfs") || has_rule("smb"))) {
    return fail(EOPNOTSUPP);
  }
  const int fd = real_open(path, flags, mode);
  if (fd < 0) return fd;
  if ((flags & O_EXCL) != 0 && has_rule("repeats-creations")) {
    real_close(fd);
    return fail(EEXIST);
  }
  if (fd < kDescriptors) known[fd] = kInside;
  return fd;
}

static int open_any(const char* path, int flags, mode_t mode) {
  return is_inside(path) ? open_inside(path, flags, mode) : real_open(path, flags, mode);
}

static mode_t mode_of(int flags, va_list arguments) {
  return (flags & (O_CREAT | O_TMPFILE)) != 0 ? va_arg(arguments, mode_t) : 0;
}

int open64(const char* path, int flags, ...) {
  find_real_calls();
  va_list arguments;
  va_start(arguments, flags);
  const mode_t mode = mode_of(flags, arguments);
  va_end(arguments);
  return open_any(path, flags, mode);
}

int open(const char* path, int flags, ...) {
  find_real_calls();
  va_list arguments;
  va_start(arguments, flags);
  const mode_t mode = mode_of(flags, arguments);
  va_end(arguments);
  return open_any(path, flags, mode);
}

int close(int fd) {
  find_real_calls();
  if (what_is_known(fd) != 0) known[fd] = 0;
  return real_close(fd);
}

static void note_refusal(void) {
  char path[PATH_MAX];
  snprintf(path, sizeof path, "%s.refused", rules_path);
  const int fd = real_open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
  if (fd < 0) return;
  if (real_write(fd, ".", 1) != 1) abort();
  real_close(fd);
}

static int fcntl_any(int fd, int command, void* argument) {
  find_real_calls();
  const bool is_lock = command == F_OFD_SETLK || command == F_OFD_GETLK;
  if (is_lock && (what_is_known(fd) & kInside) != 0) {
    if (has_rule("refuses-locks")) {
      note_refusal();
      return fail(ENOLCK);
    }
    if (has_rule("no-locks")) return fail(EOPNOTSUPP);
    if (has_rule("no-ofd-locks")) return fail(EINVAL);
  }
  return real_fcntl(fd, command, argument);
}

int fcntl64(int fd, int command, ...) {
  va_list arguments;
  va_start(arguments, command);
  void* const argument = va_arg(arguments, void*);
  va_end(arguments);
  return fcntl_any(fd, command, argument);
}

int fcntl(int fd, int command, ...) {
  va_list arguments;
  va_start(arguments, command);
  void* const argument = va_arg(arguments, void*);
  va_end(arguments);
  return fcntl_any(fd, command, argument);
}

int flock(int fd, int operation) {
  find_real_calls();
  if ((what_is_known(fd) & kInside) == 0) return real_flock(fd, operation);
  const int wanted = operation & ~LOCK_NB;
  if (wanted != LOCK_UN) {
    if (has_rule("refuses-locks")) {
      note_refusal();
      return fail(ENOLCK);
    }
    if (has_rule("no-locks")) return fail(EOPNOTSUPP);
    const int access = real_fcntl(fd, F_GETFL) & O_ACCMODE;
    const int missing = wanted == LOCK_EX ? O_RDONLY : O_WRONLY;
    if (has_rule("exclusive-needs-writing") && access == missing) return fail(EBADF);
  }
  const int result = real_flock(fd, operation);
  if (result != 0) return errno == EWOULDBLOCK && has_rule("mandatory") ? fail(EACCES) : result;
  known[fd] = wanted == LOCK_UN ? kInside : kInside | kLocked;
  return 0;
}

// Whether another descriptor has the file locked exclusively; asked through one of its own.
static bool is_locked_elsewhere(int fd) {
  if ((what_is_known(fd) & kInside) == 0 || (what_is_known(fd) & kLocked) != 0) return false;
  if (!has_rule("mandatory")) return false;
  char path[64];
  snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
  const int other = real_open(path, O_RDONLY | O_CLOEXEC);
  if (other < 0) return false;
  const bool is_locked = real_flock(other, LOCK_SH | LOCK_NB) != 0;
  real_close(other);
  return is_locked;
}

ssize_t read(int fd, void* buffer, size_t size) {
  find_real_calls();
  return is_locked_elsewhere(fd) ? fail(EACCES) : real_read(fd, buffer, size);
}

ssize_t pread64(int fd, void* buffer, size_t size, off_t offset) {
  find_real_calls();
  return is_locked_elsewhere(fd) ? fail(EACCES) : real_pread(fd, buffer, size, offset);
}

ssize_t write(int fd, const void* buffer, size_t size) {
  find_real_calls();
  return is_locked_elsewhere(fd) ? fail(EACCES) : real_write(fd, buffer, size);
}

static int link_copy(const char* from, const char* to) {
  char buffer[65536];
  const int source = real_open(from, O_RDONLY | O_CLOEXEC);
  if (source < 0) return -1;
  const int target = real_open(to, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
  if (target < 0) {
    real_close(source);
    return -1;
  }
  const ssize_t size = real_read(source, buffer, sizeof buffer);
  const bool is_done = size >= 0 && real_write(target, buffer, (size_t)size) == size;
  real_close(source);
  real_close(target);
  return is_done ? 0 : fail(EIO);
}

int link(const char* from, const char* to) {
  find_real_calls();
  if (!is_inside(to)) return real_link(from, to);
  if (has_rule("no-links")) return fail(EPERM);
  const int result = has_rule("own-inodes") ? link_copy(from, to) : real_link(from, to);
  return result == 0 && has_rule("repeats-links") ? fail(EEXIST) : result;
}

int linkat(int from_directory, const char* from, int to_directory, const char* to, int flags) {
  find_real_calls();
  if (is_inside(to)) {
    if (has_rule("no-links")) return fail(EPERM);
    if (has_rule("no-empty-path") && (flags & AT_EMPTY_PATH) != 0) return fail(ENOENT);
    if (has_rule("no-proc") && (flags & AT_SYMLINK_FOLLOW) != 0) return fail(ENOENT);
  }
  return real_linkat(from_directory, from, to_directory, to, flags);
}

int unlink(const char* path) {
  find_real_calls();
  const int result = real_unlink(path);
  if (result != 0 || !is_inside(path)) return result;
  if (has_rule("repeats-unlinks")) return fail(ENOENT);
  return has_rule("loses-unlinks") ? fail(EIO) : result;
}

int rename(const char* from, const char* to) {
  find_real_calls();
  const int result = real_rename(from, to);
  return result == 0 && is_inside(to) && has_rule("repeats-renames") ? fail(ENOENT) : result;
}

// linux/magic.h
static void name_kind(struct statfs* status) {
  if (has_rule("nfs")) status->f_type = 0x6969;
  if (has_rule("smb")) status->f_type = 0xFF534D42;
  if (has_rule("fuse")) status->f_type = 0x65735546;
  if (has_rule("unlisted")) status->f_type = 0x12345678;
}

int statfs64(const char* path, struct statfs64* status) {
  find_real_calls();
  const int result = real_statfs(path, (struct statfs*)status);
  if (result == 0 && is_inside(path)) name_kind((struct statfs*)status);
  return result;
}

int fstatfs64(int fd, struct statfs64* status) {
  find_real_calls();
  const int result = real_fstatfs(fd, (struct statfs*)status);
  if (result == 0 && (what_is_known(fd) & kInside) != 0) name_kind((struct statfs*)status);
  return result;
}

// On 64-bit machines the two are one layout.
int statfs(const char* path, struct statfs* status) {
  return statfs64(path, (struct statfs64*)status);
}

int fstatfs(int fd, struct statfs* status) { return fstatfs64(fd, (struct statfs64*)status); }
